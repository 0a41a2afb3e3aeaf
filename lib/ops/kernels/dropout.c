/*
 * Dropout by Philox 4x32-10 (Salmon et al. 2011, section 3.3). The counter is
 * (place / 8, low and high; row; site), so that one call decides over eight
 * neighbouring numbers, 16 bits each, and LANES calls run side by side.
 */
#include "ops/kernels/vector.h"
#include "ops/ops.h"
#include "sys/num.h"

enum { DECISIONS = 8, BATCH = DECISIONS * LANES };

typedef uint32_t vecw __attribute__((vector_size(LANES * 4)));
typedef uint64_t vecl __attribute__((vector_size(LANES * 8)));

/* The high and low words of the products of a and the word m. */
static inline void
multiply_wide(vecw *high, vecw *low, vecw a, uint32_t m)
{
	vecl wide = __builtin_convertvector(a, vecl) * (uint64_t)m;

	*high = __builtin_convertvector(wide >> 32, vecw);
	*low = a * m;
}

/* bits (BATCH): 16 random bits for each place from first on. */
static void
philox(uint16_t *bits, const struct ops_dropout *d, uint64_t first)
{
	vecw c0, c1, c2 = (vecw){ 0 } + d->row, c3 = (vecw){ 0 } + d->site;
	uint32_t k0 = (uint32_t)d->key, k1 = (uint32_t)(d->key >> 32);
	uint32_t words[LANES][4];

	for (uint32_t i = 0; i < LANES; i++) {
		uint64_t place = first / DECISIONS + i;

		c0[i] = (uint32_t)place;
		c1[i] = (uint32_t)(place >> 32);
	}
	for (int round = 0; round < 10; round++) {
		vecw high0, low0, high1, low1;

		multiply_wide(&high0, &low0, c0, 0xD2511F53);
		multiply_wide(&high1, &low1, c2, 0xCD9E8D57);
		c0 = high1 ^ c1 ^ k0;
		c1 = low1;
		c2 = high0 ^ c3 ^ k1;
		c3 = low0;
		k0 += 0x9E3779B9;
		k1 += 0xBB67AE85;
	}
	for (int i = 0; i < LANES; i++) {
		words[i][0] = c0[i];
		words[i][1] = c1[i];
		words[i][2] = c2[i];
		words[i][3] = c3[i];
	}
	memcpy(bits, words, sizeof(words));
}

/* The rate in 65,536ths; what is kept is scaled by the rate's complement. */
static uint32_t
threshold(const struct ops_dropout *d)
{
	return (uint32_t)(d->rate * 65536.0f + 0.5f);
}

/* factor (n <= BATCH) = 0 where a number is dropped, else scale. */
static void
dropout_factor(
    float *factor, const struct ops_dropout *d, uint64_t first, size_t n)
{
	uint32_t least = threshold(d);
	float scale = 65536.0f / (65536.0f - (float)least);
	uint16_t bits[BATCH];

	philox(bits, d, first);
	for (size_t i = 0; i < n; i++)
		factor[i] = bits[i] >= least ? scale : 0;
}

static void
dropout_add(float *out, const float *x, const struct ops_dropout *d,
    uint64_t first, size_t n)
{
	float factor[BATCH];

	for (size_t i = 0; i < n; i += BATCH) {
		size_t part = num_min(BATCH, n - i);

		dropout_factor(factor, d, first + i, part);
		for (size_t j = 0; j < part; j++)
			out[i + j] += x[i + j] * factor[j];
	}
}

static void
dropout(float *x, const struct ops_dropout *d, uint64_t first, size_t n)
{
	float factor[BATCH];

	for (size_t i = 0; i < n; i += BATCH) {
		size_t part = num_min(BATCH, n - i);

		dropout_factor(factor, d, first + i, part);
		for (size_t j = 0; j < part; j++)
			x[i + j] *= factor[j];
	}
}
