/*
 * Some of the records of streams, or all, in their order or another. In their
 * order they are read one after the other; any other order, or a look ahead,
 * has the streams as a cache.
 */
#ifndef STREAM_SELECTION_H
#define STREAM_SELECTION_H

#include <stdbool.h>
#include <stdint.h>

#include "stream/stream.h"

struct selection_options {
	uint64_t first, last; /* by number, from 1; last may be UINT64_MAX */
	uint64_t shard,
	    shards;   /* of these every shards-th, from the shard-th */
	bool shuffle; /* in an order that depends on seed alone */
	uint64_t seed;
	bool again; /* selection_rewind will be called */
};

struct selection;

/* Arguments, errors and header as of stream_reader_open. */
struct selection *selection_open(const char *const *files, size_t n,
    const struct selection_options *, char *why);
void selection_free(struct selection *);

const struct stream_header *selection_header(const struct selection *);

/*
 * The next part of a selected record: 1, with pointers valid until the next
 * call; 0: there is none; -1. What lies behind the last record wanted is not
 * looked at.
 */
int selection_read(struct selection *, struct record *, char *why);

/* Back to the first; only where again was set. */
void selection_rewind(struct selection *);

/* Number of the record read last, counted among those that came. */
uint64_t selection_number(const struct selection *);

/* True when selection_read would not wait for input. */
bool selection_ready(struct selection *);

/* At the end: whether the last record that came ended in its delimiter. */
bool selection_terminated(const struct selection *);

/* True when f is a regular file that is read, where that is known. */
bool selection_reads(const struct selection *, const struct file_out *f);

/* As stream_reader_bytes; 0 of 0 from a cache. */
uint64_t selection_bytes(const struct selection *, uint64_t *all);

#endif
