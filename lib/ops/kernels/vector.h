/*
 * Vectors of LANES floats, and the few operations on them that C has no
 * sign for. The build defines one of OPS_AVX512, OPS_AVX2 and OPS_GENERIC.
 *
 * The compiler contracts nothing (-ffp-contract=off): a fused multiply-add
 * stands where vec_fma is written, so that every path to a number rounds
 * alike. vec_fma of the generic kernels rounds twice.
 */
#ifndef OPS_KERNELS_VECTOR_H
#define OPS_KERNELS_VECTOR_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#if defined(OPS_AVX512) || defined(OPS_AVX2)
#include <immintrin.h>
#endif

/* Before a loop over registers: at most 16 rounds, all written out. */
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(OPS_AVX512)
enum { LANES = 16 };
#elif defined(OPS_AVX2)
enum { LANES = 8 };
#else
enum { LANES = 4 };
#endif

typedef float vec __attribute__((vector_size(LANES * 4)));
typedef int32_t veci __attribute__((vector_size(LANES * 4)));

/* The same at an address that is aligned for its numbers only. */
typedef float vecu
    __attribute__((vector_size(LANES * 4), aligned(4), may_alias));

static inline vec
vec_load(const float *p)
{
	return *(const vecu *)p;
}

static inline void
vec_store(float *p, vec a)
{
	*(vecu *)p = a;
}

/* x in every lane. */
static inline vec
vec_all(float x)
{
	return x - (vec){ 0 };
}

/* The word at p in every lane. */
static inline veci
vec_word(const float *p)
{
	typedef int32_t word __attribute__((may_alias));

	return (veci){ 0 } + *(const word *)p;
}

#if defined(OPS_AVX512)

static inline vec
vec_fma(vec a, vec b, vec c)
{
	return (vec)_mm512_fmadd_ps((__m512)a, (__m512)b, (__m512)c);
}

/* The larger; b where one is not a number. */
static inline vec
vec_max(vec a, vec b)
{
	return (vec)_mm512_max_ps((__m512)a, (__m512)b);
}

/* The smaller; b where one is not a number. */
static inline vec
vec_min(vec a, vec b)
{
	return (vec)_mm512_min_ps((__m512)a, (__m512)b);
}

static inline veci
veci_max(veci a, veci b)
{
	return (veci)_mm512_max_epi32((__m512i)a, (__m512i)b);
}

static inline vec
vec_sqrt(vec a)
{
	return (vec)_mm512_sqrt_ps((__m512)a);
}

/* The n < LANES numbers at p, then zeros. */
static inline vec
vec_load_part(const float *p, size_t n)
{
	return (vec)_mm512_maskz_loadu_ps((__mmask16)((1u << n) - 1), p);
}

static inline void
vec_store_part(float *p, vec a, size_t n)
{
	_mm512_mask_storeu_ps(p, (__mmask16)((1u << n) - 1), (__m512)a);
}

#elif defined(OPS_AVX2)

static inline vec
vec_fma(vec a, vec b, vec c)
{
	return (vec)_mm256_fmadd_ps((__m256)a, (__m256)b, (__m256)c);
}

static inline vec
vec_max(vec a, vec b)
{
	return (vec)_mm256_max_ps((__m256)a, (__m256)b);
}

static inline vec
vec_min(vec a, vec b)
{
	return (vec)_mm256_min_ps((__m256)a, (__m256)b);
}

static inline veci
veci_max(veci a, veci b)
{
	return (veci)_mm256_max_epi32((__m256i)a, (__m256i)b);
}

static inline vec
vec_sqrt(vec a)
{
	return (vec)_mm256_sqrt_ps((__m256)a);
}

static inline __m256i
vec_first(size_t n)
{
	static const veci place = { 0, 1, 2, 3, 4, 5, 6, 7 };

	return (__m256i)(place < (int32_t)n);
}

static inline vec
vec_load_part(const float *p, size_t n)
{
	return (vec)_mm256_maskload_ps(p, vec_first(n));
}

static inline void
vec_store_part(float *p, vec a, size_t n)
{
	_mm256_maskstore_ps(p, vec_first(n), (__m256)a);
}

#else

static inline vec
vec_fma(vec a, vec b, vec c)
{
	return a * b + c;
}

/* a where mask is all ones, b where it is 0. */
static inline vec
vec_choose(veci mask, vec a, vec b)
{
	return (vec)(((veci)a & mask) | ((veci)b & ~mask));
}

static inline vec
vec_max(vec a, vec b)
{
	return vec_choose(a > b, a, b);
}

static inline vec
vec_min(vec a, vec b)
{
	return vec_choose(a < b, a, b);
}

static inline veci
veci_max(veci a, veci b)
{
	return (a & (a > b)) | (b & (a <= b));
}

static inline vec
vec_sqrt(vec a)
{
	for (int i = 0; i < LANES; i++)
		a[i] = __builtin_sqrtf(a[i]);
	return a;
}

static inline vec
vec_load_part(const float *p, size_t n)
{
	vec a = { 0 };

	memcpy(&a, p, n * sizeof(float));
	return a;
}

static inline void
vec_store_part(float *p, vec a, size_t n)
{
	memcpy(p, &a, n * sizeof(float));
}

#endif

#if defined(OPS_AVX512)
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#define LOW 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif defined(OPS_AVX2)
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#define LOW 0, 8, 1, 9, 2, 10, 3, 11
#define HIGH 4, 12, 5, 13, 6, 14, 7, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#define LOW 0, 4, 1, 5
#define HIGH 2, 6, 3, 7
#endif

/* The sums of neighbours: a0 + a1, a2 + a3, ... b0 + b1, ... */
static inline vec
vec_fold(vec a, vec b)
{
	return __builtin_shufflevector(a, b, EVEN) +
	       __builtin_shufflevector(a, b, ODD);
}

/* The sums over the lanes of each of the LANES vectors, which are lost. */
static inline vec
vec_sums(vec a[LANES])
{
	for (int n = LANES; n > 1; n /= 2)
		for (int i = 0; i < n; i += 2)
			a[i / 2] = vec_fold(a[i], a[i + 1]);
	return a[0];
}

/* Row i's number j changes places with row j's number i. */
static inline void
vec_transpose(vec a[LANES])
{
	for (int n = 1; n < LANES; n *= 2) {
		vec b[LANES];

		for (int i = 0; i < LANES / 2; i++) {
			vec x = a[i], y = a[i + LANES / 2];

			b[2 * i] = __builtin_shufflevector(x, y, LOW);
			b[2 * i + 1] = __builtin_shufflevector(x, y, HIGH);
		}
		for (int i = 0; i < LANES; i++)
			a[i] = b[i];
	}
}

/* The sum over the lanes. */
static inline float
vec_sum(vec a)
{
	for (int n = LANES; n > 1; n /= 2)
		a = vec_fold(a, a);
	return a[0];
}

static inline float
vec_largest(vec a)
{
	float m = a[0];

	for (int i = 1; i < LANES; i++)
		m = a[i] > m ? a[i] : m;
	return m;
}

#endif
