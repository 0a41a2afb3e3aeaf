/* The cache of pretokens; see cache.h. */
#include "bpe/cache.h"

#include <sys/mman.h>

#include "sys/why.h"

enum { LARGE_PAGE = 2 << 20 };

/*
 * Zeros that are not touched yet, so that the cache costs no time to make; in
 * large pages where there are any, for it is looked into at random.
 */
int
cache_fill(struct cache *c, char *why)
{
	const size_t shorts = sizeof(*c->shorts) << SHORT_BITS;
	const size_t longs = sizeof(*c->longs) << LONG_BITS;
	uint8_t *p;

	c->size = shorts + longs + LARGE_PAGE;
	p = mmap(NULL, c->size, PROT_READ | PROT_WRITE,
	    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED) {
		why_memory(why);
		return -1;
	}
	c->memory = p;
	p += -(uintptr_t)p % LARGE_PAGE;
	madvise(p, shorts + longs, MADV_HUGEPAGE);
	c->shorts = (void *)p;
	c->longs = (void *)(p + shorts);
	return 0;
}

void
cache_free(struct cache *c)
{
	if (c->memory)
		munmap(c->memory, c->size);
}

static struct long_key
long_key(const uint8_t *p, size_t len)
{
	struct long_key k = { { 0 } };

	memcpy(k.word, p, len);
	k.word[3] |= (uint64_t)len << 56;
	return k;
}

static size_t
long_place(const struct long_key *k)
{
	uint64_t hash = 0;

	for (size_t i = 0; i < 4; i++)
		hash = (hash ^ hash >> 32 ^ k->word[i]) * 0xd6e8feb86659fd93u;
	return (size_t)(hash >> (64 - LONG_BITS));
}

size_t
cache_get_long(
    const struct cache *c, uint32_t *out, const uint8_t *p, size_t len)
{
	const struct long_key k = long_key(p, len);
	const struct long_entry *e = c->longs[long_place(&k)];

	for (size_t i = 0; i < 2; i++, e++) {
		if (memcmp(&e->key, &k, sizeof(k)) == 0) {
			memcpy(out, e->ids, sizeof(e->ids));
			out[0] &= 0xffffff;
			return e->ids[0] >> 24;
		}
	}
	return 0;
}

static void
put_long(struct cache *c, const uint8_t *p, size_t len, const uint32_t *ids,
    size_t n)
{
	const struct long_key k = long_key(p, len);
	struct long_entry *e = c->longs[long_place(&k)];

	e[1] = e[0];
	e[0].key = k;
	memcpy(e[0].ids, ids, n * sizeof(*ids));
	e[0].ids[0] |= (uint32_t)n << 24;
}

/* Among the longer ones there is room for a short one that has to go. */
static void
displace(struct cache *c, const struct short_entry *e)
{
	const size_t len = (size_t)(e->key.word[1] >> 56);
	uint32_t ids[SHORT_IDS];

	if (len == 0)
		return;
	memcpy(ids, e->ids, sizeof(ids));
	ids[0] &= 0xffffff;
	put_long(c, (const uint8_t *)e->key.word, len, ids, e->ids[0] >> 24);
}

void
cache_put(struct cache *c, const uint8_t *p, size_t len, const uint32_t *ids,
    size_t n)
{
	struct short_entry *e;
	struct short_key k;

	if (len > LONG_BYTES || n > LONG_IDS)
		return;
	if (len > SHORT_BYTES || n > SHORT_IDS) {
		put_long(c, p, len, ids, n);
		return;
	}
	k = cache_key(p, len);
	/* Who comes first is frequent, and stays; the others take turns. */
	e = c->shorts[cache_place(k)];
	if (e->key.word[1] != 0)
		displace(c, ++e);
	e->key = k;
	memcpy(e->ids, ids, n * sizeof(*ids));
	e->ids[0] |= (uint32_t)n << 24;
}
