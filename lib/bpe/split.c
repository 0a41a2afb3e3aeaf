/*
 * The division into pretokens by bit arithmetic; see split.h. Whether one
 * starts at a byte depends on the class of the byte before, on what follows a
 * run of white space, and on three bytes from an apostrophe on.
 */
#include "bpe/split.h"

#include <string.h>

/* Classifies the block at offset; behind the text all is white space. */
static void
load(struct split *s, struct block *b, size_t offset)
{
	uint64_t behind;

	if (offset >= s->len) {
		memset(b, 0, sizeof(*b));
		b->space = ~(uint64_t)0;
		return;
	}
	s->classify(b, s->text + offset);
	b->letter |= s->carry.letter;
	b->digit |= s->carry.digit;
	b->space |= s->carry.space;
	b->wide_rest |= s->carry.wide_rest;
	memset(&s->carry, 0, sizeof(s->carry));
	if (s->len - offset < BLOCK) {
		behind = ~(uint64_t)0 << (s->len - offset);
		b->space |= behind;
		b->high &= ~behind;
	}
	if (b->high)
		classify_high(s->classes, b, &s->carry, s->text + offset);
}

void
split_start(struct split *s, const uint8_t *texts, size_t offset, size_t len,
    classify_fn *classify, struct classes *classes)
{
	s->text = texts + offset;
	s->offset = (uint32_t)offset;
	s->len = len;
	s->at = 0;
	s->classify = classify;
	s->classes = classes;
	memset(&s->carry, 0, sizeof(s->carry));
	s->letter = s->digit = s->space = s->other = s->blank = 0;
	s->set = s->clear = 0;
	load(s, &s->now, 0);
}

bool
split_ended(const struct split *s)
{
	return s->at >= s->len;
}

/* Length of the contraction that begins with the apostrophe at p, or 0. */
static unsigned
contraction(const uint8_t *p)
{
	switch (p[1]) {
	case 's':
	case 't':
	case 'm':
	case 'd':
		return 2;
	case 'r':
	case 'v':
		return p[2] == 'e' ? 3 : 0;
	case 'l':
		return p[2] == 'l' ? 3 : 0;
	default:
		return 0;
	}
}

/* Corrects starts for the contractions that begin at ticks. */
static uint64_t
apply_contractions(struct split *s, uint64_t starts, uint64_t ticks)
{
	uint64_t set = s->set, clear = s->clear;

	s->set = s->clear = 0;
	for (; ticks; ticks &= ticks - 1) {
		unsigned i = (unsigned)__builtin_ctzll(ticks);
		unsigned n = contraction(s->text + s->at + i);

		if (n == 0)
			continue;
		if (i + 1 < BLOCK)
			clear |= (uint64_t)1 << (i + 1);
		else
			s->clear = 1;
		if (i + n < BLOCK)
			set |= (uint64_t)1 << (i + n);
		else
			s->set |= (uint64_t)1 << (i + n - BLOCK);
	}
	return (starts & ~clear) | set;
}

/* Last characters of runs of white space, of those beyond ASCII. */
static uint64_t
find_wide_last(const struct split *s)
{
	uint64_t last = 0;

	for (uint64_t wide = s->now.wide; wide; wide &= wide - 1) {
		unsigned i = (unsigned)__builtin_ctzll(wide);
		unsigned end = i + (s->text[s->at + i] < 0xe0 ? 2 : 3);
		uint64_t after = end < BLOCK ? s->now.space >> end
					     : s->next.space >> (end - BLOCK);

		if (!(after & 1))
			last |= wide & -wide;
	}
	return last;
}

/*
 * A run of white space is one pretoken, but its last character is another if
 * something follows; a blank then belongs to what follows. Everything else
 * starts where the class changes.
 */
static uint64_t
find_starts(struct split *s)
{
	const struct block *b = &s->now;
	uint64_t other = ~(b->letter | b->digit | b->space);
	uint64_t after_other = other << 1 | s->other;
	uint64_t glued = b->blank << 1 | s->blank;
	uint64_t word, space;

	word = (b->letter & ~(b->letter << 1 | s->letter)) |
	       (b->digit & ~(b->digit << 1 | s->digit)) |
	       (other & ~after_other);
	space = b->space &
		(~(b->space << 1 | s->space) |
		    ~(b->space >> 1 | s->next.space << 63 | b->wide_rest));
	if (b->wide)
		space |= find_wide_last(s);
	word = apply_contractions(
	    s, (word & ~glued) | space, b->tick & ~after_other & ~glued);
	s->letter = b->letter >> 63;
	s->digit = b->digit >> 63;
	s->space = b->space >> 63;
	s->other = other >> 63;
	s->blank = b->blank >> 63;
	return word;
}

/* The bits set; without an instruction for it the compiler's call is slow. */
static size_t
count(uint64_t x)
{
	x -= x >> 1 & 0x5555555555555555u;
	x = (x & 0x3333333333333333u) + (x >> 2 & 0x3333333333333333u);
	x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0fu;
	return (size_t)(x * 0x0101010101010101u >> 56);
}

size_t
split_block(struct split *s, uint32_t *starts)
{
	const uint32_t at = s->offset + (uint32_t)s->at;
	uint64_t bits;
	size_t n;

	load(s, &s->next, s->at + BLOCK);
	bits = find_starts(s);
	if (s->len - s->at < BLOCK)
		bits &= ((uint64_t)1 << (s->len - s->at)) - 1;
	n = count(bits);
	/* Eight at a time, the last ones for nothing, is fewer branches. */
	for (size_t i = 0; i < n; i += 8) {
		for (size_t k = 0; k < 8; k++) {
			starts[i + k] = at + (uint32_t)__builtin_ctzll(
						 bits | (uint64_t)1 << 63);
			bits &= bits - 1;
		}
	}
	s->now = s->next;
	s->at += BLOCK;
	return n;
}
