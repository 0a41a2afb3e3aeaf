/* The forward pass without gradients; see forward.h. */
#include "gpt2/forward.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ops/ops.h"
#include "sys/num.h"
#include "sys/why.h"

struct gpt2_block {
	struct gpt2_shape shape;
	enum ops_precision precision;
	float
	    *tensors[BLOCK_TENSORS]; /* matrices packed, vectors as they are */
	float *memory;
};

enum {
	ALIGN = 16,		 /* floats in 64 bytes */
	LARGE_PAGE = 2 * 1048576 /* bytes */
};

float *
gpt2_floats(size_t n, char *why)
{
	size_t bytes, align;
	void *p = NULL;

	if (num_mul(n, sizeof(float), &bytes) && bytes < SIZE_MAX / 2) {
		align = bytes < LARGE_PAGE ? 64 : LARGE_PAGE;
		if (posix_memalign(
			&p, align, num_round(num_max(bytes, 64), 64)) != 0)
			p = NULL;
	}
	if (p && bytes >= LARGE_PAGE)
		madvise(p, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);
	return p ? p : why_memory(why);
}

struct gpt2_block *
gpt2_block_new(
    const struct gpt2_shape *shape, enum ops_precision precision, char *why)
{
	struct gpt2_block *b = calloc(1, sizeof(*b));
	size_t at[BLOCK_TENSORS], size = 0;

	if (b == NULL)
		return why_memory(why);
	b->shape = *shape;
	b->precision = precision;
	for (size_t i = 0; i < BLOCK_TENSORS; i++) {
		struct gpt2_tensor t = gpt2_block_tensor(shape, 0, i);

		at[i] = size;
		size += num_round(
		    t.matrix ? ops_packed_size(precision, t.rows, t.cols)
			     : t.cols,
		    ALIGN);
	}
	if ((b->memory = gpt2_floats(size, why)) == NULL) {
		free(b);
		return NULL;
	}
	for (size_t i = 0; i < BLOCK_TENSORS; i++)
		b->tensors[i] = b->memory + at[i];
	return b;
}

void
gpt2_block_set(struct gpt2_block *b, size_t i, const float *w)
{
	struct gpt2_tensor t = gpt2_block_tensor(&b->shape, 0, i);

	if (t.matrix)
		ops_pack(
		    b->tensors[i], w, t.cols, b->precision, t.rows, t.cols);
	else
		memcpy(b->tensors[i], w, t.cols * sizeof(*w));
}

struct gpt2_block *
gpt2_block_open(const struct gpt2_shape *shape, const float *w,
    enum ops_precision precision, char *why)
{
	struct gpt2_block *b = gpt2_block_new(shape, precision, why);

	for (size_t i = 0; b && i < BLOCK_TENSORS; i++)
		gpt2_block_set(b, i, w + gpt2_block_tensor(shape, 0, i).offset);
	return b;
}

void
gpt2_block_free(struct gpt2_block *b)
{
	if (b == NULL)
		return;
	free(b->memory);
	free(b);
}

/*
 * norm (M, C), then one area: qkv (M, 3C) and the attention's output (M, C),
 * afterwards the hidden layer of the MLP (M, 4C); then one row of scores (T),
 * and keys with their values (T, 2C).
 */
size_t
gpt2_scratch_size(const struct gpt2_shape *s, size_t M, size_t T, bool shared)
{
	return num_round(5 * M * s->C, ALIGN) + num_round(T, ALIGN) +
	       (shared ? 2 * T * s->C : 0);
}

static void
norm(const struct gpt2_block *b, float *out, const float *x, size_t weight,
    size_t M)
{
	ops_norm(out, NULL, NULL, x, b->tensors[weight], b->tensors[weight + 1],
	    b->shape.epsilon, M, b->shape.C);
}

/* out (M, N) of x (M, K) and a matrix (K, N) of the block with its bias. */
static void
multiply(const struct gpt2_block *b, float *out, const float *x, size_t weight,
    enum ops_after after, size_t M)
{
	struct gpt2_tensor t = gpt2_block_tensor(&b->shape, 0, weight);

	ops_product(out, t.cols, x, t.rows, b->tensors[weight],
	    b->tensors[weight + 1], b->precision, after, M, t.rows, t.cols);
}

