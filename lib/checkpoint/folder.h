/*
 * The files of a model by their names, wherever they lie. Everything that
 * reads a model gets its bytes here.
 */
#ifndef CHECKPOINT_FOLDER_H
#define CHECKPOINT_FOLDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct folder;

/*
 * Opens a directory, or a tar or zip archive that has one; with weights, the
 * safetensors files of an archive are there too. folder_free(NULL) is allowed.
 */
struct folder *folder_open(const char *path, char *why);
struct folder *folder_open_weights(const char *path, char *why);
void folder_free(struct folder *);

/* "" for a directory, " in archive" for an archive. */
const char *folder_where(const struct folder *);

/* True where there is a file of that name. */
bool folder_has(const struct folder *, const char *name);

/*
 * The bytes of a file, valid until folder_free. -1: the reason begins with
 * the name. One thread at a time.
 */
int folder_get(struct folder *, const char *name, const uint8_t **data,
    size_t *size, char *why);

/* Bytes of a file are not needed for now: a mapping's memory may go. */
void folder_forget(const struct folder *, const uint8_t *p, size_t n);

/*
 * The first file, by name, that could hold weights but is not called
 * model.safetensors; NULL: none. The caller frees it.
 */
char *folder_find_weights(const struct folder *);

#endif
