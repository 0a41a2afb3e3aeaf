/*
 * The layer's own: pretokens and their tokens as they were merged before. Its
 * size is fixed; what comes in pushes out what was there. Most pretokens are
 * short: two of them share one line of the processor's cache, so that looking
 * one up costs one access to memory, and that one is asked for ahead.
 */
#ifndef BPE_CACHE_H
#define BPE_CACHE_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "sys/bytes.h"

enum {
	SHORT_BYTES = 15,
	SHORT_IDS = 4,
	SHORT_BITS = 17,
	LONG_BYTES = 31,
	LONG_IDS = 8,
	LONG_BITS = 14,
	CACHE_SLACK = LONG_IDS /* ids that may be stored beyond the last */
};

/* The bytes, zeros, and in the last byte the length; all 0: empty. */
struct short_key {
	uint64_t word[2];
};

struct long_key {
	uint64_t word[4];
};

/* The number of ids stands in the upper 8 bits of the first, an id in 24. */
struct short_entry {
	struct short_key key;
	uint32_t ids[SHORT_IDS];
};

struct long_entry {
	struct long_key key;
	uint32_t ids[LONG_IDS];
};

struct cache {
	void *memory;			 /* of both */
	size_t size;			 /* bytes of it */
	struct short_entry (*shorts)[2]; /* (1 << SHORT_BITS) */
	struct long_entry (*longs)[2];	 /* (1 << LONG_BITS) */
};

/* -1: no memory. cache_free releases what is there in any case. */
int cache_fill(struct cache *, char *why);
void cache_free(struct cache *);

/* Stores the ids (n) of a pretoken, if there is room for so many. */
void cache_put(struct cache *, const uint8_t *p, size_t len,
    const uint32_t *ids, size_t n);

/* The longer keys: the number of ids copied to out, or 0. */
size_t cache_get_long(
    const struct cache *, uint32_t *out, const uint8_t *p, size_t len);

/* The key of len <= SHORT_BYTES bytes; 16 can be read. */
static inline struct short_key
cache_key(const uint8_t *p, size_t len)
{
	static const uint64_t masks[SHORT_BYTES + 1][2] = {
#define LOW(n) (((uint64_t)1 << 8 * (n)) - 1)
#define ALL (~(uint64_t)0)
		{ LOW(0), 0 }, { LOW(1), 0 }, { LOW(2), 0 }, { LOW(3), 0 },
		{ LOW(4), 0 }, { LOW(5), 0 }, { LOW(6), 0 }, { LOW(7), 0 },
		{ ALL, LOW(0) }, { ALL, LOW(1) }, { ALL, LOW(2) },
		{ ALL, LOW(3) }, { ALL, LOW(4) }, { ALL, LOW(5) },
		{ ALL, LOW(6) }, { ALL, LOW(7) }
#undef LOW
#undef ALL
	};
	struct short_key k = { { bytes_get64(p) & masks[len][0],
	    (bytes_get64(p + 8) & masks[len][1]) | (uint64_t)len << 56 } };

	return k;
}

/* Where a short key belongs. */
static inline size_t
cache_place(struct short_key k)
{
	uint64_t hash =
	    k.word[0] * 0x9e3779b97f4a7c15u + k.word[1] * 0xc2b2ae3d27d4eb4fu;

	hash = (hash ^ hash >> 32) * 0xd6e8feb86659fd93u;
	return (size_t)(hash >> (64 - SHORT_BITS));
}

/* The number of ids copied to out, which has CACHE_SLACK more, or 0. */
static inline size_t
cache_get_short(
    const struct cache *c, uint32_t *out, struct short_key k, size_t place)
{
	const struct short_entry *e = c->shorts[place];
	const uint64_t other =
	    (e[1].key.word[0] ^ k.word[0]) | (e[1].key.word[1] ^ k.word[1]);

	e += other == 0;
	memcpy(out, e->ids, sizeof(e->ids));
	out[0] &= 0xffffff;
	if (e->key.word[0] != k.word[0] || e->key.word[1] != k.word[1])
		return 0;
	return e->ids[0] >> 24;
}

#endif
