/*
 * The whole network for one token after the other: keys and values of the
 * tokens before are kept, so that a step costs the new tokens alone. The
 * products of a step are shared by all sequences, and divided among threads
 * by columns, since with few rows it is the weights' way from memory that
 * takes the time.
 */
#ifndef GPT2_DECODER_H
#define GPT2_DECODER_H

#include <stddef.h>
#include <stdint.h>

#include "gpt2/table.h"
#include "ops/ops.h"

struct checkpoint;
struct team;

struct gpt2_decoder;

/* Reads and packs the whole model. NULL: a tensor is missing, or no memory. */
struct gpt2_decoder *gpt2_decoder_open(
    const struct checkpoint *, enum ops_precision, struct team *, char *why);
void gpt2_decoder_free(struct gpt2_decoder *);

/* Bytes of a sequence's cache for so many tokens. */
size_t gpt2_decoder_cache(const struct gpt2_decoder *, size_t room);

struct gpt2_sequence {
	/*
	 * (L, H, room, 2D): keys with their values, float32, or where the
	 * products are of less, float16: half of what a step has to read, but
	 * 65,504 is the largest number.
	 */
	void *cache;
	size_t room;   /* tokens that fit, at most n_positions */
	size_t length; /* tokens whose keys and values it has */
};

/* New tokens of one sequence. */
struct gpt2_turn {
	struct gpt2_sequence *sequence;
	const uint32_t *tokens; /* (n) each below V; length + n <= room */
	size_t n;
	size_t wanted; /* of the last n, how many rows of logits */
};

/*
 * Appends the tokens of B turns to their sequences. logits (all wanted, V):
 * for each wanted token those of what follows it. Every row has the same bits
 * whatever else is run with it and however its sequence was divided into
 * turns. -1: no memory.
 */
int gpt2_decoder_run(struct gpt2_decoder *, float *logits,
    const struct gpt2_turn *turns, size_t B, char *why);

#endif
