/*
 * Loss and exact gradient of everything above the cut, for one batch of
 * records whose hidden states at the cut are given. The top block works for
 * the last token alone where only that one is pooled.
 */
#ifndef GPT2_GRADIENT_H
#define GPT2_GRADIENT_H

#include <stddef.h>
#include <stdint.h>

#include "gpt2/table.h"
#include "ops/ops.h"

struct team;

/* What is trained, and how its states are kept. */
struct gpt2_top {
	struct gpt2_shape shape;
	size_t cut, K;
	int mean; /* pool the mean of ln_f's outputs, not its last */
	int half; /* states are float16, not float32 */
	enum ops_precision precision; /* of the blocks' products: f32, bf16 */
};

/* One record, or a part of one. */
struct gpt2_row {
	const void *states; /* (T, C) */
	size_t T;
	size_t class; /* below K */
	float weight; /* of its loss */
};

struct gpt2_gradient;

/*
 * Memory for batches with records of up to longest tokens; larger batches are
 * worked through in waves of whole records, of some 2,048 tokens each.
 */
struct gpt2_gradient *gpt2_gradient_open(
    const struct gpt2_top *, size_t longest, struct team *, char *why);
void gpt2_gradient_free(struct gpt2_gradient *);

/*
 * Adds the gradient of the sum of weight * cross entropy over the B rows to
 * grad, laid out as top (gpt2_top_size floats), and returns the sum. dropout:
 * the rate in the trained blocks, its masks a function of key and the row's
 * number in the batch. The result's bits do not depend on the team's size.
 */
double gpt2_gradient_run(struct gpt2_gradient *, float *grad, const float *top,
    const struct gpt2_row *rows, size_t B, float dropout, uint64_t key);

#endif
