/*
 * Rows to records, in batches that threads encode side by side; what comes out
 * has the order of what went in.
 */
#ifndef CLI_ENCODING_H
#define CLI_ENCODING_H

#include <stddef.h>
#include <stdint.h>

#include "bpe/prepare.h"
#include "text/rows.h"

struct encoding;

/* A row's record or records, for the caller to write. */
struct encoded {
	const char *label, *id; /* NULL: none */
	size_t label_len, id_len;
	uint64_t number; /* as the caller gave */
	uint64_t done;	 /* likewise */
	struct prepared *batch;
	size_t i; /* of the text in the batch */
};

/*
 * Gives each row's records to write(arg, …), in order, on the caller's thread,
 * which is one of the jobs. Threads are started when there is work for them.
 * The preparer stays the caller's. NULL: no memory.
 */
struct encoding *encoding_open(const struct preparer *, const struct bpe *,
    size_t jobs, void (*write)(void *arg, const struct encoded *), void *arg,
    char *why);
void encoding_free(struct encoding *);

/*
 * Adds a row, which is copied, and perhaps writes rows that were added before.
 * number and done are handed to write. -1: no memory.
 */
int encoding_add(struct encoding *, const struct row *, uint64_t number,
    uint64_t done, char *why);

/* Writes all rows that were added. */
int encoding_flush(struct encoding *, char *why);

#endif
