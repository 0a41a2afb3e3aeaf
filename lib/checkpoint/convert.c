/*
 * Numbers of other formats as float32; see convert.h. The loops run over
 * blocks of a constant length, so that the compiler vectorises them whole and
 * a block is converted and checked while it is in the first cache.
 */
#include "checkpoint/convert.h"

#include <string.h>

#include "sys/bytes.h"
#include "sys/num.h"

enum { BLOCK = 1024 };

static const size_t width[] = {
	[TENSOR_F64] = 8, [TENSOR_F32] = 4, [TENSOR_F16] = 2, [TENSOR_BF16] = 2
};

static void
from_f64(float *restrict out, const uint8_t *restrict in)
{
	for (size_t i = 0; i < BLOCK; i++) {
		double v;

		memcpy(&v, in + 8 * i, sizeof(v));
		out[i] = (float)v;
	}
}

/* The upper half of a float32. */
static void
from_bf16(float *restrict out, const uint8_t *restrict in)
{
	for (size_t i = 0; i < BLOCK; i++) {
		uint32_t bits = (uint32_t)bytes_get16(in + 2 * i) << 16;

		memcpy(&out[i], &bits, sizeof(bits));
	}
}

/*
 * IEEE 754 binary16: 5 bits of exponent, bias 15, and 10 of fraction. The bias
 * of binary32 is 127; an exponent of 31 becomes 255; the subnormal numbers are
 * multiples of 2^-24. Masks instead of conditions, which gcc would not
 * vectorise.
 */
static void
from_f16(float *restrict out, const uint8_t *restrict in)
{
	for (size_t i = 0; i < BLOCK; i++) {
		const uint32_t half = bytes_get16(in + 2 * i);
		const uint32_t size = half & 0x7fff;
		const uint32_t infinite = 0 - ((size + 0x0400) >> 15);
		const uint32_t subnormal = 0 - ((size - 0x0400) >> 31);
		const float small = (float)(int32_t)size * 0x1p-24f;
		uint32_t bits, small_bits;

		memcpy(&small_bits, &small, sizeof(small_bits));
		bits = (size << 13) + (112u << 23) + (infinite & (112u << 23));
		bits = (bits & ~subnormal) | (small_bits & subnormal) |
		       (half & 0x8000) << 16;
		memcpy(&out[i], &bits, sizeof(bits));
	}
}

/* Bit 31 is set where one of the values has the exponent 255. */
static uint32_t
check_block(const float *x)
{
	uint32_t found = 0;

	for (size_t i = 0; i < BLOCK; i++) {
		uint32_t bits;

		memcpy(&bits, &x[i], sizeof(bits));
		found |= (bits & 0x7f800000) + 0x00800000;
	}
	return found;
}

static size_t
find_infinite(const float *x, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if ((bytes_get32(&x[i]) & 0x7f800000) == 0x7f800000)
			return i;
	}
	return n;
}

static void
convert_block(float *out, const uint8_t *in, enum safetensors_dtype dtype)
{
	switch (dtype) {
	case TENSOR_F64:
		from_f64(out, in);
		break;
	case TENSOR_F16:
		from_f16(out, in);
		break;
	case TENSOR_BF16:
		from_bf16(out, in);
		break;
	default:
		memcpy(out, in, BLOCK * sizeof(*out));
	}
}

size_t
convert_values(
    float *out, const uint8_t *in, size_t n, enum safetensors_dtype dtype)
{
	const size_t w = width[dtype];
	uint8_t rest[BLOCK * 8] = { 0 };
	float last[BLOCK];
	size_t i;

	for (i = 0; n - i >= BLOCK; i += BLOCK) {
		convert_block(out + i, in + i * w, dtype);
		if (check_block(out + i) >> 31)
			return i + find_infinite(out + i, BLOCK);
	}
	if (i == n)
		return n;
	memcpy(rest, in + i * w, (n - i) * w);
	convert_block(last, rest, dtype);
	memcpy(out + i, last, (n - i) * sizeof(*out));
	return i + find_infinite(out + i, n - i);
}

size_t
convert_check(const float *x, size_t n)
{
	size_t i;

	for (i = 0; n - i >= BLOCK; i += BLOCK) {
		if (check_block(x + i) >> 31)
			return i + find_infinite(x + i, BLOCK);
	}
	return i + find_infinite(x + i, n - i);
}
