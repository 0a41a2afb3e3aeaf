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

/* The products of one table in one precision. */
struct products {
	char name[32];
	enum ops_precision precision;
	const struct ops_products *k;
};

/* Calls each with the products of every precision that can be run. */
static inline void
each_products(void (*each)(const struct products *))
{
	static const char *const names[] = { "generic", "avx2", "avx512" };
	static const char *const dots[] = { "generic", "avx2", "avxvnni",
		"avx512vnni", "avx512bf16", "amx" };
	struct products p;

	for (size_t i = 0; i < 3; i++) {
		const struct ops_kernels *k = ops_kernels_find(names[i]);

		if (strcmp(k->isa, names[i]) != 0)
			continue;
		snprintf(p.name, sizeof(p.name), "f32 by %s", names[i]);
		p.precision = OPS_F32;
		p.k = &k->f32;
		each(&p);
	}
	for (size_t i = 0; i < 6; i++) {
		const struct ops_dots *d = ops_dots_find(dots[i]);

		if (strcmp(d->isa, dots[i]) != 0) {
			ok(1, "%s # SKIP not this processor", dots[i]);
			continue;
		}
		for (int n = OPS_BF16; n <= OPS_INT8; n++) {
			p.precision = (enum ops_precision)n;
			p.k = n == OPS_BF16 ? &d->bf16 : &d->int8;
			snprintf(p.name, sizeof(p.name), "%s by %s",
			    n == OPS_BF16 ? "bf16" : "int8", dots[i]);
			each(&p);
		}
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
