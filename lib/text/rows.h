/*
 * Rows of a text file in one of the forms that programs exchange: each has a
 * text and may have a label and an id.
 */
#ifndef TEXT_ROWS_H
#define TEXT_ROWS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_reader;

enum text_format {
	TEXT_LINES,    /* the record is the text */
	TEXT_TSV,      /* fields between tabs, no quoting */
	TEXT_CSV,      /* RFC 4180 */
	TEXT_JSONL,    /* a JSON object a line */
	TEXT_FASTTEXT, /* __label__L before the text */
};

enum { LABEL_MOST = 255 /* bytes of a label or id */ };

/* The form that a name's suffix tells: .tsv, .csv, .jsonl; else another. */
enum text_format rows_format(const char *path, enum text_format otherwise);

/* How to read; the strings stay the caller's. */
struct rows_options {
	enum text_format format;
	bool null, exact;	       /* of the records, see text/reader.h */
	bool header;		       /* the first row names the fields */
	const char *text, *label, *id; /* name or 1-based number, or NULL */
};

struct row {
	const char *text, *label, *id; /* label, id: NULL where none */
	size_t text_len, label_len, id_len;
};

struct rows;

/* Reads from fd, which stays the caller's. rows_free(NULL) is allowed. */
struct rows *rows_open(int fd, const struct rows_options *, char *why);
void rows_free(struct rows *);

/*
 * The next row: 1, valid until the next call; 0 at the end; -1 on error; -2
 * where this row alone is bad and the next can be read. Reasons name the line.
 */
enum { ROWS_ERROR = -1, ROWS_BAD = -2 };
int rows_read(struct rows *, struct row *, char *why);

/* Where it reads: for text_ready, text_number and the like. */
struct text_reader *rows_reader(struct rows *);

#endif
