/* The records of a stream in forms that other programs read. */
#ifndef STREAM_EXPORT_H
#define STREAM_EXPORT_H

#include <stdint.h>

#include "stream/stream.h"

struct buffer;

/*
 * JSONL: a line a part of a record, with id, label, tokens and vectors.
 * TSV: a header line, then a line a part of tokens, or a line a vector.
 * NPY: NumPy's format 1.0, float32 (vectors, C).
 * LIBSVM: label index:value ..., a line a vector; indices from 1.
 */
enum export_format { EXPORT_JSONL, EXPORT_TSV, EXPORT_NPY, EXPORT_LIBSVM };

/* Appends what comes before the first record; vectors in all, for NPY. */
int export_start(struct buffer *, enum export_format,
    const struct stream_header *, uint64_t vectors, char *why);

/*
 * Appends a record, or a part of one, whose vectors are float32; number counts
 * records from 1.
 */
int export_record(struct buffer *, enum export_format,
    const struct stream_header *, const struct record *, uint64_t number,
    char *why);

#endif
