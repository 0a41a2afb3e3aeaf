/*
 * Words of four int8 inputs, for the templates: see tile.h. A column of the
 * weights has one scale, a row of x one for each CHAIN of 128 neighbouring
 * inputs: GPT-2 has a few channels that are far larger than the rest, and so
 * they cost the others of their chain some bits, not those of the whole row.
 * Both sides are rounded to -127 ... 127, ties to even.
 *
 * The integers are the same from every kernel: the weights are kept with
 * OFFSET added, 128 where vpdpbusd wants them so, which the start of a sum
 * takes off again.
 */
#ifndef OPS_KERNELS_INT8_H
#define OPS_KERNELS_INT8_H

#include "ops/kernels/tile.h"
#include "ops/kernels/vector.h"

enum { int8_PER_WORD = 4, int8_CHAIN = 32, int8_SCALED = 1 };

typedef veci int8_sum;

#ifdef OPS_AMX
enum { int8_OFFSET = 0 };
#else
enum { int8_OFFSET = 128 };
#endif

#if defined(__AVX512VNNI__) || defined(__AVXVNNI__)

typedef veci int8_left;

static inline int8_left
int8_spread(const float *left)
{
	return vec_word(left);
}

static inline int8_sum
int8_step(int8_left a, vec b, int8_sum sum)
{
#ifdef __AVX512VNNI__
	return (veci)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)b, (__m512i)a);
#else
	return (veci)_mm256_dpbusd_avx_epi32(
	    (__m256i)sum, (__m256i)b, (__m256i)a);
#endif
}

#elif defined(OPS_AVX2)

/* Two int16 of each word, in its halves. */
typedef struct {
	__m256i even, odd;
} int8_left;

static inline int8_left
int8_spread(const float *left)
{
	__m256i word = (__m256i)vec_word(left);

	return (int8_left){ _mm256_srai_epi16(_mm256_slli_epi16(word, 8), 8),
		_mm256_srai_epi16(word, 8) };
}

static inline int8_sum
int8_step(int8_left a, vec b, int8_sum sum)
{
	__m256i even = _mm256_and_si256((__m256i)b, _mm256_set1_epi16(0x00ff));
	__m256i odd = _mm256_srli_epi16((__m256i)b, 8);

	return sum + (veci)_mm256_madd_epi16(even, a.even) +
	       (veci)_mm256_madd_epi16(odd, a.odd);
}

#else

typedef struct {
	int32_t x[4];
} int8_left;

static inline int8_left
int8_spread(const float *left)
{
	int8_t x[4];

	memcpy(x, left, sizeof(x));
	return (int8_left){ { x[0], x[1], x[2], x[3] } };
}

static inline int8_sum
int8_step(int8_left a, vec b, int8_sum sum)
{
	veci w = (veci)b;

	for (int i = 0; i < 4; i++)
		sum += (w >> (8 * i) & 255) * a.x[i];
	return sum;
}

#endif

static inline int8_sum
int8_start(const struct tile *t, size_t row, size_t chain)
{
	return (veci){ 0 } + t->start[row * MOST_CHAINS + chain];
}

static inline vec
int8_end(int8_sum sum, const struct tile *t, size_t row, size_t chain)
{
	return __builtin_convertvector(sum, vec) *
	       t->scale[row * MOST_CHAINS + chain];
}

/* The n <= LANES numbers at x times by, rounded. */
static inline veci
int8_round(const float *x, size_t n, vec by)
{
	/* Adding 1.5 * 2^23 rounds to a whole number in the low bits. */
	const vec magic = vec_all(12582912.0f);
	vec y = n < LANES ? vec_load_part(x, n) : vec_load(x);

	return (veci)(y * by + magic) - (veci)magic;
}

/* The larger bits of two vectors, those of |x|: NaN is larger than infinity. */
static inline veci
int8_largest(veci a, const float *x, size_t n)
{
	veci b = (veci)(n < LANES ? vec_load_part(x, n) : vec_load(x));

	return veci_max(a, b & 0x7fffffff);
}

/* Bytes of n <= LANES numbers, as they follow in memory. */
static inline void
int8_store(void *out, veci x)
{
	typedef int8_t bytes __attribute__((vector_size(LANES)));
	bytes b = __builtin_convertvector(x, bytes);

	memcpy(out, &b, sizeof(b));
}

