/*
 * Output files that are replaced whole. While a regular file is written, its
 * bytes go to .NAME.tmp beside it; file_commit puts them on the disk and
 * renames. So the file is at every moment the old or the new one, complete. A
 * name that is a link keeps the link; a device, a FIFO or stdout is written
 * directly.
 */
#ifndef SYS_FILE_H
#define SYS_FILE_H

#include <stdbool.h>
#include <stddef.h>

struct file_out;

/*
 * Opens path for writing, NULL for stdout. Fails now if the directory is
 * missing or read-only, or another process is writing the same file.
 */
struct file_out *file_create(const char *path, char *why);

/*
 * Opens a regular file for reading and writing at its end, or creates it, and
 * locks it: fails at once if another process has the lock. file_commit and
 * file_abandon close it.
 */
struct file_out *file_append(const char *path, char *why);

/* The descriptor, which stays f's. */
int file_descriptor(const struct file_out *f);

/* Writes all len bytes, or fails. */
int file_write(struct file_out *, const void *, size_t len, char *why);

/* Puts the file in its place (fsync, rename, fsync) and frees f either way. */
int file_commit(struct file_out *f, char *why);

/* Leaves the old file as it was, and frees f; NULL is allowed. */
void file_abandon(struct file_out *f);

/* For messages: the path, or "stdout". */
const char *file_name(const struct file_out *);

/* True where the bytes would go to a terminal. */
bool file_is_terminal(const struct file_out *);

/* True where st is of the very regular file that f replaces or writes. */
struct stat;
bool file_is_same(const struct file_out *f, const struct stat *st);

/* Removes the temporary files of this process; safe in a signal handler. */
void file_abandon_all(void);

/* An unlinked file in $TMPDIR (/tmp) open for reading and writing, or -1. */
int file_temporary(char *why);

/* write(2) until all is written; -1 with errno. */
int file_write_all(int fd, const void *, size_t len);

#endif
