/* Predictions as lines; see print.h. */
#include "head/print.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sys/buffer.h"
#include "sys/json.h"
#include "sys/why.h"

static int
put(struct buffer *b, const char *s, char *why)
{
	return buffer_append(b, s, strlen(s), why);
}

static int
put_number(struct buffer *b, double p, char *why)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6f", p);
	return put(b, text, why);
}

/* An id must not break the line or its columns. */
static int
put_id(struct buffer *b, const struct print_record *r, char *why)
{
	char text[5];

	for (size_t i = 0; i < r->id_len; i++) {
		why_escape(text, sizeof(text), r->id + i, 1);
		if (put(b, text, why) < 0)
			return -1;
	}
	return put(b, "\t", why);
}

/*
 * The class that follows last by falling probability, ties by order; last = K
 * asks for the first.
 */
static size_t
next_class(const struct print_scores *s, size_t last)
{
	size_t best = s->K;

	for (size_t k = 0; k < s->K; k++) {
		bool left = last == s->K || s->p[k] < s->p[last] ||
			    (s->p[k] == s->p[last] && k > last);

		if (left && (best == s->K || s->p[k] > s->p[best]))
			best = k;
	}
	return best;
}

/* The label to print for a class: where the best is in doubt, another one. */
static const char *
label(const struct print_options *o, const struct print_scores *s, size_t k,
    bool best)
{
	bool doubt = best && o->otherwise && s->p[k] < o->min_prob;

	return doubt ? o->otherwise : s->names[k];
}

static size_t
pairs(const struct print_options *o, const struct print_scores *s)
{
	return o->top < s->K ? o->top : s->K;
}

int
print_header(struct buffer *b, const struct print_options *o, bool with_id,
    const struct print_scores *s, size_t n, char *why)
{
	if (!o->all || o->format != PRINT_TSV)
		return 0;
	if (with_id && put(b, "id\t", why) < 0)
		return -1;
	for (size_t i = 0; i < n; i++) {
		for (size_t k = 0; k < s[i].K; k++) {
			if ((i + k > 0 && put(b, "\t", why) < 0) ||
			    (n > 1 && (put(b, s[i].judge, why) < 0 ||
					  put(b, ":", why) < 0)) ||
			    put(b, s[i].names[k], why) < 0)
				return -1;
		}
	}
	return put(b, "\n", why);
}

static int
line_tsv(struct buffer *b, const struct print_options *o,
    const struct print_scores *s, size_t n, char *why)
{
	for (size_t i = 0; i < n; i++) {
		size_t count = o->all ? s[i].K : pairs(o, &s[i]);
		size_t class = s[i].K;

		for (size_t k = 0; k < count; k++) {
			class = o->all ? k : next_class(&s[i], class);
			if ((i + k > 0 && put(b, "\t", why) < 0) ||
			    (!o->all && (put(b, label(o, &s[i], class, k == 0),
					     why) < 0 ||
					    put(b, "\t", why) < 0)) ||
			    put_number(b, s[i].p[class], why) < 0)
				return -1;
		}
	}
	return put(b, "\n", why);
}

static int
line_fasttext(struct buffer *b, const struct print_options *o,
    const struct print_scores *s, size_t n, char *why)
{
	for (size_t i = 0; i < n; i++) {
		size_t count = o->all ? s[i].K : pairs(o, &s[i]);
		size_t class = s[i].K;

		for (size_t k = 0; k < count; k++) {
			class = next_class(&s[i], class);
			if ((i + k > 0 && put(b, " ", why) < 0) ||
			    put(b, "__label__", why) < 0 ||
			    put(b, label(o, &s[i], class, k == 0), why) < 0 ||
			    put(b, " ", why) < 0 ||
			    put_number(b, s[i].p[class], why) < 0)
				return -1;
		}
	}
	return put(b, "\n", why);
}

/* Probabilities with six digits, as everywhere. */
static json_t *
json_probability(double p)
{
	char text[32];

	snprintf(text, sizeof(text), "%.6f", p);
	return json_real(strtod(text, NULL));
}

static void
judge_json(
    json_t *json, const struct print_options *o, const struct print_scores *s)
{
	size_t best = next_class(s, s->K), class = s->K;
	size_t count = o->all ? s->K : pairs(o, s);
	const char *text = label(o, s, best, true);

	json_object_set_new(json, "label", json_bytes(text, strlen(text)));
	json_object_set_new(json, "prob", json_probability(s->p[best]));
	if (o->all || o->top > 1) {
		json_t *scores = json_object();

		for (size_t k = 0; k < count; k++) {
			class = o->all ? k : next_class(s, class);
			json_object_set_new(scores, s->names[class],
			    json_probability(s->p[class]));
		}
		json_object_set_new(json, "scores", scores);
	}
}

static int
line_json(struct buffer *b, const struct print_options *o,
    const struct print_record *r, const struct print_scores *s, size_t n,
    char *why)
{
	json_t *json = json_object(), *judges = n > 1 ? json_object() : NULL;
	char *text;
	int rc;

	if (r->id)
		json_object_set_new(json, "id", json_bytes(r->id, r->id_len));
	if (n == 1)
		judge_json(json, o, s);
	for (size_t i = 0; n > 1 && i < n; i++) {
		json_t *one = json_object();

		judge_json(one, o, &s[i]);
		json_object_set_new(judges, s[i].judge, one);
	}
	if (judges)
		json_object_set_new(json, "heads", judges);
	json_object_set_new(
	    json, "tokens", json_integer((json_int_t)r->tokens));
	json_object_set_new(json, "cut", json_boolean(r->was_cut));
	text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
	json_decref(json);
	if (text == NULL) {
		why_memory(why);
		return -1;
	}
	rc = put(b, text, why) < 0 ? -1 : put(b, "\n", why);
	free(text);
	return rc;
}

int
print_line(struct buffer *b, const struct print_options *o,
    const struct print_record *r, const struct print_scores *s, size_t n,
    char *why)
{
	if (o->format == PRINT_JSONL)
		return line_json(b, o, r, s, n, why);
	if (r->id && put_id(b, r, why) < 0)
		return -1;
	if (o->format == PRINT_FASTTEXT)
		return line_fasttext(b, o, s, n, why);
	return line_tsv(b, o, s, n, why);
}
