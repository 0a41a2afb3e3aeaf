/* Records for other programs; see export.h. */
#include "stream/export.h"

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

/* Nine digits give back the same float. */
static int
put_float(struct buffer *b, char before, float x, char *why)
{
	char text[32];
	int n = snprintf(text, sizeof(text), "%c%.9g", before, (double)x);

	return buffer_append(b, text, (size_t)n, why);
}

static int
put_count(struct buffer *b, char before, uint64_t x, char *why)
{
	char text[32];
	int n = snprintf(
	    text, sizeof(text), "%c%llu", before, (unsigned long long)x);

	return buffer_append(b, text, (size_t)n, why);
}

/* Control bytes would break the line or its columns. */
static int
put_field(struct buffer *b, const char *s, size_t len, char *why)
{
	char text[5];

	for (size_t i = 0; i < len; i++) {
		why_escape(text, sizeof(text), s + i, 1);
		if (put(b, text, why) < 0)
			return -1;
	}
	return 0;
}

/* ---- NumPy ---- */

/*
 * Magic, version, length of what follows; then a Python dictionary, blanks up
 * to a multiple of 64 bytes and a line feed (numpy.lib.format, version 1.0).
 */
static int
start_npy(struct buffer *b, const struct stream_header *h, uint64_t vectors,
    char *why)
{
	char text[192] = "\x93NUMPY\x01\x00\x00\x00";
	size_t len = 10;

	len += (size_t)snprintf(text + len, sizeof(text) - len,
	    "{'descr': '<f4', 'fortran_order': False, "
	    "'shape': (%llu, %zu), }",
	    (unsigned long long)vectors, h->n_embd);
	while ((len + 1) % 64 != 0)
		text[len++] = ' ';
	text[len++] = '\n';
	text[8] = (char)(len - 10);
	return buffer_append(b, text, len, why);
}

/* ---- TSV ---- */

static int
start_tsv(struct buffer *b, const struct stream_header *h, char *why)
{
	bool hidden = h->kind == STREAM_HIDDEN;

	if (put(b, "record\tid\tlabel\t", why) < 0 ||
	    put(b, hidden ? "token" : "tokens", why) < 0)
		return -1;
	for (size_t i = 1; hidden && i <= h->n_embd; i++) {
		if (put_count(b, '\t', i, why) < 0)
			return -1;
	}
	return put(b, "\n", why);
}

static int
tsv_names(struct buffer *b, const struct record *r, uint64_t number, char *why)
{
	char text[24];

	snprintf(text, sizeof(text), "%llu\t", (unsigned long long)number);
	if (put(b, text, why) < 0 || put_field(b, r->id, r->id_len, why) < 0 ||
	    put(b, "\t", why) < 0)
		return -1;
	return put_field(b, r->label, r->label_len, why);
}

static int
tsv_tokens(struct buffer *b, const struct record *r, uint64_t number, char *why)
{
	if (tsv_names(b, r, number, why) < 0 ||
	    (r->n_tokens == 0 && put(b, "\t", why) < 0))
		return -1;
	for (size_t i = 0; i < r->n_tokens; i++) {
		if (put_count(b, i ? ' ' : '\t', r->tokens[i], why) < 0)
			return -1;
	}
	return put(b, "\n", why);
}

static int
tsv_vectors(struct buffer *b, const struct record *r, size_t C, uint64_t number,
    char *why)
{
	const float *x = r->vectors;
	size_t first = r->n_tokens - r->n_vectors; /* 0, or the last: pooled */

	for (size_t t = 0; t < r->n_vectors; t++, x += C) {
		if (tsv_names(b, r, number, why) < 0 ||
		    put_count(b, '\t', r->tokens[first + t], why) < 0)
			return -1;
		for (size_t i = 0; i < C; i++) {
			if (put_float(b, '\t', x[i], why) < 0)
				return -1;
		}
		if (put(b, "\n", why) < 0)
			return -1;
	}
	return 0;
}

/* ---- LIBSVM ---- */

static int
libsvm(struct buffer *b, const struct record *r, size_t C, char *why)
{
	const float *x = r->vectors;

	if (r->label ? buffer_append(b, r->label, r->label_len, why) < 0
		     : put(b, "0", why) < 0)
		return -1;
	for (size_t i = 0; i < C; i++) {
		if (put_count(b, ' ', i + 1, why) < 0 ||
		    put_float(b, ':', x[i], why) < 0)
			return -1;
	}
	return put(b, "\n", why);
}

/* ---- JSON ---- */

/* The fields that are no array, without the closing brace. */
static int
json_fields(struct buffer *b, const struct record *r, char *why)
{
	json_t *json = json_object();
	char *text;
	int rc;

	if (r->id)
		json_object_set_new(json, "id", json_bytes(r->id, r->id_len));
	if (r->label)
		json_object_set_new(
		    json, "label", json_bytes(r->label, r->label_len));
	if (r->parts != 1) {
		json_object_set_new(json, "part", json_integer(r->part));
		json_object_set_new(json, "parts", json_integer(r->parts));
	}
	json_object_set_new(json, "cut", json_boolean(r->was_cut));
	text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL) {
		why_memory(why);
		return -1;
	}
	rc = buffer_append(b, text, strlen(text) - 1, why);
	free(text);
	return rc;
}

static int
json_vectors(struct buffer *b, const struct record *r, size_t C, char *why)
{
	const float *x = r->vectors;

	if (put(b, ",\"vectors\":[", why) < 0)
		return -1;
	for (size_t t = 0; t < r->n_vectors; t++, x += C) {
		if (t > 0 && put(b, ",", why) < 0)
			return -1;
		for (size_t i = 0; i < C; i++) {
			if (put_float(b, i ? ',' : '[', x[i], why) < 0)
				return -1;
		}
		if (put(b, "]", why) < 0)
			return -1;
	}
	return put(b, "]", why);
}

static int
json_line(struct buffer *b, const struct stream_header *h,
    const struct record *r, char *why)
{
	const char *open = r->n_tokens > 0 ? "" : "[";

	if (json_fields(b, r, why) < 0 || put(b, ",\"tokens\":", why) < 0 ||
	    put(b, open, why) < 0)
		return -1;
	for (size_t i = 0; i < r->n_tokens; i++) {
		if (put_count(b, i ? ',' : '[', r->tokens[i], why) < 0)
			return -1;
	}
	if (put(b, "]", why) < 0 || (h->kind == STREAM_HIDDEN &&
					json_vectors(b, r, h->n_embd, why) < 0))
		return -1;
	return put(b, "}\n", why);
}

int
export_start(struct buffer *b, enum export_format format,
    const struct stream_header *h, uint64_t vectors, char *why)
{
	if (format == EXPORT_NPY)
		return start_npy(b, h, vectors, why);
	return format == EXPORT_TSV ? start_tsv(b, h, why) : 0;
}

int
export_record(struct buffer *b, enum export_format format,
    const struct stream_header *h, const struct record *r, uint64_t number,
    char *why)
{
	size_t C = h->n_embd;

	switch (format) {
	case EXPORT_JSONL:
		return json_line(b, h, r, why);
	case EXPORT_TSV:
		return h->kind == STREAM_HIDDEN
			   ? tsv_vectors(b, r, C, number, why)
			   : tsv_tokens(b, r, number, why);
	case EXPORT_LIBSVM:
		return libsvm(b, r, C, why);
	case EXPORT_NPY:
	default:
		return buffer_append(
		    b, r->vectors, r->n_vectors * C * sizeof(float), why);
	}
}
