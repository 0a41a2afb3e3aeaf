/*
 * The layer's own: GPT-2's division of text into pretokens, each of which is
 * merged by itself. Its pattern, of which the first alternative that fits
 * counts, is
 *
 *   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *
 * \s being Unicode's White_Space; an invalid byte is in no class.
 */
#ifndef BPE_SPLIT_H
#define BPE_SPLIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpe/classify.h"

struct split {
	const uint8_t *text;
	size_t len;
	uint32_t offset; /* of the text, in what starts are counted */
	size_t at;	 /* of the block now, in the text */
	classify_fn *classify;
	struct classes *classes;
	struct block now, next, carry;
	/* of the block before: its last byte's class, 0 or 1 */
	uint64_t letter, digit, space, other, blank;
	/* by contractions that reach into the block now */
	uint64_t set, clear;
};

/*
 * Begins with the len bytes at texts + offset, which BPE_GAP zeros follow; and
 * BPE_PADDING bytes can be read there.
 */
void split_start(struct split *, const uint8_t *texts, size_t offset,
    size_t len, classify_fn *, struct classes *);

/* True when every start has been given. */
bool split_ended(const struct split *);

/*
 * Stores where pretokens start in the next 64 bytes, as offsets from texts,
 * and returns their number. starts has room for BLOCK.
 */
size_t split_block(struct split *, uint32_t *starts);

#endif
