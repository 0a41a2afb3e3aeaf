/* From texts to records; see prepare.h. */
#include "bpe/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "sys/buffer.h"
#include "sys/num.h"
#include "sys/why.h"
#include "text/utf8.h"

struct preparer {
	struct preparation how;
	size_t prefix_len, suffix_len; /* bytes */
	struct buffer prefix, suffix;  /* their tokens */
	size_t limit;
	enum prepare_long rule;
};

/* What becomes of a text. */
struct prepared_text {
	size_t first, n; /* of its tokens, those that are kept */
	size_t length;	 /* all its tokens, with prefix and suffix */
	size_t parts;
	bool bare;	 /* the tokens have no prefix and suffix in them */
	bool is_cut;	 /* some are not kept */
	bool is_special; /* and refused */
};

struct prepared {
	const struct preparer *how;
	struct buffer texts;	    /* prefix + text + suffix, gaps behind */
	struct bpe_span *spans;	    /* (n) of these */
	struct prepared_text *list; /* (n) */
	size_t n, room;
	size_t bytes;	      /* of the texts as they were */
	struct buffer tokens; /* of all */
	struct buffer record; /* of one part, with prefix and suffix */
};

static size_t
count(const struct buffer *b)
{
	return b->len / sizeof(uint32_t);
}

static int
encode_around(struct preparer *p, const struct bpe *b, char *why)
{
	struct bpe_encoder *e = bpe_encoder_open(b, why);
	const uint8_t *prefix = (const uint8_t *)p->how.prefix;
	const uint8_t *suffix = (const uint8_t *)p->how.suffix;
	int (*encode)(struct bpe_encoder *, const uint8_t *, size_t,
	    struct buffer *, char *) = bpe_encode;
	int rc = -1;

	if (p->how.special == SPECIAL_PARSE)
		encode = bpe_encode_special;
	if (e && encode(e, prefix, p->prefix_len, &p->prefix, why) == 0)
		rc = encode(e, suffix, p->suffix_len, &p->suffix, why);
	bpe_encoder_free(e);
	return rc;
}

struct preparer *
preparer_open(const struct bpe *b, const struct preparation *how, size_t limit,
    enum prepare_long rule, char *why)
{
	struct preparer *p = calloc(1, sizeof(*p));
	size_t around;

	if (p == NULL)
		return why_memory(why);
	p->how = *how;
	p->prefix_len = strlen(how->prefix);
	p->suffix_len = strlen(how->suffix);
	p->limit = limit;
	p->rule = rule;
	if (p->prefix_len + p->suffix_len > 0 && encode_around(p, b, why) < 0)
		goto fail;
	around = count(&p->prefix) + count(&p->suffix);
	if (limit > 0 && around >= limit) {
		why_set(why, "prefix and suffix have %zu tokens, limit %zu",
		    around, limit);
		goto fail;
	}
	return p;
fail:
	preparer_free(p);
	return NULL;
}

void
preparer_free(struct preparer *p)
{
	if (p == NULL)
		return;
	free(p->prefix.data);
	free(p->suffix.data);
	free(p);
}

/* ---- a batch ---- */

struct prepared *
prepared_new(const struct preparer *how, char *why)
{
	struct prepared *b = calloc(1, sizeof(*b));

	if (b == NULL)
		return why_memory(why);
	b->how = how;
	return b;
}

void
prepared_free(struct prepared *b)
{
	if (b == NULL)
		return;
	free(b->texts.data);
	free(b->spans);
	free(b->list);
	free(b->tokens.data);
	free(b->record.data);
	free(b);
}

void
prepared_clear(struct prepared *b)
{
	b->n = b->bytes = 0;
	b->texts.len = b->tokens.len = 0;
}

size_t
prepared_count(const struct prepared *b)
{
	return b->n;
}

size_t
prepared_bytes(const struct prepared *b)
{
	return b->bytes;
}

static int
make_room(struct prepared *b, char *why)
{
	size_t room = b->room + b->room / 2 + 64;
	struct bpe_span *spans;
	struct prepared_text *list;

	if (b->n < b->room)
		return 0;
	if ((spans = realloc(b->spans, room * sizeof(*spans))))
		b->spans = spans;
	if ((list = realloc(b->list, room * sizeof(*list))))
		b->list = list;
	if (spans == NULL || list == NULL) {
		why_memory(why);
		return -1;
	}
	b->room = room;
	return 0;
}

int
prepared_add(struct prepared *b, const uint8_t *text, size_t len, char *why)
{
	const struct preparer *p = b->how;
	const size_t at = b->texts.len;
	uint8_t *to;

	b->bytes += len;
	if (p->how.strip)
		utf8_strip(&text, &len);
	if (make_room(b, why) < 0 ||
	    buffer_reserve(&b->texts,
		p->prefix_len + len + p->suffix_len + BPE_PADDING, why) < 0)
		return -1;
	to = b->texts.data + at;
	memcpy(to, p->how.prefix, p->prefix_len);
	memcpy(to + p->prefix_len, text, len);
	memcpy(to + p->prefix_len + len, p->how.suffix, p->suffix_len);
	len += p->prefix_len + p->suffix_len;
	memset(to + len, 0, BPE_GAP);
	b->texts.len = at + len + BPE_GAP;
	b->spans[b->n] = (struct bpe_span){ at, len, 0, 0 };
	b->list[b->n] = (struct prepared_text){ .parts = 1 };
	b->n++;
	return 0;
}

