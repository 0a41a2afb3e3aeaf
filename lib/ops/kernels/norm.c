/* Layer norm, forward and backward, a row at a time. */
#include <math.h>

#include "ops/kernels/vector.h"

static float
sum(const float *x, size_t C)
{
	vec s0 = vec_all(0), s1 = vec_all(0);
	size_t i = 0;

	for (; i + 2 * LANES <= C; i += 2 * LANES) {
		s0 += vec_load(x + i);
		s1 += vec_load(x + i + LANES);
	}
	for (; i + LANES <= C; i += LANES)
		s0 += vec_load(x + i);
	if (i < C)
		s1 += vec_load_part(x + i, C - i);
	return vec_sum(s0 + s1);
}

/* The sum of (x - mean)^2. */
static float
sum_squares(const float *x, float mean, size_t C)
{
	vec s0 = vec_all(0), s1 = vec_all(0), a, b;
	size_t i = 0;

	for (; i + 2 * LANES <= C; i += 2 * LANES) {
		a = vec_load(x + i) - mean;
		b = vec_load(x + i + LANES) - mean;
		s0 = vec_fma(a, a, s0);
		s1 = vec_fma(b, b, s1);
	}
	for (; i + LANES <= C; i += LANES) {
		a = vec_load(x + i) - mean;
		s0 = vec_fma(a, a, s0);
	}
	for (; i < C; i++) {
		a = vec_all(0);
		a[0] = x[i] - mean;
		s1 = vec_fma(a, a, s1);
	}
	return vec_sum(s0 + s1);
}

/* out = (x - mean) rstd w + b of one vector. */
static inline vec
norm_vec(vec x, float mean, float rstd, vec w, vec b)
{
	return vec_fma((x - mean) * rstd, w, b);
}

static void
norm(float *out, float *mean, float *rstd, const float *x, const float *w,
    const float *b, float epsilon, size_t M, size_t C)
{
	for (size_t r = 0; r < M; r++, x += C, out += C) {
		float m = sum(x, C) / (float)C;
		float s =
		    1.0f / sqrtf(sum_squares(x, m, C) / (float)C + epsilon);
		size_t i = 0, n;

		for (; i + LANES <= C; i += LANES)
			vec_store(
			    out + i, norm_vec(vec_load(x + i), m, s,
					 vec_load(w + i), vec_load(b + i)));
		if ((n = C - i) > 0)
			vec_store_part(out + i,
			    norm_vec(vec_load_part(x + i, n), m, s,
				vec_load_part(w + i, n),
				vec_load_part(b + i, n)),
			    n);
		if (mean != NULL)
			mean[r] = m;
		if (rstd != NULL)
			rstd[r] = s;
	}
}

/*
 * dx += rstd (g - mean(g) - n mean(g n)), g = dy w, n = (x - mean) rstd: the
 * gradient less its components along 1 and along n, which norm removes.
 */
static void
norm_input_row(float *dx, const float *dy, const float *x, float mean,
    float rstd, const float *w, size_t C)
{
	vec sum_g = vec_all(0), sum_gn = vec_all(0), g, n;
	size_t whole = C - C % LANES, rest = C % LANES;
	float mean_g, mean_gn;

	for (size_t i = 0; i < whole; i += LANES) {
		g = vec_load(dy + i) * vec_load(w + i);
		sum_g += g;
		sum_gn = vec_fma(g, (vec_load(x + i) - mean) * rstd, sum_gn);
	}
	if (rest > 0) {
		g = vec_load_part(dy + whole, rest) *
		    vec_load_part(w + whole, rest);
		n = (vec_load_part(x + whole, rest) - mean) * rstd;
		sum_g += g;
		sum_gn = vec_fma(g, n, sum_gn);
	}
	mean_g = vec_sum(sum_g) / (float)C;
	mean_gn = vec_sum(sum_gn) / (float)C;
	for (size_t i = 0; i < whole; i += LANES) {
		g = vec_load(dy + i) * vec_load(w + i);
		n = (vec_load(x + i) - mean) * rstd;
		g = vec_fma(n, vec_all(-mean_gn), g - mean_g);
		vec_store(dx + i, vec_fma(g, vec_all(rstd), vec_load(dx + i)));
	}
	for (size_t i = whole; i < C; i++) {
		float gi = dy[i] * w[i], ni = (x[i] - mean) * rstd;

		dx[i] += (gi - mean_g - ni * mean_gn) * rstd;
	}
}

static void
norm_input(float *dx, const float *dy, const float *x, const float *mean,
    const float *rstd, const float *w, size_t M, size_t C)
{
	for (size_t r = 0; r < M; r++)
		norm_input_row(
		    dx + r * C, dy + r * C, x + r * C, mean[r], rstd[r], w, C);
}

static void
norm_weight(float *dw, float *db, const float *dy, const float *x,
    const float *mean, const float *rstd, size_t M, size_t C)
{
	for (size_t r = 0; r < M; r++, dy += C, x += C) {
		float m = mean[r], s = rstd[r];

		for (size_t i = 0; i < C; i++) {
			dw[i] += dy[i] * ((x[i] - m) * s);
			db[i] += dy[i];
		}
	}
}
