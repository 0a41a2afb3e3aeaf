/* Prompts that are continued, or judged, together. */
#ifndef GPT2_GROUP_H
#define GPT2_GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpt2/decoder.h"

enum { GROUP_MOST = 32 }; /* prompts in one group */

/* Prompt and continuation. */
struct gpt2_prompt {
	uint32_t *tokens; /* (room) */
	size_t room;	  /* tokens that fit, at most n_positions */
	size_t n;	  /* of the prompt, at least 1 */
	size_t length;	  /* with what was added */
	struct gpt2_sequence sequence;
	size_t row; /* of the group's logits, what follows it */
};

struct gpt2_group {
	struct gpt2_decoder *decoder;
	size_t V;
	struct gpt2_prompt prompts[GROUP_MOST];
	size_t B;
	float *logits; /* (rows, V) */
	size_t rows;   /* for which there is memory */
	float *caches; /* of all sequences, one after the other */
	size_t floats; /* for which there is memory */
};

/*
 * Empties the group; zeros are an empty one. Its memory is for the next
 * prompts: to be touched for the first time is what costs most of it.
 */
void gpt2_group_clear(struct gpt2_group *);

/* Empties it and releases its memory, not the decoder. */
void gpt2_group_free(struct gpt2_group *);

/*
 * Adds a prompt of n tokens, 1 at least, with room for so many in all, to a
 * group that has not been run since it was empty. -1: no memory.
 */
int gpt2_group_add(struct gpt2_group *, const uint32_t *tokens, size_t n,
    size_t room, char *why);

/*
 * Runs, for each prompt with its mark, the tokens that have not been run yet,
 * of which it needs one: its row of the logits is then that of what follows
 * the last. The other prompts lose theirs.
 */
int gpt2_group_run(struct gpt2_group *, const bool *marks, char *why);

/*
 * Adds to scores (B) the log-probability that these m tokens follow the
 * prompts, whose own were run before and whose logits stand in logits. The
 * prompts stay as they are.
 */
int gpt2_group_score(struct gpt2_group *, double *scores,
    const uint32_t *tokens, size_t m, char *why);

#endif