/* The largest over the lanes of each of the LANES vectors, which are lost. */
static inline veci
int8_tops(veci a[LANES])
{
	for (int n = LANES; n > 1; n /= 2)
		for (int i = 0; i < n; i += 2)
			a[i / 2] = veci_max(
			    __builtin_shufflevector(a[i], a[i + 1], EVEN),
			    __builtin_shufflevector(a[i], a[i + 1], ODD));
	return a[0];
}

/* by and scale for the largest numbers, given by their bits. */
static inline void
int8_scales(vec *by, vec *scale, veci top)
{
	veci tiny = (vec)top < 1e-30f;

	*by = (vec)((veci)(127.0f / (vec)top) & ~tiny);
	*scale = (vec)top / 127.0f;
}

/*
 * Up to LANES chains of k inputs in all: their bytes, zeros behind them to a
 * vector's end, their scales, and minus OFFSET times their sums.
 */
static inline void
int8_chains(
    float *left, const float *x, size_t k, float *scales, int32_t *starts)
{
	enum { CHAIN = int8_CHAIN * int8_PER_WORD };
	size_t n = (k + CHAIN - 1) / CHAIN;
	int8_t *bytes = (int8_t *)left;
	veci top[LANES], start;
	vec by, scale, sums[LANES];

	for (size_t c = 0; c < LANES; c++) {
		size_t end = num_min((c + 1) * CHAIN, k);

		top[c] = (veci){ 0 };
		sums[c] = vec_all(0);
		for (size_t i = c * CHAIN; i < end; i += LANES)
			top[c] = int8_largest(
			    top[c], x + i, num_min(LANES, end - i));
	}
	int8_scales(&by, &scale, int8_tops(top));
	for (size_t c = 0; c < n; c++) {
		size_t end = num_min((c + 1) * CHAIN, k);
		veci sum = { 0 };

		for (size_t i = c * CHAIN; i < end; i += LANES) {
			veci q = int8_round(
			    x + i, num_min(LANES, end - i), vec_all(by[c]));

			int8_store(bytes + i, q);
			sum += q;
		}
		sums[c] = __builtin_convertvector(sum, vec);
	}
	start = -int8_OFFSET * __builtin_convertvector(vec_sums(sums), veci);
	memcpy(scales, &scale, n * sizeof(*scales));
	memcpy(starts, &start, n * sizeof(*starts));
}

/* Row r of the left side from k inputs. */
static void
int8_row(struct rows *g, size_t r, const float *x, size_t k)
{
	enum { INPUTS = LANES * int8_CHAIN * int8_PER_WORD };
	float *left = g->left + r * LEFT;
	float *scale = g->scale + r * MOST_CHAINS;
	int32_t *start = g->start + r * MOST_CHAINS;

	for (size_t i = 0; i < k; i += INPUTS) {
		int8_chains(left + i / int8_PER_WORD, x + i,
		    num_min(INPUTS, k - i), scale, start);
		scale += LANES;
		start += LANES;
	}
}

/* by and scale of n <= LANES columns of w (K, n): 127 is the largest. */
static inline void
int8_scale(
    vec *by, float *scale, const float *w, size_t stride, size_t K, size_t n)
{
	veci top = { 0 };
	vec scales;

	for (size_t k = 0; k < K; k++)
		top = int8_largest(top, w + k * stride, n);
	int8_scales(by, &scales, top);
	vec_store(scale, scales);
}

/* A vector of words: rows <= 4 of n <= LANES columns, OFFSET added. */
static inline vec
int8_across(const float *w, size_t stride, size_t rows, size_t n, vec by)
{
	veci word = { 0 };

	for (size_t i = 0; i < rows; i++) {
		veci q = int8_round(w + i * stride, n, by) + int8_OFFSET;

		word |= (q & 255) << (int32_t)(8 * i);
	}
	return (vec)word;
}

/* packed (panels, words, PANEL), then the columns' scales (panels, PANEL). */
static void
int8_pack(float *packed, const float *w, size_t stride, size_t K, size_t N)
{
	size_t words = words_count(K, int8_PER_WORD);
	float *scale = packed + words * num_round(N, PANEL);

	for (size_t j = 0; j < N; j += LANES) {
		size_t n = num_min(LANES, N - j);
		float *to = packed + j / PANEL * words * PANEL + j % PANEL;
		vec by;

		int8_scale(&by, scale + j, w + j, stride, K, n);
		for (size_t i = 0, k = 0; i < words; i++, k += 4, to += PANEL)
			vec_store(
			    to, k < K ? int8_across(w + k * stride + j, stride,
					    num_min(4, K - k), n, by)
				      : vec_all(0));
	}
}

#endif
