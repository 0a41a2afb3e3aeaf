/* The heads that head-predict and head-test put to work on one stream. */
#ifndef CLI_JUDGE_H
#define CLI_JUDGE_H

#include <stddef.h>

#include "cli/cli.h"
#include "head/head.h"
#include "head/net.h"
#include "stream/flow.h"

enum { JUDGE_TOKENS = 256 }; /* of a batch */

struct judge {
	char *path;
	char *name; /* the file's, without directory and ".head" */
	struct head *head;
	struct head_net *net;
	struct head_join join;
	double *p; /* (K) */
};

struct judges {
	struct judge *list; /* (n) */
	size_t n;
	size_t floats; /* of result for a record: all classes */
	enum stream_dtype dtype;
	float **scratch; /* (workers) grows with the batches */
	size_t *room;	 /* (workers) floats */
	size_t workers;
};

/*
 * Opens the heads: those named, else $GPT2_HEAD, else the one beside the
 * stream's model, which is said on stderr. Exits where one does not fit.
 */
void judges_open(struct judges *, const struct cli *, const char *const *paths,
    size_t n, struct stream_reader *, size_t workers);
void judges_close(struct judges *);

/* Log-probabilities of a batch: result is, head by head, (batch n, K). */
void judges_run(struct judges *, struct flow_batch *, size_t worker);

/* Adds record i of the batch to each head's join. */
void judges_join(struct judges *, const struct flow_batch *, size_t i);

#endif
