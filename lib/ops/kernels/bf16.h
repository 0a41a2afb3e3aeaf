/*
 * Words of two bfloat16, for the templates: see tile.h. A float32 is rounded
 * to the nearest, ties to even. The products are exact in float32; a step adds
 * that of the upper, then that of the lower halves, each sum rounded. The
 * processor's instruction takes subnormal numbers for 0; else the kernels
 * agree to the last bit, but for the generic ones, which round twice.
 */
#ifndef OPS_KERNELS_BF16_H
#define OPS_KERNELS_BF16_H

#include "ops/kernels/tile.h"
#include "ops/kernels/vector.h"

enum { bf16_PER_WORD = 2, bf16_CHAIN = 128, bf16_SCALED = 0 };

typedef vec bf16_sum;

#ifdef __AVX512BF16__

typedef veci bf16_left;

static inline bf16_left
bf16_spread(const float *left)
{
	return vec_word(left);
}

static inline bf16_sum
bf16_step(bf16_left a, vec b, bf16_sum sum)
{
	return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)a, (__m512bh)b);
}

#else

typedef struct {
	vec upper, lower;
} bf16_left;

static inline bf16_left
bf16_split(veci word)
{
	return (
	    bf16_left){ (vec)(word & (int32_t)0xffff0000), (vec)(word << 16) };
}

static inline bf16_left
bf16_spread(const float *left)
{
	return bf16_split(vec_word(left));
}

static inline bf16_sum
bf16_step(bf16_left a, vec b, bf16_sum sum)
{
	bf16_left right = bf16_split((veci)b);

	sum = vec_fma(a.upper, right.upper, sum);
	return vec_fma(a.lower, right.lower, sum);
}

#endif

static inline bf16_sum
bf16_start(const struct tile *t, size_t row, size_t chain)
{
	(void)t, (void)row, (void)chain;
	return vec_all(0);
}

static inline vec
bf16_end(bf16_sum sum, const struct tile *t, size_t row, size_t chain)
{
	(void)t, (void)row, (void)chain;
	return sum;
}

/* The bits of x rounded, in the upper halves. A NaN becomes quiet. */
static inline veci
bf16_round(vec x)
{
	veci bits = (veci)x, odd = bits >> 16 & 1;
	veci nan = (bits & 0x7fffffff) > 0x7f800000;

	return ((bits + 0x7fff + odd) & ~nan) | ((bits | 0x400000) & nan);
}

static inline vec
bf16_join(vec lower, vec upper)
{
	veci low = bf16_round(lower) >> 16 & 0xffff;

	return (vec)(low | (bf16_round(upper) & (int32_t)0xffff0000));
}

/* A vector of words from the n <= 2 LANES numbers at x, then zeros. */
static inline vec
bf16_words(const float *x, size_t n)
{
	vec a = n < LANES ? vec_load_part(x, n) : vec_load(x), b = vec_all(0);

	if (n >= 2 * LANES)
		b = vec_load(x + LANES);
	else if (n > LANES)
		b = vec_load_part(x + LANES, n - LANES);
#ifdef __AVX512BF16__
	return (vec)_mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
#else
	return bf16_join(__builtin_shufflevector(a, b, EVEN),
	    __builtin_shufflevector(a, b, ODD));
#endif
}

/* The same of n <= LANES columns of two rows, or of one and zeros. */
static inline vec
bf16_across(const float *x, size_t stride, size_t rows, size_t n)
{
	vec a = n < LANES ? vec_load_part(x, n) : vec_load(x), b = vec_all(0);

	if (rows > 1)
		b = n < LANES ? vec_load_part(x + stride, n)
			      : vec_load(x + stride);
	return bf16_join(a, b);
}

/* Row r of the left side from k inputs. */
static void
bf16_row(struct rows *g, size_t r, const float *x, size_t k)
{
	float *left = g->left + r * LEFT;

	for (size_t i = 0; i < k; i += 2 * LANES)
		vec_store(left + i / 2, bf16_words(x + i, k - i));
}

#endif
