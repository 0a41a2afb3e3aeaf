/* From a text to records; see prepare.h. */
#include "bpe/prepare.h"

#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "sys/buffer.h"
#include "sys/num.h"
#include "sys/why.h"
#include "text/utf8.h"

struct preparer {
	struct bpe_encoder *encoder;
	struct preparation how;
	size_t limit;
	enum prepare_long rule;
	struct buffer prefix, suffix; /* their tokens */
	struct buffer joined;	      /* prefix + text + suffix, as bytes */
	struct buffer tokens;	      /* of the whole text */
	struct buffer record;	      /* of one part, with prefix and suffix */
	size_t first, n;	      /* the text's tokens that are kept */
	size_t parts, length;
	bool bare; /* tokens have no prefix and suffix in them */
};

static size_t
count(const struct buffer *b)
{
	return b->len / sizeof(uint32_t);
}

static int
encode(struct preparer *p, const void *text, size_t len, struct buffer *out,
    char *why)
{
	out->len = 0;
	if (p->how.special == SPECIAL_PARSE)
		return bpe_encode_special(p->encoder, text, len, out, why);
	return bpe_encode(p->encoder, text, len, out, why);
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
	p->limit = limit;
	p->rule = rule;
	if ((p->encoder = bpe_encoder_open(b, why)) == NULL ||
	    encode(p, how->prefix, strlen(how->prefix), &p->prefix, why) < 0 ||
	    encode(p, how->suffix, strlen(how->suffix), &p->suffix, why) < 0)
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
	bpe_encoder_free(p->encoder);
	free(p->prefix.data);
	free(p->suffix.data);
	free(p->joined.data);
	free(p->tokens.data);
	free(p->record.data);
	free(p);
}

/* Encodes prefix, text and suffix as one text. */
static int
encode_joined(struct preparer *p, const uint8_t *text, size_t len, char *why)
{
	struct buffer *j = &p->joined;

	if (p->prefix.len + p->suffix.len == 0)
		return encode(p, text, len, &p->tokens, why);
	j->len = 0;
	if (buffer_append(j, p->how.prefix, strlen(p->how.prefix), why) < 0 ||
	    buffer_append(j, text, len, why) < 0 ||
	    buffer_append(j, p->how.suffix, strlen(p->how.suffix), why) < 0)
		return -1;
	return encode(p, j->data, j->len, &p->tokens, why);
}

/* Chooses what is kept of a text that is too long. */
static int
cut(struct preparer *p, const uint8_t *text, size_t len, char *why)
{
	const size_t around = count(&p->prefix) + count(&p->suffix);
	const size_t room = p->limit - around;
	size_t n;

	if (p->rule == LONG_ERROR)
		return why_set(
		    why, "%zu tokens, limit %zu", p->length, p->limit);
	p->bare = around > 0;
	if (p->bare && encode(p, text, len, &p->tokens, why) < 0)
		return -1;
	n = count(&p->tokens);
	p->n = p->rule == LONG_SPLIT ? n : num_min(n, room);
	p->first = p->rule == LONG_TAIL ? n - p->n : 0;
	p->parts = num_max((p->n + room - 1) / room, 1);
	/* Room for any part, so that taking one out cannot fail. */
	return buffer_reserve(&p->record, p->limit * sizeof(uint32_t), why);
}

long
preparer_encode(struct preparer *p, const uint8_t *text, size_t len, char *why)
{
	if (p->how.special == SPECIAL_ERROR && bpe_find_special(text, len))
		return why_set(why, "has <|endoftext|>");
	if (p->how.strip)
		utf8_strip(&text, &len);
	if (encode_joined(p, text, len, why) < 0)
		return -1;
	p->n = p->length = count(&p->tokens);
	p->first = 0;
	p->parts = 1;
	p->bare = false;
	if (p->limit > 0 && p->n > p->limit && cut(p, text, len, why) < 0)
		return -1;
	return (long)p->parts;
}

/* The prefix's tokens, some of the text's, the suffix's. */
static void
join_tokens(struct preparer *p, const uint32_t *tokens, size_t n)
{
	const struct buffer part = { (uint8_t *)(uintptr_t)tokens,
		n * sizeof(*tokens), 0 };
	const struct buffer *const all[] = { &p->prefix, &part, &p->suffix };

	p->record.len = 0;
	for (size_t i = 0; i < 3; i++) {
		if (all[i]->len == 0)
			continue;
		memcpy(
		    p->record.data + p->record.len, all[i]->data, all[i]->len);
		p->record.len += all[i]->len;
	}
}

void
preparer_part(struct preparer *p, size_t k, struct record *r)
{
	const uint32_t *tokens = (const void *)p->tokens.data;
	/* Part k has tokens floor(k n / parts) .. floor((k + 1) n / parts). */
	const size_t from = p->first + k * p->n / p->parts;
	const size_t to = p->first + (k + 1) * p->n / p->parts;

	r->part = (uint32_t)k + 1;
	r->parts = (uint32_t)p->parts;
	r->length = (uint32_t)p->length;
	r->was_cut = p->parts > 1 || p->n < count(&p->tokens);
	r->tokens = tokens ? tokens + from : NULL;
	r->n_tokens = to - from;
	if (p->bare) {
		join_tokens(p, tokens + from, to - from);
		r->tokens = (const void *)p->record.data;
		r->n_tokens = count(&p->record);
	}
}
