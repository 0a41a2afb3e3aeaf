/* The layer's own: one row of each form out of its record. */
#ifndef TEXT_PARSE_H
#define TEXT_PARSE_H

#include <jansson.h>

#include "sys/buffer.h"
#include "text/rows.h"

struct field {
	const char *text;
	size_t len;
};

/* The fields of a row, as a growing array. */
struct fields {
	struct field *at;
	size_t n, room;
};

/* Appends a field; -1: no memory. */
int fields_add(struct fields *, const char *text, size_t len, char *why);

/* TSV: the fields of a record. */
int parse_tsv(struct fields *, const uint8_t *, size_t len, char *why);

/*
 * CSV: takes a record, which may be the first part of a row only. Returns 1
 * when the row is whole, 0 when more must be given, ROWS_BAD or ROWS_ERROR.
 */
struct csv;
struct csv *csv_open(char *why);
void csv_close(struct csv *);
int csv_take(
    struct csv *, struct fields *, const uint8_t *, size_t len, char *why);

/*
 * JSONL: the row of an object. *root keeps its strings: json_decref. The
 * options name the keys.
 */
int parse_json(struct row *, json_t **root, const struct rows_options *,
    const uint8_t *, size_t len, char *why);

/* fastText: the labels come first. */
int parse_fasttext(struct row *, const uint8_t *, size_t len, char *why);

#endif
