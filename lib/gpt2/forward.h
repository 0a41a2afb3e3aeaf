/*
 * The forward pass without gradients: blocks with packed weights on records
 * packed back to back (Radford et al. 2019, section 2.3; pre-norm blocks).
 */
#ifndef GPT2_FORWARD_H
#define GPT2_FORWARD_H

#include <stdbool.h>
#include <stddef.h>

#include "gpt2/table.h"
#include "ops/ops.h"

/* A block with its matrices packed for ops_product of a precision. */
struct gpt2_block;

/* Packs the tensors of a block that lie in w as table.h says; NULL: memory. */
struct gpt2_block *gpt2_block_open(
    const struct gpt2_shape *, const float *w, enum ops_precision, char *why);
void gpt2_block_free(struct gpt2_block *);

/*
 * The same in steps, so that threads can share the work: an empty block, and
 * tensor i of it; the block copies what it needs.
 */
struct gpt2_block *gpt2_block_new(
    const struct gpt2_shape *, enum ops_precision, char *why);
void gpt2_block_set(struct gpt2_block *, size_t i, const float *w);

/*
 * Floats of scratch memory for M rows of records of at most T tokens; with
 * shared (gpt2_block_run) for one record's keys and values, too.
 */
size_t gpt2_scratch_size(
    const struct gpt2_shape *, size_t M, size_t T, bool shared);

/*
 * x (M, C) becomes the block's output. Record b has rows starts[b] …
 * starts[b + 1] - 1; B records. Where shared (B) is not NULL, these are the
 * rows behind its first shared[b] tokens, which the record before it has, too:
 * since no token sees what follows it, their states are the same. scratch as
 * gpt2_scratch_size says, aligned to 64 bytes.
 */
void gpt2_block_run(const struct gpt2_block *, float *x, const size_t *starts,
    const size_t *shared, size_t B, float *scratch);

/* The output for the last token of each record alone: out (B, C). */
void gpt2_block_run_last(const struct gpt2_block *, float *out, const float *x,
    const size_t *starts, size_t B, float *scratch);

/* Memory for floats, aligned to 64 bytes; free() releases it. */
float *gpt2_floats(size_t n, char *why);

#endif
