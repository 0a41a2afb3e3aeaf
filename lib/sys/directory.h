/*
 * A directory that appears whole or not at all: its files are written to
 * .NAME.tmp beside it, which is renamed when all are there.
 */
#ifndef SYS_DIRECTORY_H
#define SYS_DIRECTORY_H

#include <stddef.h>

struct directory_out;
struct file_out;

/* Fails now if path is there and not an empty directory, or cannot be made. */
struct directory_out *directory_create(const char *path, char *why);

/* A file in it, to be committed as any other; its name is a constant. */
struct file_out *directory_file(
    struct directory_out *, const char *name, char *why);

/* The same with these bytes. */
int directory_write(struct directory_out *, const char *name, const void *,
    size_t len, char *why);

/* Puts the directory in its place, and frees d either way. */
int directory_commit(struct directory_out *d, char *why);

/* Removes what was written, and frees d; NULL is allowed. */
void directory_abandon(struct directory_out *d);

#endif
