/*
 * From a text to the record or records that stand for it: white space off,
 * prefix and suffix on, and cut where it is too long for the model.
 */
#ifndef BPE_PREPARE_H
#define BPE_PREPARE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/stream.h"

struct bpe;

/* What becomes of a text with too many tokens. */
enum prepare_long {
	LONG_SPLIT, /* parts of equal size, to one token */
	LONG_HEAD,  /* its first tokens are kept */
	LONG_TAIL,  /* its last ones */
	LONG_ERROR
};

/* One for each thread. */
struct preparer;

/*
 * The preparation's strings stay the caller's. limit is the tokens of a
 * record at most, 0: any number; it fails if prefix and suffix leave no room.
 */
struct preparer *preparer_open(const struct bpe *, const struct preparation *,
    size_t limit, enum prepare_long, char *why);
void preparer_free(struct preparer *);

/*
 * Encodes a text; returns how many records it makes, at least 1, or -1: too
 * long under LONG_ERROR, special under SPECIAL_ERROR, or no memory.
 */
long preparer_encode(
    struct preparer *, const uint8_t *text, size_t len, char *why);

/*
 * Fills in tokens, part, parts, length and was_cut of the k-th of them, from
 * 0; valid until the next call.
 */
void preparer_part(struct preparer *, size_t k, struct record *);

#endif
