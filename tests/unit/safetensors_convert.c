/*
 * Conversion to float32: every number of the short formats, and what is not
 * finite wherever it stands.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/convert.h"
#include "tap.h"

/* Values as the formats define them, by arithmetic instead of bits. */
static double
half_value(unsigned h)
{
	const int e = (int)(h >> 10 & 31);
	const double f = h & 1023, sign = h & 0x8000 ? -1 : 1;

	if (e == 0)
		return sign * ldexp(f, -24);
	return sign * ldexp(1024 + f, e - 25);
}

static double
bfloat_value(unsigned h)
{
	const int e = (int)(h >> 7 & 255);
	const double f = h & 127, sign = h & 0x8000 ? -1 : 1;

	if (e == 0)
		return sign * ldexp(f, -133);
	return sign * ldexp(128 + f, e - 134);
}

/* All 65,536 numbers of a format, each at an odd address. */
static void
test_short_format(enum safetensors_dtype dtype, const char *name,
    unsigned infinite, double (*value)(unsigned))
{
	uint8_t *in = malloc(2 * 65536 + 1);
	float *out = malloc(65536 * sizeof(*out));
	size_t n = 0, wrong = 0, missed = 0;

	for (unsigned h = 0; h < 65536; h++) {
		if ((h & infinite) == infinite) {
			const uint8_t one[3] = { 0, (uint8_t)h,
				(uint8_t)(h >> 8) };

			missed += convert_values(out, one + 1, 1, dtype) != 0;
			continue;
		}
		in[2 * n + 1] = (uint8_t)h;
		in[2 * n + 2] = (uint8_t)(h >> 8);
		n++;
	}
	ok(convert_values(out, in + 1, n, dtype) == n && n > 60000,
	    "%s: %zu numbers are finite", name, n);
	n = 0;
	for (unsigned h = 0; h < 65536; h++) {
		if ((h & infinite) == infinite)
			continue;
		wrong += out[n] != (float)value(h) ||
			 (signbit(out[n]) != 0) != (h >= 0x8000);
		n++;
	}
	ok(wrong == 0, "%s: all are exact", name);
	ok(missed == 0, "%s: the others are refused", name);
	free(in);
	free(out);
}

/* A value that is not finite is found wherever it stands. */
static void
test_infinite(void)
{
	enum { N = 2500 };
	static const double bad[] = { INFINITY, -INFINITY, NAN, 1e39, -1e300 };
	double *x = calloc(N, sizeof(*x));
	float *y = calloc(N, sizeof(*y)), *out = calloc(N, sizeof(*out));
	uint8_t *odd = malloc(N * sizeof(*x) + 1);
	size_t wrong = 0;

	for (size_t at = 0; at < N; at += 7) {
		const double v = bad[at % 5];

		x[at] = v;
		y[at] = (float)v;
		memcpy(odd + 1, x, N * sizeof(*x));
		wrong += convert_values(out, odd + 1, N, TENSOR_F64) != at;
		memcpy(odd + 1, y, N * sizeof(*y));
		wrong += convert_values(out, odd + 1, N, TENSOR_F32) != at;
		wrong += convert_check(y, N) != at;
		x[at] = 0.1 * (double)at;
		y[at] = (float)x[at];
	}
	ok(wrong == 0, "inf, nan and too large are found");
	memcpy(odd + 1, x, N * sizeof(*x));
	ok(convert_values(out, odd + 1, N, TENSOR_F64) == N &&
		memcmp(out, y, N * sizeof(*y)) == 0,
	    "F64 is rounded");
	memcpy(odd + 1, y, N * sizeof(*y));
	memset(out, 1, N * sizeof(*out));
	ok(convert_values(out, odd + 1, N, TENSOR_F32) == N &&
		memcmp(out, y, N * sizeof(*y)) == 0 && convert_check(y, 0) == 0,
	    "F32 is copied");
	free(x);
	free(y);
	free(out);
	free(odd);
}

int
main(void)
{
	test_short_format(TENSOR_F16, "F16", 0x7c00, half_value);
	test_short_format(TENSOR_BF16, "BF16", 0x7f80, bfloat_value);
	test_infinite();
	return done_testing();
}
