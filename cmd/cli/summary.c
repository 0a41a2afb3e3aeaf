/* What a stream holds; see summary.h. */
#include "cli/summary.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/labels.h"
#include "sys/buffer.h"
#include "sys/why.h"

enum { MOST_SHOWN = 20 }; /* labels */

int
summary_add(struct summary *s, const struct record *r, char *why)
{
	s->parts++;
	s->tokens += r->n_tokens;
	s->longest = r->n_tokens > s->longest ? r->n_tokens : s->longest;
	s->was_cut = r->was_cut || (r->part > 1 && s->was_cut);
	if (r->part != r->parts)
		return 0;
	s->records++;
	s->cut += s->was_cut;
	s->ids += r->id != NULL;
	if (r->label_len == 0) {
		s->unlabelled++;
		return 0;
	}
	return labels_add(s->labels, r->label, r->label_len, why) < 0 ? -1 : 0;
}

/* "NAME          as printf", the second column at a fixed place. */
static int __attribute__((format(printf, 4, 5)))
line(struct buffer *b, char *why, const char *name, const char *fmt, ...)
{
	char text[WHYSZ], value[WHYSZ - 32];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(value, sizeof(value), fmt, ap);
	va_end(ap);
	snprintf(text, sizeof(text), "%-13s %s\n", name, value);
	return buffer_append(b, text, strlen(text), why);
}

static int
print_preparation(struct buffer *b, const struct preparation *p, char *why)
{
	char prefix[200], suffix[200];

	why_escape(prefix, sizeof(prefix), p->prefix, strlen(p->prefix));
	why_escape(suffix, sizeof(suffix), p->suffix, strlen(p->suffix));
	return line(b, why, "preparation",
	    "%s, prefix \"%s\", suffix \"%s\", special %s",
	    p->strip ? "strip" : "exact", prefix, suffix,
	    stream_special_name(p->special));
}

static int
print_hidden(struct buffer *b, const struct stream_header *h, char *why)
{
	char name[400];

	why_escape(name, sizeof(name), h->model_name, strlen(h->model_name));
	if (line(b, why, "model", "%s", name) < 0 ||
	    line(b, why, "model id", "%s", h->model) < 0 ||
	    line(b, why, "cut", "%zu of %zu blocks", h->cut, h->n_layer) < 0)
		return -1;
	return line(b, why, "vectors",
	    "%zu of %s, %s, computed in %s, %zu heads", h->n_embd,
	    stream_dtype_name(h->dtype),
	    h->pool == POOL_LAST ? "the last token's" : "one a token",
	    stream_precision_name(h->precision), h->n_head);
}

static int
print_labels(struct buffer *b, const struct summary *s, char *why)
{
	size_t n = labels_count(s->labels);
	size_t *classes = calloc(n + 1, sizeof(*classes));
	size_t *counts = calloc(n + 1, sizeof(*counts));
	char **labels = NULL;
	int rc = -1;

	if (!classes || !counts)
		why_memory(why);
	else if ((labels = labels_sort(s->labels, classes, counts, why)))
		rc = line(b, why, "labels", "%zu", n);
	for (size_t i = 0; labels && i < n; i++) {
		if (rc == 0 && i < MOST_SHOWN)
			rc = line(b, why, "", "%s: %zu", labels[i], counts[i]);
		free(labels[i]);
	}
	if (rc == 0 && n > MOST_SHOWN)
		rc = line(b, why, "", "and %zu more", n - MOST_SHOWN);
	free(labels);
	free(classes);
	free(counts);
	return rc;
}

static int
print_counts(struct buffer *b, const struct summary *s, char *why)
{
	const struct {
		const char *name;
		uint64_t n;
	} counts[] = { { "records", s->records }, { "parts", s->parts },
		{ "tokens", s->tokens }, { "longest part", s->longest },
		{ "cut or split", s->cut }, { "with an id", s->ids },
		{ "unlabelled", s->unlabelled } };

	for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		if (line(b, why, counts[i].name, "%llu",
			(unsigned long long)counts[i].n) < 0)
			return -1;
	}
	return print_labels(b, s, why);
}

int
summary_print(struct buffer *b, const struct summary *s,
    const struct stream_header *h, char *why)
{
	if (line(b, why, "kind", "%s", stream_kind_name(h->kind)) < 0 ||
	    line(b, why, "vocabulary", "%s, %zu tokens", h->vocabulary,
		h->vocab_size) < 0 ||
	    print_preparation(b, &h->preparation, why) < 0 ||
	    (h->kind == STREAM_HIDDEN && print_hidden(b, h, why) < 0))
		return -1;
	return print_counts(b, s, why);
}
