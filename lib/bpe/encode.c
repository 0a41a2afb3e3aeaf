/*
 * Text to tokens: split, look each pretoken up in a cache, merge what is not
 * there. Pretokens are taken by the hundred, so that the places of all in the
 * cache are on their way from memory before the first is needed.
 */
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "bpe/cache.h"
#include "bpe/classify.h"
#include "bpe/merge.h"
#include "bpe/split.h"
#include "bpe/vocab.h"
#include "sys/buffer.h"
#include "sys/num.h"
#include "sys/why.h"

enum { BATCH = 256 };

struct bpe_encoder {
	const struct bpe *bpe;
	classify_fn *classify;
	struct classes *classes;
	struct cache cache;
	struct merger *merger;
	struct buffer text; /* a copy with padding behind it */
	uint32_t starts[BATCH + BLOCK + 1];
	struct short_key keys[BATCH + BLOCK];
	uint32_t places[BATCH + BLOCK];
};

struct bpe_encoder *
bpe_encoder_open(const struct bpe *b, char *why)
{
	struct bpe_encoder *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return why_memory(why);
	e->bpe = b;
	e->classify = classify_choose();
	e->classes = calloc(1, sizeof(*e->classes));
	if (e->classes == NULL)
		why_memory(why);
	else if (cache_fill(&e->cache, why) == 0 &&
		 (e->merger = merger_open(b, why)))
		return e;
	bpe_encoder_free(e);
	return NULL;
}

void
bpe_encoder_free(struct bpe_encoder *e)
{
	if (e == NULL)
		return;
	merger_free(e->merger);
	cache_free(&e->cache);
	free(e->classes);
	free(e->text.data);
	free(e);
}

/* Looks a pretoken up or merges it; as merge_long. */
static size_t
encode_rare(struct bpe_encoder *e, uint32_t *out, const uint8_t *p, size_t len,
    char *why)
{
	size_t n;

	if (len <= LONG_BYTES) {
		n = cache_get_long(&e->cache, out, p, len);
		if (n > 0)
			return n;
	}
	if (len <= MERGE_SHORT && e->bpe->in_order)
		n = merge_short(e->bpe, out, p, len);
	else
		n = merge_long(e->merger, out, p, len, why);
	if (n <= LONG_IDS)
		cache_put(&e->cache, p, len, out, n);
	return n;
}

/* Asks for the places of the n pretokens from starts on. */
static void
find_places(struct bpe_encoder *e, const uint8_t *text, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const size_t len = e->starts[i + 1] - e->starts[i];
		size_t place;

		if (len > SHORT_BYTES)
			continue;
		e->keys[i] = cache_key(text + e->starts[i], len);
		place = cache_place(e->keys[i]);
		e->places[i] = (uint32_t)place;
		__builtin_prefetch(e->cache.shorts[place]);
	}
}

/* Encodes the n pretokens from starts on; returns the ids, or SIZE_MAX. */
static size_t
encode_batch(struct bpe_encoder *e, uint32_t *out, const uint8_t *text,
    size_t n, char *why)
{
	uint32_t *to = out;

	find_places(e, text, n);
	for (size_t i = 0; i < n; i++) {
		const size_t len = e->starts[i + 1] - e->starts[i];
		size_t k = 0;

		if (len <= SHORT_BYTES)
			k = cache_get_short(
			    &e->cache, to, e->keys[i], e->places[i]);
		if (k == 0)
			k = encode_rare(e, to, text + e->starts[i], len, why);
		if (k == SIZE_MAX)
			return SIZE_MAX;
		to += k;
	}
	return (size_t)(to - out);
}

/* Encodes the len bytes in e->text to out; returns the ids, or SIZE_MAX. */
static size_t
encode_text(struct bpe_encoder *e, uint32_t *out, size_t len, char *why)
{
	const uint8_t *text = e->text.data;
	struct split split;
	size_t n_starts = 0, n = 0;

	split_start(&split, text, len, e->classify, e->classes);
	while (!split_ended(&split)) {
		size_t k;

		while (n_starts < BATCH && !split_ended(&split))
			n_starts += split_block(&split, e->starts + n_starts);
		if (split_ended(&split))
			e->starts[n_starts] = (uint32_t)len;
		else
			n_starts--; /* the last one's end is not known yet */
		k = encode_batch(e, out + n, text, n_starts, why);
		if (k == SIZE_MAX)
			return SIZE_MAX;
		n += k;
		e->starts[0] = e->starts[n_starts];
		n_starts = 1;
	}
	return n;
}

int
bpe_encode(struct bpe_encoder *e, const uint8_t *text, size_t len,
    struct buffer *out, char *why)
{
	size_t n;

	if (len == 0)
		return 0;
	if (len > INT32_MAX)
		return why_set(why, "longer than %d bytes", INT32_MAX);
	e->text.len = 0;
	if (buffer_append(&e->text, text, len, why) < 0 ||
	    buffer_reserve(&e->text, SPLIT_PADDING, why) < 0 ||
	    buffer_reserve(out, (len + CACHE_SLACK) * sizeof(uint32_t), why) <
		0)
		return -1;
	memset(e->text.data + len, 0, SPLIT_PADDING);
	n = encode_text(
	    e, (uint32_t *)(void *)(out->data + out->len), len, why);
	if (n == SIZE_MAX)
		return -1;
	out->len += n * sizeof(uint32_t);
	return 0;
}

int
bpe_encode_special(struct bpe_encoder *e, const uint8_t *text, size_t len,
    struct buffer *out, char *why)
{
	const uint8_t *special;
	size_t name;

	bpe_token_bytes(e->bpe, e->bpe->end_of_text, &name);
	while ((special = bpe_find_special(text, len))) {
		size_t before = (size_t)(special - text);

		if (bpe_encode(e, text, before, out, why) < 0 ||
		    buffer_append(
			out, &e->bpe->end_of_text, sizeof(uint32_t), why) < 0)
			return -1;
		text += before + name;
		len -= before + name;
	}
	return bpe_encode(e, text, len, out, why);
}