/* x (M, C) += mlp(norm(x)). */
static void
run_mlp(const struct gpt2_block *b, float *x, size_t M, float *scratch)
{
	size_t C = b->shape.C;
	float *y = scratch;	     /* (M, C) */
	float *fc = scratch + M * C; /* (M, 4C) */

	norm(b, y, x, LN_2_WEIGHT, M);
	multiply(b, fc, y, FC_WEIGHT, OPS_GELU, M);
	multiply(b, x, fc, MLP_PROJ_WEIGHT, OPS_ADD, M);
}

/* qkv (M, 3C) of the norm of x (M, C). */
static void
run_qkv(
    const struct gpt2_block *b, float *qkv, float *y, const float *x, size_t M)
{
	norm(b, y, x, LN_1_WEIGHT, M);
	multiply(b, qkv, y, ATTN_WEIGHT, OPS_SET, M);
}

static void
attend(const struct gpt2_block *b, float *att, const float *qkv,
    const size_t *starts, size_t B, float *scores)
{
	size_t C = b->shape.C, H = b->shape.H;

	for (size_t i = 0; i < B; i++) {
		size_t T = starts[i + 1] - starts[i];
		const float *q = qkv + starts[i] * 3 * C;

		ops_attention(att + starts[i] * C, C, q, 3 * C, q + C,
		    q + 2 * C, 3 * C, NULL, scores, 0, T, H, C / H);
	}
}

/* The longest record of all. */
static size_t
longest(const size_t *starts, const size_t *shared, size_t B)
{
	size_t T = 0;

	for (size_t i = 0; i < B; i++)
		T = num_max(T, shared[i] + starts[i + 1] - starts[i]);
	return T;
}

/*
 * kv (T, 2C) holds the keys and values of one record after the other: those of
 * the tokens that it shares with the one before stand there already.
 */
static void
attend_shared(const struct gpt2_block *b, float *att, const float *qkv,
    const size_t *starts, const size_t *shared, size_t B, float *scores)
{
	size_t C = b->shape.C, H = b->shape.H;
	float *kv = scores + num_round(longest(starts, shared, B), ALIGN);

	for (size_t i = 0; i < B; i++) {
		size_t own = starts[i + 1] - starts[i];
		const float *q = qkv + starts[i] * 3 * C;

		for (size_t t = 0; t < own; t++)
			memcpy(kv + (shared[i] + t) * 2 * C, q + t * 3 * C + C,
			    2 * C * sizeof(*kv));
		if (own > 0)
			ops_attention(att + starts[i] * C, C, q, 3 * C, kv,
			    kv + C, 2 * C, NULL, scores, shared[i],
			    shared[i] + own, H, C / H);
	}
}

void
gpt2_block_run(const struct gpt2_block *b, float *x, const size_t *starts,
    const size_t *shared, size_t B, float *scratch)
{
	size_t C = b->shape.C, M = starts[B];
	float *qkv = scratch + M * C;			       /* (M, 3C) */
	float *att = scratch + 4 * M * C;		       /* (M, C) */
	float *scores = scratch + num_round(5 * M * C, ALIGN); /* (T) */

	run_qkv(b, qkv, scratch, x, M);
	if (shared)
		attend_shared(b, att, qkv, starts, shared, B, scores);
	else
		attend(b, att, qkv, starts, B, scores);
	multiply(b, x, att, ATTN_PROJ_WEIGHT, OPS_ADD, M);
	run_mlp(b, x, M, scratch);
}

/*
 * The queries of all tokens come along with keys and values in one product;
 * from there on only the last rows count.
 */
void
gpt2_block_run_last(const struct gpt2_block *b, float *out, const float *x,
    const size_t *starts, size_t B, float *scratch)
{
	size_t C = b->shape.C, H = b->shape.H, M = starts[B];
	float *qkv = scratch + M * C;			       /* (M, 3C) */
	float *att = scratch + 4 * M * C;		       /* (B, C) */
	float *scores = scratch + num_round(5 * M * C, ALIGN); /* (T) */

	run_qkv(b, qkv, scratch, x, M);
	for (size_t i = 0; i < B; i++) {
		size_t T = starts[i + 1] - starts[i];
		const float *k = qkv + starts[i] * 3 * C + C;
		const float *q = k + (T - 1) * 3 * C - C;

		ops_attention(att + i * C, C, q, 3 * C, k, k + C, 3 * C, NULL,
		    scores, T - 1, T, H, C / H);
		memcpy(
		    out + i * C, x + (starts[i] + T - 1) * C, C * sizeof(*x));
	}
	multiply(b, out, att, ATTN_PROJ_WEIGHT, OPS_ADD, B);
	run_mlp(b, out, B, scratch);
}
