/*
 * Records of text from a file: lines, or strings that end in NUL. Memory does
 * not grow with the file, and what has arrived is told from what would have
 * to be waited for.
 */
#ifndef TEXT_READER_H
#define TEXT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_reader;

enum { TEXT_MOST = 16777216 }; /* bytes of a record */

struct text_options {
	bool null;  /* records end in NUL, not in LF */
	bool exact; /* nothing is dropped or recognised: CR, BOM, UTF-16 */
};

/* Reads from fd, which stays the caller's. text_reader_free(NULL) is allowed.
 */
struct text_reader *text_reader_open(
    int fd, const struct text_options *, char *why);
void text_reader_free(struct text_reader *);

/*
 * The next record without its delimiter: 1, valid until the next call; 0 at
 * the end; -1 on error, the reason beginning with "line N: " where it is the
 * record's fault. What follows the last delimiter is a record.
 */
int text_read(
    struct text_reader *, const uint8_t **text, size_t *len, char *why);

/* True when text_read would return without waiting for input. */
bool text_ready(struct text_reader *);

/* "line" or "record", and the number of the one that was read last, from 1. */
const char *text_unit(const struct text_reader *);
uint64_t text_number(const struct text_reader *);

/* True if the record that was read last ended in its delimiter. */
bool text_terminated(const struct text_reader *);

/* Bytes of all records read so far. */
uint64_t text_bytes(const struct text_reader *);

#endif