/* Without prefix and suffix a text that has to be cut is encoded again. */
static int
encode_bare(struct prepared *b, size_t i, struct bpe_encoder *e, char *why)
{
	const struct preparer *p = b->how;
	const struct bpe_span *s = &b->spans[i];
	const uint8_t *text = b->texts.data + s->at + p->prefix_len;
	size_t len = s->len - p->prefix_len - p->suffix_len;

	b->list[i].bare = true;
	b->list[i].first = count(&b->tokens);
	if (p->how.special == SPECIAL_PARSE)
		return bpe_encode_special(e, text, len, &b->tokens, why);
	return bpe_encode(e, text, len, &b->tokens, why);
}

/* Chooses what is kept of a text that is too long. */
static int
cut(struct prepared *b, size_t i, struct bpe_encoder *e, char *why)
{
	const struct preparer *p = b->how;
	const size_t around = count(&p->prefix) + count(&p->suffix);
	const size_t room = p->limit - around;
	struct prepared_text *t = &b->list[i];
	size_t n = t->n;

	if (p->rule == LONG_ERROR) {
		t->parts = 0;
		return 0;
	}
	if (around > 0) {
		if (encode_bare(b, i, e, why) < 0)
			return -1;
		n = count(&b->tokens) - t->first;
	}
	t->n = p->rule == LONG_SPLIT ? n : num_min(n, room);
	t->is_cut = t->n < n;
	if (p->rule == LONG_TAIL)
		t->first += n - t->n;
	t->parts = num_max((t->n + room - 1) / room, 1);
	/* Room for any part, so that taking one out cannot fail. */
	return buffer_reserve(&b->record, p->limit * sizeof(uint32_t), why);
}

static int
encode_all(struct prepared *b, struct bpe_encoder *e, char *why)
{
	if (b->how->how.special != SPECIAL_PARSE)
		return bpe_encode_spans(
		    e, b->texts.data, b->spans, b->n, &b->tokens, why);
	for (size_t i = 0; i < b->n; i++) {
		struct bpe_span *s = &b->spans[i];

		s->first = count(&b->tokens);
		if (bpe_encode_special(
			e, b->texts.data + s->at, s->len, &b->tokens, why) < 0)
			return -1;
		s->ids = count(&b->tokens) - s->first;
	}
	return 0;
}

int
prepared_run(struct prepared *b, struct bpe_encoder *e, char *why)
{
	const struct preparer *p = b->how;

	if (b->n == 0)
		return 0;
	memset(b->texts.data + b->texts.len, 0, BPE_PADDING - BPE_GAP);
	if (encode_all(b, e, why) < 0)
		return -1;
	for (size_t i = 0; i < b->n; i++) {
		const struct bpe_span *s = &b->spans[i];
		struct prepared_text *t = &b->list[i];

		t->first = s->first;
		t->n = t->length = s->ids;
		if (p->how.special == SPECIAL_ERROR)
			t->is_special =
			    bpe_find_special(
				b->texts.data + s->at + p->prefix_len,
				s->len - p->prefix_len - p->suffix_len) != NULL;
		if (p->limit > 0 && t->n > p->limit && cut(b, i, e, why) < 0)
			return -1;
	}
	return 0;
}

long
prepared_parts(const struct prepared *b, size_t i, char *why)
{
	const struct prepared_text *t = &b->list[i];

	if (t->is_special)
		return why_set(why, "has <|endoftext|>");
	if (t->parts == 0)
		return why_set(
		    why, "%zu tokens, limit %zu", t->length, b->how->limit);
	return (long)t->parts;
}

/* The prefix's tokens, some of the text's, the suffix's. */
static void
join_tokens(struct prepared *b, const uint32_t *tokens, size_t n)
{
	const struct buffer part = { (uint8_t *)(uintptr_t)tokens,
		n * sizeof(*tokens), 0 };
	const struct buffer *const all[] = { &b->how->prefix, &part,
		&b->how->suffix };

	b->record.len = 0;
	for (size_t i = 0; i < 3; i++) {
		if (all[i]->len == 0)
			continue;
		memcpy(
		    b->record.data + b->record.len, all[i]->data, all[i]->len);
		b->record.len += all[i]->len;
	}
}

void
prepared_part(struct prepared *b, size_t i, size_t k, struct record *r)
{
	const struct prepared_text *t = &b->list[i];
	const uint32_t *tokens = (const void *)b->tokens.data;
	/* Part k has tokens floor(k n / parts) .. floor((k + 1) n / parts). */
	const size_t from = t->first + k * t->n / t->parts;
	const size_t to = t->first + (k + 1) * t->n / t->parts;

	r->part = (uint32_t)k + 1;
	r->parts = (uint32_t)t->parts;
	r->length = (uint32_t)t->length;
	r->was_cut = t->parts > 1 || t->is_cut;
	r->tokens = tokens ? tokens + from : NULL;
	r->n_tokens = to - from;
	if (t->bare) {
		join_tokens(b, tokens + from, to - from);
		r->tokens = (const void *)b->record.data;
		r->n_tokens = count(&b->record);
	}
}
