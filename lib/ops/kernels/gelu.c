/* GELU, exponentials, softmax and the greatest of arrays. */
#include <math.h>

#include "ops/kernels/gelu.h"

static void
gelu(float *out, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store(out + i, vec_gelu(vec_load(x + i)));
	if (i < n)
		vec_store_part(
		    out + i, vec_gelu(vec_load_part(x + i, n - i)), n - i);
}

static void
gelu_input(float *dx, const float *dy, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store(
		    dx + i, vec_load(dy + i) * vec_gelu_slope(vec_load(x + i)));
	if (i < n) {
		vec slope = vec_gelu_slope(vec_load_part(x + i, n - i));

		vec_store_part(
		    dx + i, vec_load_part(dy + i, n - i) * slope, n - i);
	}
}

static void
exponentials(float *out, const float *x, size_t n)
{
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		vec_store(out + i, vec_exp(vec_load(x + i)));
	if (i < n)
		vec_store_part(
		    out + i, vec_exp(vec_load_part(x + i, n - i)), n - i);
}

static float
largest(const float *x, size_t n)
{
	vec m = vec_all(x[0]);
	size_t i = 0;

	for (; i + LANES <= n; i += LANES)
		m = vec_max(m, vec_load(x + i));
	for (; i < n; i++)
		m = vec_max(m, vec_all(x[i]));
	return vec_largest(m);
}

static size_t
greatest(const float *x, size_t n)
{
	vec m = vec_all(largest(x, n));
	size_t i = 0;

	for (; i + LANES <= n; i += LANES) {
		veci same = vec_load(x + i) == m;
		int32_t any = 0;

		UNROLL
		for (int k = 0; k < LANES; k++)
			any |= same[k];
		if (any)
			break;
	}
	while (i < n && x[i] != m[0])
		i++;
	return i < n ? i : 0;
}

static double
softmax(float *p, const float *x, size_t n)
{
	float top = largest(x, n);
	double sum = 0;

	for (size_t i = 0; i < n; i++)
		p[i] = x[i] - top;
	exponentials(p, p, n);
	for (size_t i = 0; i < n; i++)
		sum += (double)p[i];
	for (size_t i = 0; i < n; i++)
		p[i] = (float)((double)p[i] / sum);
	return (double)top + log(sum);
}
