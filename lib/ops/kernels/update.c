/* What an optimiser's step needs, and checks of whole tensors. */
#include "ops/kernels/vector.h"
#include "ops/ops.h"
#include "sys/num.h"

static void
linear_bias(float *db, const float *dy, size_t dy_stride, size_t M, size_t N)
{
	for (size_t r = 0; r < M; r++, dy += dy_stride)
		for (size_t i = 0; i < N; i++)
			db[i] += dy[i];
}

/* Eight partial sums, the same for every instruction set. */
static double
squares(const float *x, size_t n)
{
	double s[8] = { 0 };
	size_t i = 0;

	for (; i + 8 <= n; i += 8)
		for (size_t j = 0; j < 8; j++)
			s[j] += (double)x[i + j] * (double)x[i + j];
	for (size_t j = 0; i < n; i++, j++)
		s[j] += (double)x[i] * (double)x[i];
	return ((s[0] + s[4]) + (s[1] + s[5])) +
	       ((s[2] + s[6]) + (s[3] + s[7]));
}

struct step {
	vec w, m, v;
};

static inline struct step
adamw_step(struct step s, vec grad, const struct ops_adamw *o)
{
	vec g = grad * o->scale, mean, root;

	s.m = o->beta1 * s.m + (1 - o->beta1) * g;
	s.v = o->beta2 * s.v + (1 - o->beta2) * (g * g);
	mean = s.m / o->correct1;
	root = vec_sqrt(s.v / o->correct2);
	s.w -= o->rate * (mean / (root + o->epsilon) + o->decay * s.w);
	return s;
}

static void
adamw(float *w, float *m, float *v, const float *grad,
    const struct ops_adamw *o, size_t n)
{
	size_t i = 0, rest;
	struct step s;

	for (; i + LANES <= n; i += LANES) {
		s = (struct step){ vec_load(w + i), vec_load(m + i),
			vec_load(v + i) };
		s = adamw_step(s, vec_load(grad + i), o);
		vec_store(w + i, s.w);
		vec_store(m + i, s.m);
		vec_store(v + i, s.v);
	}
	if ((rest = n - i) > 0) {
		s = (struct step){ vec_load_part(w + i, rest),
			vec_load_part(m + i, rest),
			vec_load_part(v + i, rest) };
		s = adamw_step(s, vec_load_part(grad + i, rest), o);
		vec_store_part(w + i, s.w, rest);
		vec_store_part(m + i, s.m, rest);
		vec_store_part(v + i, s.v, rest);
	}
}

/* Exponents of all ones mark infinities and NaNs. */
static uint32_t
count_infinite(const float *x, size_t n)
{
	uint32_t count = 0;

	for (size_t i = 0; i < n; i++) {
		uint32_t bits;

		memcpy(&bits, x + i, sizeof(bits));
		count += (bits & 0x7f800000u) == 0x7f800000u;
	}
	return count;
}

static size_t
find_infinite(const float *x, size_t n)
{
	size_t i = 0, block = 1024;

	while (i < n && count_infinite(x + i, num_min(block, n - i)) == 0)
		i += num_min(block, n - i);
	while (i < n && count_infinite(x + i, 1) == 0)
		i++;
	return i;
}
