/* IEEE binary16 to and from binary32. */
#include "ops/kernels/vector.h"

#if defined(OPS_AVX512) || defined(OPS_AVX2)

static inline float
float_from_half(uint16_t x)
{
	return _cvtsh_ss(x);
}

static inline uint16_t
float_to_half(float x)
{
	return _cvtss_sh(x, _MM_FROUND_TO_NEAREST_INT);
}

static inline vec
vec_from_half(const uint16_t *x)
{
#ifdef OPS_AVX512
	return (vec)_mm512_cvtph_ps(_mm256_loadu_si256((const void *)x));
#else
	return (vec)_mm256_cvtph_ps(_mm_loadu_si128((const void *)x));
#endif
}

static void
to_half(uint16_t *out, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + 8 <= n; i += 8) {
		__m128i a = _mm256_cvtps_ph(
		    _mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);

		_mm_storeu_si128((__m128i_u *)(out + i), a);
	}
	for (; i < n; i++)
		out[i] = float_to_half(x[i]);
}

#else

static inline float
float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline uint32_t
bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/*
 * The bits shifted into place make a number too small by 2^112, subnormals
 * included; the product is exact. A NaN becomes quiet, as by the processor.
 */
static inline float
float_from_half(uint16_t x)
{
	uint32_t sign = (uint32_t)(x & 0x8000) << 16;
	uint32_t rest = (uint32_t)(x & 0x7fff) << 13;

	if (rest > 0x0f800000)
		return float_of(sign | rest | 0x7fc00000);
	if (rest == 0x0f800000)
		return float_of(sign | 0x7f800000);
	return float_of(sign | bits_of(float_of(rest) * 0x1p112f));
}

/*
 * A normal result drops 13 bits of the fraction, rounded by adding half of the
 * last place, less one where that is even. A subnormal one is a multiple of
 * 2^-24: the sum with 0.5, whose last place that is, rounds to one.
 */
static inline uint16_t
float_to_half(float x)
{
	uint32_t sign = bits_of(x) >> 16 & 0x8000;
	uint32_t rest = bits_of(x) & 0x7fffffff;

	if (rest > 0x7f800000) /* NaN */
		rest = 0x7e00 | (rest >> 13 & 0x3ff);
	else if (rest >= 0x477ff000) /* 65520 and more */
		rest = 0x7c00;
	else if (rest < 0x38800000) /* less than 2^-14 */
		rest = bits_of(float_of(rest) + 0.5f) - 0x3f000000;
	else
		rest = (rest + 0xfff + (rest >> 13 & 1) - (112u << 23)) >> 13;
	return (uint16_t)(sign | rest);
}

static inline vec
vec_from_half(const uint16_t *x)
{
	vec a;

	for (int i = 0; i < LANES; i++)
		a[i] = float_from_half(x[i]);
	return a;
}

static void
to_half(uint16_t *out, const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = float_to_half(x[i]);
}

#endif

/* The n < LANES numbers at x, then zeros. */
static inline vec
vec_from_half_part(const uint16_t *x, size_t n)
{
	uint16_t a[LANES] = { 0 };

	memcpy(a, x, n * sizeof(*x));
	return vec_from_half(a);
}

static void
from_half(float *out, const uint16_t *x, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store(out + i, vec_from_half(x + i));
	if (i < n)
		vec_store_part(
		    out + i, vec_from_half_part(x + i, n - i), n - i);
}
