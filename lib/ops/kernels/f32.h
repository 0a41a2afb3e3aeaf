/* Words of one float32, for the templates: see tile.h. */
#ifndef OPS_KERNELS_F32_H
#define OPS_KERNELS_F32_H

#include "ops/kernels/tile.h"
#include "ops/kernels/vector.h"

typedef vec f32_sum, f32_left;

enum {
	f32_PER_WORD = 1,
	/*
	 * Sums over so many words are made apart, then added: half the error of
	 * one chain (0.80 instead of 1.74 of PyTorch's, small model, cut 6).
	 */
	f32_CHAIN = 64,
	f32_SCALED = 0 /* columns have no scales */
};

static inline f32_left
f32_spread(const float *left)
{
	return vec_all(*left);
}

static inline f32_sum
f32_step(f32_left a, vec b, f32_sum sum)
{
	return vec_fma(a, b, sum);
}

static inline f32_sum
f32_start(const struct tile *t, size_t row, size_t chain)
{
	(void)t, (void)row, (void)chain;
	return vec_all(0);
}

static inline vec
f32_end(f32_sum sum, const struct tile *t, size_t row, size_t chain)
{
	(void)t, (void)row, (void)chain;
	return sum;
}

/* A vector of words from the n <= LANES numbers at x, then zeros. */
static inline vec
f32_words(const float *x, size_t n)
{
	return n < LANES ? vec_load_part(x, n) : vec_load(x);
}

/* The same of n <= LANES columns of one row. */
static inline vec
f32_across(const float *x, size_t stride, size_t rows, size_t n)
{
	(void)stride, (void)rows;
	return f32_words(x, n);
}

/* Row r of the left side from k inputs. */
static void
f32_row(struct rows *g, size_t r, const float *x, size_t k)
{
	memcpy(g->left + r * LEFT, x, k * sizeof(float));
}

#endif
