/* What the tests of the kernels share: the tables, numbers, comparisons. */
#ifndef TESTS_OPS_H
#define TESTS_OPS_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops/kernels.h"

#include "tap.h"

/* Calls each with every table that the processor can run. */
static inline void
each_isa(void (*each)(const struct ops_kernels *))
{
	static const char *const names[] = { "generic", "avx2", "avx512" };

	for (size_t i = 0; i < 3; i++) {
		const struct ops_kernels *k = ops_kernels_find(names[i]);

		if (strcmp(k->isa, names[i]) == 0)
			each(k);
		else
			ok(1, "%s # SKIP not this processor", names[i]);
	}
}

/* xorshift64*: Vigna 2016. */
static inline uint64_t
random_bits(void)
{
	static uint64_t state = 0x9E3779B97F4A7C15;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545F4914F6CDD1D;
}

/* Uniform between -1 and 1. */
static inline float
random_float(void)
{
	return (float)((double)(random_bits() >> 11) * 0x1p-52 - 1.0);
}

static inline float *
floats(size_t n)
{
	float *p = NULL;

	if (posix_memalign((void **)&p, 64, n * sizeof(*p) + 64) != 0)
		abort();
	memset(p, 0, n * sizeof(*p));
	return p;
}

static inline float *
random_floats(size_t n)
{
	float *p = floats(n);

	for (size_t i = 0; i < n; i++)
		p[i] = random_float();
	return p;
}

/* ||a - b|| / ||b||. */
static inline double
distance(const float *a, const double *b, size_t n)
{
	double d = 0, s = 0;

	for (size_t i = 0; i < n; i++) {
		d += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
		s += b[i] * b[i];
	}
	return s > 0 ? sqrt(d / s) : sqrt(d);
}

#endif
