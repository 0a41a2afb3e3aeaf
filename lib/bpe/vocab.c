/* The tables of a vocabulary; see vocab.h. */
#include "bpe/vocab.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sys/why.h"

/* The smallest power of two that is at least twice n. */
static size_t
table_size(size_t n)
{
	size_t size = 1024;

	while (size < 2 * n)
		size *= 2;
	return size;
}

int
vocab_size(struct bpe *b, size_t tokens, size_t merges, size_t total, char *why)
{
	size_t n_slots = table_size(tokens), n_ranks = table_size(merges);
	const size_t n_byte_rank = (size_t)256 * 256;

	if (tokens >= TOKENS_MOST || merges >= TOKENS_MOST ||
	    total > UINT32_MAX)
		return why_set(why, "more than %d tokens", TOKENS_MOST - 1);
	b->start = malloc((tokens + 1) * sizeof(*b->start));
	b->bytes = malloc(total + 1);
	b->merges = malloc((merges + 1) * sizeof(*b->merges));
	b->ranks = malloc(n_ranks * sizeof(*b->ranks));
	b->byte_rank = malloc(n_byte_rank * sizeof(*b->byte_rank));
	b->slots = calloc(n_slots, sizeof(*b->slots));
	b->used = calloc(tokens + 1, 1);
	if (!b->start || !b->bytes || !b->merges || !b->ranks ||
	    !b->byte_rank || !b->slots || !b->used) {
		why_memory(why);
		return -1;
	}
	b->start[0] = 0;
	b->in_order = true;
	b->slot_mask = n_slots - 1;
	b->rank_mask = n_ranks - 1;
	b->rank_shift = 64 - (unsigned)__builtin_ctzll(n_ranks);
	memset(b->ranks, 0xff, n_ranks * sizeof(*b->ranks));
	memset(b->byte_rank, 0xff, n_byte_rank * sizeof(*b->byte_rank));
	return 0;
}

uint8_t *
vocab_next(struct bpe *b)
{
	return b->bytes + b->start[b->n_tokens];
}

/* The slot of these bytes, or the empty one where they belong. */
static size_t
find_slot(const struct bpe *b, const uint8_t *p, size_t len)
{
	size_t i = (size_t)XXH3_64bits(p, len) & b->slot_mask;

	for (; b->slots[i] > 0; i = (i + 1) & b->slot_mask) {
		const uint32_t *s = b->start + b->slots[i] - 1;

		if (s[1] - s[0] == len && memcmp(b->bytes + s[0], p, len) == 0)
			break;
	}
	return i;
}

void
vocab_add(struct bpe *b, const uint8_t *p, size_t len)
{
	uint8_t *to = vocab_next(b);

	if (p != to)
		memcpy(to, p, len);
	b->slots[find_slot(b, to, len)] = (uint32_t)b->n_tokens + 1;
	b->n_tokens++;
	b->start[b->n_tokens] = b->start[b->n_tokens - 1] + (uint32_t)len;
}

uint32_t
vocab_find(const struct bpe *b, const uint8_t *p, size_t len)
{
	return b->slots[find_slot(b, p, len)] - 1; /* NO_TOKEN where empty */
}

int
vocab_check(struct bpe *b, char *why)
{
	for (unsigned i = 0; i < 256; i++) {
		uint8_t byte = (uint8_t)i;

		b->byte_token[i] = vocab_find(b, &byte, 1);
		if (b->byte_token[i] == NO_TOKEN)
			return why_set(why, "byte 0x%02x has no token", i);
	}
	b->end_of_text = vocab_find(
	    b, (const uint8_t *)END_OF_TEXT, sizeof(END_OF_TEXT) - 1);
	if (b->end_of_text == NO_TOKEN)
		return why_set(why, "no token \"%s\"", END_OF_TEXT);
	return 0;
}

uint32_t
vocab_merge(struct bpe *b, uint32_t left, uint32_t right, uint32_t result)
{
	const uint32_t rank = (uint32_t)b->n_merges;
	const uint32_t *l = b->start + left, *r = b->start + right;
	size_t at;
	const uint32_t old = vocab_search(b, left, right, &at);

	if (old != NO_RANK)
		return old;
	b->ranks[at] =
	    ((uint32_t)(vocab_hash(left, right) >> 16) & 0xff000000) | rank;
	b->merges[rank] = (struct merge){ left, right, result };
	if (l[1] - l[0] == 1 && r[1] - r[0] == 1)
		b->byte_rank[b->bytes[*l] << 8 | b->bytes[*r]] = rank;
	b->used[left] = b->used[right] = 1;
	b->in_order = b->in_order && !b->used[result];
	b->n_merges++;
	return NO_RANK;
}

void
vocab_finish(struct bpe *b)
{
	XXH3_state_t state;
	XXH128_canonical_t id;

	XXH3_128bits_reset(&state);
	XXH3_128bits_update(
	    &state, b->start, (b->n_tokens + 1) * sizeof(*b->start));
	XXH3_128bits_update(&state, b->bytes, b->start[b->n_tokens]);
	XXH3_128bits_update(
	    &state, b->merges, b->n_merges * sizeof(*b->merges));
	XXH128_canonicalFromHash(&id, XXH3_128bits_digest(&state));
	for (size_t i = 0; i < sizeof(id.digest); i++)
		snprintf(b->id + 2 * i, 3, "%02x", id.digest[i]);
	free(b->slots);
	free(b->used);
	b->slots = NULL;
	b->used = NULL;
}
