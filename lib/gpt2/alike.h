/*
 * Records that begin alike: since no token sees what follows it, the states of
 * their common beginning are the same, bit for bit, and are computed once where
 * such records stand side by side in a batch.
 */
#ifndef GPT2_ALIKE_H
#define GPT2_ALIKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct record;

/* A batch ends with the record that reaches one of them. */
enum {
	ALIKE_ROWS = 256,   /* to compute */
	ALIKE_TOKENS = 2048 /* of all its records */
};

/*
 * Sorts n records by their tokens, and fills in where each batch ends (n at
 * most); returns how many batches.
 */
size_t alike_arrange(struct record **records, size_t n, size_t *ends);

/* The rows of a batch, as gpt2_model_run takes them. */
struct alike {
	size_t *starts;	  /* (B + 1) */
	size_t *shared;	  /* (B) */
	uint32_t *tokens; /* (M) */
	size_t B;
};

/* Fills in the rows of B records; without share, each has all of its own. */
void alike_lay(
    struct alike *, struct record *const *records, size_t B, bool share);

/* How many tokens were left out. */
size_t alike_saved(const struct alike *);

/*
 * out (N, C), for each token of each record a row, from x (M, C); returns N.
 */
size_t alike_spread(const struct alike *, float *out, const float *x, size_t C);

#endif
