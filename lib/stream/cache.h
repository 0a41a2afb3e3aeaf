/*
 * Whole streams in memory, for training and for other orders than theirs:
 * regular files are mapped, anything else is spooled to an unlinked file in
 * $TMPDIR first.
 */
#ifndef STREAM_CACHE_H
#define STREAM_CACHE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/stream.h"

struct stream_cache;

/* Reads and checks every block; arguments and errors as stream_reader_open. */
struct stream_cache *stream_cache_open(
    const char *const *files, size_t n, enum stream_kind, char *why);
void stream_cache_free(struct stream_cache *);

const struct stream_header *stream_cache_header(const struct stream_cache *);

/* Parts in all; those of one record follow each other. */
size_t stream_cache_count(const struct stream_cache *);

/* True if the text's last record ended in its delimiter. */
bool stream_cache_terminated(const struct stream_cache *);

/* Part i will be wanted soon: begins to read it, and does not wait. */
void stream_cache_want(const struct stream_cache *, size_t i);

/* Part i; its pointers are valid until stream_cache_free. */
struct record stream_cache_record(const struct stream_cache *, size_t i);

#endif
