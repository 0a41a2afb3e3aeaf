/* Progress on a terminal: records, tokens/s, and when it will be done. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdint.h>

#include "cli/cli.h"

struct progress {
	int64_t start, shown; /* ns; start < 0: off */
	uint64_t records, tokens;
};

/* Starts the clock. */
struct progress progress_start(const struct cli *);

/*
 * Counts one record more and, after the first second, draws the line anew now
 * and then. done of all is how far it is in any unit; all = 0: unknown.
 */
void progress_step(
    struct progress *, uint64_t tokens, uint64_t done, uint64_t all);

/* The same for several records at once. */
void progress_add(struct progress *, uint64_t records, uint64_t tokens,
    uint64_t done, uint64_t all);

/* Clears the line. */
void progress_end(struct progress *);

#endif
