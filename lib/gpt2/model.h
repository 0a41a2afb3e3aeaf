/* The frozen part of a GPT-2: the embeddings and the blocks below the cut. */
#ifndef GPT2_MODEL_H
#define GPT2_MODEL_H

#include <stddef.h>
#include <stdint.h>

#include "gpt2/table.h"
#include "ops/ops.h"

struct checkpoint;
struct checkpoint_config;
struct team;

struct gpt2_model;

/*
 * Reads what lies below the cut, 0 … L, and packs it for the precision, on the
 * team's threads.
 * Nothing of the checkpoint is needed afterwards. NULL: a tensor is missing
 * or wrong, or there is no memory. gpt2_model_free(NULL) is allowed.
 */
struct gpt2_model *gpt2_model_open(const struct checkpoint *, size_t cut,
    enum ops_precision, struct team *, char *why);
void gpt2_model_free(struct gpt2_model *);

struct gpt2_shape gpt2_shape(const struct checkpoint_config *);

/*
 * The model id at the cut, 32 hexadecimal digits: XXH3-128 over the line
 * "n_head=12 n_embd=768 n_positions=1024 vocab_size=50257
 * epsilon=9.99999975e-06 activation=gelu_new" and the XXH3-128 of each tensor's
 * float32 values, in the order wte, wpe, blocks. Valid until gpt2_model_free.
 */
const char *gpt2_model_id(const struct gpt2_model *);

/* The same id without the model: reads all tensors below the cut. */
int gpt2_identify(char id[33], const struct checkpoint *, size_t cut,
    struct team *, char *why);

/* Floats of scratch memory for M tokens, as gpt2_model_run needs them. */
size_t gpt2_model_scratch(const struct gpt2_model *, size_t M);

/*
 * x (M, C), the hidden states at the cut, from tokens (M), all below V; record
 * b has rows starts[b] … starts[b + 1] - 1, behind the first shared[b] that it
 * has from the record before (gpt2_block_run; NULL: none does), at most
 * n_positions together.
 */
void gpt2_model_run(const struct gpt2_model *, float *x, const uint32_t *tokens,
    const size_t *starts, const size_t *shared, size_t B, float *scratch);

/*
 * The same for the last token of each record alone: out (B, C); x (M, C) is
 * only worked in. The cut must not be 0.
 */
void gpt2_model_run_last(const struct gpt2_model *, float *out, float *x,
    const uint32_t *tokens, const size_t *starts, size_t B, float *scratch);

/*
 * What lies above the cut, read into top (gpt2_top_size floats) but for the
 * classifier, whose K rows become zeros.
 */
int gpt2_read_top(
    float *top, const struct checkpoint *, size_t cut, size_t K, char *why);

#endif
