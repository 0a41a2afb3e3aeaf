/* What a stream holds, counted and told: stream-cat --info. */
#ifndef CLI_SUMMARY_H
#define CLI_SUMMARY_H

#include <stdint.h>

#include "stream/stream.h"

struct buffer;
struct labels;

/* Start with labels alone; the rest zeros. */
struct summary {
	struct labels *labels;
	uint64_t records, parts, tokens, longest, cut, ids, unlabelled;
	bool was_cut; /* a part of the record at hand */
};

/* Counts a record, or a part of one; -1: a label that cannot be one. */
int summary_add(struct summary *, const struct record *, char *why);

/* Appends what the stream is, and the counts, a line each. */
int summary_print(struct buffer *, const struct summary *,
    const struct stream_header *, char *why);

#endif
