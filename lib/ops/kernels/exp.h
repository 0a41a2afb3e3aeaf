/*
 * exp of a vector. x = n ln 2 + r with |r| <= ln 2 / 2 (Cody & Waite 1980: ln 2
 * in two parts, the first of so few bits that n times it is exact); exp(r) =
 * 1 + r + r^2 p(r), p interpolating at Chebyshev's points to 1.1e-8. The
 * relative error is below 1.5e-7. Below -87.33 the result is 0, above 88.37
 * that of 88.37.
 */
#ifndef OPS_KERNELS_EXP_H
#define OPS_KERNELS_EXP_H

#include "ops/kernels/vector.h"

static inline vec
vec_exp(vec x)
{
	/* Adding 1.5 * 2^23 rounds to a whole number in the low bits. */
	const vec magic = vec_all(12582912.0f), low = vec_all(-87.33f);
	vec y = vec_min(vec_all(88.37f), vec_max(low, x));
	vec t = vec_fma(y, vec_all(1.44269504f), magic);
	vec n = t - magic, r, p;
	veci power = (((veci)t - (veci)magic) + 127) << 23;

	r = vec_fma(n, vec_all(-0.693359375f), y);
	r = vec_fma(n, vec_all(2.12194440e-4f), r);
	p = vec_fma(vec_all(1.39262135e-3f), r, vec_all(8.36320297e-3f));
	p = vec_fma(p, r, vec_all(4.16665544e-2f));
	p = vec_fma(p, r, vec_all(1.66665768e-1f));
	p = vec_fma(p, r, vec_all(0.5f));
	p = vec_fma(p, r * r, r) + 1.0f;
	return (vec)((veci)(p * (vec)power) & ~(x < low));
}

#endif
