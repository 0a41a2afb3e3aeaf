/* The safetensors files of a model: one, or those that its index names. */
#ifndef CHECKPOINT_SHARDS_H
#define CHECKPOINT_SHARDS_H

#include <stddef.h>

struct folder;
struct safetensor;
struct shards;

/* Opens them; the folder must outlive it. Reasons begin with a file's name. */
struct shards *shards_open(struct folder *, char *why);
void shards_free(struct shards *);

/*
 * A tensor by its name with or without "transformer.", or NULL; *file is the
 * name of the file that has it, or should.
 */
const struct safetensor *shards_find(
    const struct shards *, const char *name, const char **file);

#endif
