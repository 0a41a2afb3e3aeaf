/* GELU and its slope, of a vector. */
#ifndef OPS_KERNELS_GELU_H
#define OPS_KERNELS_GELU_H

#include "ops/kernels/exp.h"

/* sqrt(2 / pi) and its product with 0.044715, doubled. */
static const float gelu_a = 1.59576912f, gelu_b = 0.0713548163f;

/* x / (1 + exp(-2 u)): unlike 1 + tanh(u) exact for large negative x too. */
static inline vec
vec_gelu(vec x)
{
	vec u2 = x * vec_fma(x * x, vec_all(gelu_b), vec_all(gelu_a));

	return x / (vec_exp(-u2) + 1.0f);
}

/* d gelu / dx = s + x s (1 - s) 2 u', s = 1 / (1 + exp(-2 u)); 1 - s is s
 * exp(-2 u). */
static inline vec
vec_gelu_slope(vec x)
{
	vec x2 = x * x;
	vec u2 = x * vec_fma(x2, vec_all(gelu_b), vec_all(gelu_a));
	vec du2 = vec_fma(x2, vec_all(3 * gelu_b), vec_all(gelu_a));
	vec e = vec_exp(-u2);
	vec s = 1.0f / (e + 1.0f);

	return vec_fma(x * s * (s * e), du2, s);
}

#endif
