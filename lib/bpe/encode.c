/*
 * Text to tokens: split, look each pretoken up in a cache, merge what is not
 * there. Pretokens are taken by the hundred, those of short texts together, so
 * that the places of all in the cache are on their way from memory before the
 * first is needed.
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

/*
 * Where pretokens start, in order; the end of a text stands among them as if
 * one started there, so that each ends where the next one starts.
 */
struct starts {
	uint32_t at[BATCH + BLOCK + 2];
	size_t n;
	uint32_t ends[BATCH + BLOCK + 2]; /* indices of texts' ends */
	size_t n_ends;
};

struct bpe_encoder {
	const struct bpe *bpe;
	classify_fn *classify;
	struct classes *classes;
	struct cache cache;
	struct merger *merger;
	struct buffer text; /* a copy with padding behind it */
	struct starts starts;
	struct short_key keys[BATCH + BLOCK + 2];
	uint32_t places[BATCH + BLOCK + 2];
};

/* The texts being encoded. */
struct job {
	const uint8_t *texts;
	struct bpe_span *span; /* whose ids come next */
	uint32_t *out, *to;    /* all ids, and the next one */
	size_t first;	       /* id of the text */
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

/* Asks for the places of the first n pretokens. */
static void
find_places(struct bpe_encoder *e, const uint8_t *texts, size_t n)
{
	const uint32_t *at = e->starts.at;

	for (size_t i = 0; i < n; i++) {
		const size_t len = at[i + 1] - at[i];
		size_t place;

		if (len > SHORT_BYTES)
			continue;
		e->keys[i] = cache_key(texts + at[i], len);
		place = cache_place(e->keys[i]);
		e->places[i] = (uint32_t)place;
		__builtin_prefetch(e->cache.shorts[place]);
	}
}

/* Encodes the pretokens first … end - 1, all of one text. */
static int
encode_run(
    struct bpe_encoder *e, struct job *j, size_t first, size_t end, char *why)
{
	const uint32_t *at = e->starts.at;
	uint32_t *to = j->to;

	for (size_t i = first; i < end; i++) {
		const size_t len = at[i + 1] - at[i];
		size_t k = 0;

		if (len <= SHORT_BYTES)
			k = cache_get_short(
			    &e->cache, to, e->keys[i], e->places[i]);
		if (k == 0)
			k = encode_rare(e, to, j->texts + at[i], len, why);
		if (k == SIZE_MAX)
			return -1;
		to += k;
	}
	j->to = to;
	return 0;
}

/* Encodes what has been collected but for a pretoken without an end. */
static int
encode_batch(struct bpe_encoder *e, struct job *j, char *why)
{
	struct starts *s = &e->starts;
	size_t first = 0, last;

	if (s->n == 0)
		return 0;
	last = s->n - 1;
	find_places(e, j->texts, last);
	for (size_t k = 0; k < s->n_ends; k++) {
		if (encode_run(e, j, first, s->ends[k], why) < 0)
			return -1;
		first = s->ends[k] + 1;
		j->span->first = j->first;
		j->span->ids = (size_t)(j->to - j->out) - j->first;
		j->first += j->span->ids;
		j->span++;
	}
	if (first > last) { /* an end was the last */
		s->n = 0;
	} else {
		if (encode_run(e, j, first, last, why) < 0)
			return -1;
		s->at[0] = s->at[last];
		s->n = 1;
	}
	s->n_ends = 0;
	return 0;
}

/* Encodes the texts, but for those short enough to wait for more. */
static int
encode_text(struct bpe_encoder *e, struct job *j, const struct bpe_span *span,
    char *why)
{
	struct starts *s = &e->starts;
	struct split split;

	split_start(
	    &split, j->texts, span->at, span->len, e->classify, e->classes);
	while (!split_ended(&split)) {
		s->n += split_block(&split, s->at + s->n);
		if (s->n >= BATCH && encode_batch(e, j, why) < 0)
			return -1;
	}
	s->ends[s->n_ends++] = (uint32_t)s->n;
	s->at[s->n++] = (uint32_t)(span->at + span->len);
	return s->n < BATCH ? 0 : encode_batch(e, j, why);
}

int
bpe_encode_spans(struct bpe_encoder *e, const uint8_t *texts,
    struct bpe_span *spans, size_t n, struct buffer *out, char *why)
{
	struct job j = { .texts = texts, .span = spans };
	size_t len = 0;

	for (size_t i = 0; i < n; i++)
		len += spans[i].len;
	if (n > 0 && spans[n - 1].at + spans[n - 1].len > INT32_MAX)
		return why_set(why, "longer than %d bytes", INT32_MAX);
	if (buffer_reserve(out, (len + CACHE_SLACK) * sizeof(uint32_t), why) <
	    0)
		return -1;
	j.out = (uint32_t *)(void *)out->data;
	j.first = out->len / sizeof(uint32_t);
	j.to = j.out + j.first;
	e->starts.n = e->starts.n_ends = 0;
	for (size_t i = 0; i < n; i++) {
		if (encode_text(e, &j, &spans[i], why) < 0)
			return -1;
	}
	if (encode_batch(e, &j, why) < 0)
		return -1;
	out->len = (size_t)(j.to - j.out) * sizeof(uint32_t);
	return 0;
}

int
bpe_encode(struct bpe_encoder *e, const uint8_t *text, size_t len,
    struct buffer *out, char *why)
{
	struct bpe_span span = { .len = len };

	e->text.len = 0;
	if (buffer_append(&e->text, text, len, why) < 0 ||
	    buffer_reserve(&e->text, BPE_PADDING, why) < 0)
		return -1;
	memset(e->text.data + len, 0, BPE_PADDING);
	return bpe_encode_spans(e, e->text.data, &span, 1, out, why);
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
