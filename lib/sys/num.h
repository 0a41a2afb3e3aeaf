/*
 * Arithmetic on numbers that come from outside: sums and products that notice
 * overflow, and the one parser of decimal numbers.
 */
#ifndef SYS_NUM_H
#define SYS_NUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a + b; false, and *out unspecified, where it does not fit. */
static inline bool
num_add(size_t a, size_t b, size_t *out)
{
	return !__builtin_add_overflow(a, b, out);
}

/* *out = a * b; false, and *out unspecified, where it does not fit. */
static inline bool
num_mul(size_t a, size_t b, size_t *out)
{
	return !__builtin_mul_overflow(a, b, out);
}

static inline size_t
num_min(size_t a, size_t b)
{
	return a < b ? a : b;
}

static inline size_t
num_max(size_t a, size_t b)
{
	return a > b ? a : b;
}

/* Rounds n up to a multiple of the power of two m; n + m must not overflow. */
static inline size_t
num_round(size_t n, size_t m)
{
	return (n + m - 1) & ~(m - 1);
}

/* The len digits at s as a number of at most max; false for anything else. */
static inline bool
num_parse(const char *s, size_t len, uint64_t max, uint64_t *out)
{
	uint64_t n = 0;

	if (len == 0)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9' ||
		    __builtin_mul_overflow(n, 10, &n) ||
		    __builtin_add_overflow(n, (uint64_t)(s[i] - '0'), &n) ||
		    n > max)
			return false;
	}
	*out = n;
	return true;
}

#endif
