/*
 * Records of a stream through the threads of a team and out again in order:
 * the loop of every program that computes. Batches are large while input is
 * plentiful; before the reader has to wait for more, all that was read has
 * been computed, given out and flushed. Within a window of records the batches
 * may be made in another order than that of the stream; the first windows are
 * small, so that there is something to see soon.
 */
#ifndef STREAM_FLOW_H
#define STREAM_FLOW_H

#include <stddef.h>

#include "stream/stream.h"

struct team;

/* Records that one thread computes together, or that are given out together. */
struct flow_batch {
	struct record **records; /* (n), each its own copy */
	size_t n, n_tokens;
	float *result; /* room as asked for in struct flow */
};

struct flow {
	size_t batch_tokens;	  /* a batch with so many tokens is full */
	size_t window_tokens;	  /* and so a window, where there is arrange */
	size_t floats_per_token;  /* of result */
	size_t floats_per_record; /* of result */
	void *arg;		  /* for the functions that take it */

	/* On a worker: fills in the result. Must not fail. */
	void (*compute)(void *arg, struct flow_batch *, size_t worker);

	/*
	 * On the caller's thread, in order of the input: 0, or -1. Where there
	 * is arrange, it is given a window and no result: compute has left in
	 * each record where its vectors are.
	 */
	int (*emit)(void *arg, const struct flow_batch *, char *why);

	/* On the caller's thread: there is nothing more to wait for: 0, or -1.
	 */
	int (*flush)(void *arg, char *why);

	/* On the caller's thread, before a record joins a batch, or NULL: it
	 * may change it, or refuse it with -1. */
	int (*admit)(void *arg, struct record *, char *why);

	/*
	 * On the caller's thread, or NULL: puts a window's n records in the
	 * order in which they are computed, and fills in where each batch ends
	 * (n at most); returns how many batches.
	 */
	size_t (*arrange)(struct record **records, size_t n, size_t *ends);

	/*
	 * On the caller's thread, or NULL: a batch has been computed, in the
	 * order of arrange, and will be given out later: 0, or -1.
	 */
	int (*finish)(void *arg, const struct flow_batch *, char *why);
};

/*
 * Runs to the end of the reader. On an error every record before it has been
 * given out and flushed; -1 then.
 */
int flow_run(
    const struct flow *, struct stream_reader *, struct team *, char *why);

#endif
