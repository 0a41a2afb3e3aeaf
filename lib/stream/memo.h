/*
 * A memo of hidden states: a file of whole streams, one behind the other, in
 * which records are found by their tokens. Only its end ever changes; one
 * process at a time may use it.
 */
#ifndef STREAM_MEMO_H
#define STREAM_MEMO_H

#include <stdint.h>

#include "stream/stream.h"

struct memo;

/*
 * Opens or creates the file and checks every block. The header is of what the
 * records are to be; the file's must be equal but for the preparation, which
 * is not in the vectors. What a run that was killed left unfinished at the end
 * is removed; *dropped is its bytes. NULL: in use by another process, damaged,
 * or made by another model.
 */
struct memo *memo_open(const char *path, const struct stream_header *,
    uint64_t *dropped, char *why);

/* Forgets what is not written; NULL is allowed. */
void memo_free(struct memo *);

/* How many records it holds. */
uint64_t memo_count(struct memo *);

/*
 * Copies the vectors of a record with these tokens, as the stream has them;
 * false where there is none. Any thread may call it.
 */
bool memo_find(
    struct memo *, const uint32_t *tokens, size_t n_tokens, void *vectors);

/* Adds tokens and vectors of a record unless they are there. */
int memo_add(struct memo *, const struct record *, char *why);

/* Hands what was added to the kernel, and once a second to the disk. */
int memo_flush(struct memo *, char *why);

/* Writes the end mark and puts all on the disk. */
int memo_end(struct memo *, char *why);

#endif
