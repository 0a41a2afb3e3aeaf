/*
 * Causal attention of one record, a query at a time: the keys after it are
 * never touched. A query's numbers depend on itself and the keys up to it.
 */
#include <math.h>

#include "ops/kernels/exp.h"
#include "ops/ops.h"
#include "sys/num.h"

/*
 * Keys and values are rows of float32, or where half is set of float16; the
 * functions that read them are inlined with half constant.
 */
#define BY_KIND static inline __attribute__((always_inline))

BY_KIND const void *
row_at(const void *rows, size_t i, const bool half)
{
	return (const char *)rows + i * (half ? 2 : 4);
}

/* The n numbers from the i-th of a row on; n <= LANES. */
BY_KIND vec
row_load(const void *row, size_t i, size_t n, const bool half)
{
	const void *p = row_at(row, i, half);

	if (half)
		return n < LANES ? vec_from_half_part(p, n) : vec_from_half(p);
	return n < LANES ? vec_load_part(p, n) : vec_load(p);
}

/* The dot product's lanes, before they are summed. */
BY_KIND vec
dot_lanes(const float *a, const void *b, size_t D, const bool half)
{
	vec s = vec_all(0);
	size_t i = 0;

	for (; i + LANES <= D; i += LANES)
		s = vec_fma(vec_load(a + i), row_load(b, i, LANES, half), s);
	if (i < D)
		s = vec_fma(vec_load_part(a + i, D - i),
		    row_load(b, i, D - i, half), s);
	return s;
}

/* s (n) = scale * (k (n, D) a (D)). */
BY_KIND void
dot_each(float *s, const float *a, const void *k, size_t stride, float scale,
    size_t n, size_t D, const bool half)
{
	for (size_t j = 0; j < n; j += LANES) {
		size_t part = num_min(LANES, n - j);
		vec lanes[LANES], sums;

		for (size_t l = 0; l < part; l++)
			lanes[l] = dot_lanes(
			    a, row_at(k, (j + l) * stride, half), D, half);
		for (size_t l = part; l < LANES; l++)
			lanes[l] = vec_all(0);
		sums = vec_sums(lanes) * scale;
		if (part == LANES)
			vec_store(s + j, sums);
		else
			vec_store_part(s + j, sums, part);
	}
}

/* Four vectors of out = sum of w (n) times the rows of v; two chains each. */
BY_KIND void
mix_wide(float *out, const float *w, const void *v, size_t stride, size_t n,
    const bool half)
{
	vec even[4], odd[4];
	size_t j = 0;

	for (int l = 0; l < 4; l++)
		even[l] = odd[l] = vec_all(0);
	for (; j + 2 <= n; j += 2, v = row_at(v, 2 * stride, half)) {
		for (size_t l = 0; l < 4; l++) {
			even[l] = vec_fma(vec_all(w[j]),
			    row_load(v, l * LANES, LANES, half), even[l]);
			odd[l] = vec_fma(vec_all(w[j + 1]),
			    row_load(v, stride + l * LANES, LANES, half),
			    odd[l]);
		}
	}
	for (size_t l = 0; l < 4; l++) {
		if (j < n)
			even[l] = vec_fma(vec_all(w[j]),
			    row_load(v, l * LANES, LANES, half), even[l]);
		vec_store(out + l * LANES, even[l] + odd[l]);
	}
}

/* The same of one vector, or of its first d < LANES numbers. */
BY_KIND void
mix_narrow(float *out, const float *w, const void *v, size_t stride, size_t n,
    size_t d, const bool half)
{
	vec s = vec_all(0);

	for (size_t j = 0; j < n; j++, v = row_at(v, stride, half))
		s = vec_fma(vec_all(w[j]), row_load(v, 0, d, half), s);
	if (d == LANES)
		vec_store(out, s);
	else
		vec_store_part(out, s, d);
}

/* out (D) = w (n) v (n, D). */
BY_KIND void
mix_each(float *out, const float *w, const void *v, size_t stride, size_t n,
    size_t D, const bool half)
{
	size_t i = 0;

	for (; i + 4 * LANES <= D; i += 4 * LANES)
		mix_wide(out + i, w, row_at(v, i, half), stride, n, half);
	for (; i < D; i += LANES)
		mix_narrow(out + i, w, row_at(v, i, half), stride, n,
		    num_min(LANES, D - i), half);
}

static void
dot_rows(float *s, const float *a, const float *k, size_t stride, float scale,
    size_t n, size_t D)
{
	dot_each(s, a, k, stride, scale, n, D, false);
}

static void
mix_rows(float *out, const float *w, const float *v, size_t stride, size_t n,
    size_t D)
{
	mix_each(out, w, v, stride, n, D, false);
}

/* The rows of out (n, D) += w (n) a (D). */
static void
spread_rows(float *out, const float *w, const float *a, size_t stride, size_t n,
    size_t D)
{
	for (size_t j = 0; j < n; j++, out += stride) {
		vec wj = vec_all(w[j]);
		size_t i = 0, d;

		for (; i + LANES <= D; i += LANES)
			vec_store(out + i,
			    vec_fma(wj, vec_load(a + i), vec_load(out + i)));
		if ((d = D - i) > 0)
			vec_store_part(out + i,
			    vec_fma(wj, vec_load_part(a + i, d),
				vec_load_part(out + i, d)),
			    d);
	}
}

/* p (n) = exp(p - max p); returns 1 / their sum. */
static float
exp_rows(float *p, size_t n)
{
	vec top = vec_all(p[0]), s = vec_all(0);
	size_t i = 0;
	float max, rest = 0;

	for (; i + LANES <= n; i += LANES)
		top = vec_max(top, vec_load(p + i));
	max = vec_largest(top);
	for (size_t j = i; j < n; j++)
		max = p[j] > max ? p[j] : max;
	for (i = 0; i + LANES <= n; i += LANES) {
		vec e = vec_exp(vec_load(p + i) - max);

		vec_store(p + i, e);
		s += e;
	}
	if (i < n) {
		vec_store_part(
		    p + i, vec_exp(vec_load_part(p + i, n - i) - max), n - i);
		for (; i < n; i++)
			rest += p[i];
	}
	return 1.0f / (vec_sum(s) + rest);
}

static void
scale_row(float *p, float by, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] *= by;
}

/* p (n) = the softmax of the scores of query q with the keys k (n, D). */
static void
weigh_rows(
    float *p, const float *q, const float *k, size_t stride, size_t n, size_t D)
{
	dot_rows(p, q, k, stride, 1.0f / sqrtf((float)D), n, D);
	scale_row(p, exp_rows(p, n), n);
}

/* The place of the weight of key 0 for a query, for dropout. */
static uint64_t
weight_place(size_t head, size_t query, size_t T)
{
	return (uint64_t)(head * T + query) * num_round(T, 8);
}

static void
attention(float *out, size_t out_stride, const float *q, size_t q_stride,
    const float *k, const float *v, size_t kv_stride,
    const struct ops_dropout *drop, float *scratch, size_t first, size_t T,
    size_t H, size_t D)
{
	for (size_t h = 0; h < H; h++) {
		for (size_t t = first; t < T; t++) {
			size_t row = t - first, n = t + 1;

			weigh_rows(scratch, q + row * q_stride + h * D,
			    k + h * D, kv_stride, n, D);
			if (drop != NULL)
				dropout(
				    scratch, drop, weight_place(h, t, T), n);
			mix_rows(out + row * out_stride + h * D, scratch,
			    v + h * D, kv_stride, n, D);
		}
	}
}

static void
attention_half(float *out, const float *q, const uint16_t *k, const uint16_t *v,
    size_t kv_stride, float *scratch, size_t T, size_t D)
{
	dot_each(scratch, q, k, kv_stride, 1.0f / sqrtf((float)D), T, D, true);
	scale_row(scratch, exp_rows(scratch, T), T);
	mix_each(out, scratch, v, kv_stride, T, D, true);
}

/* One query's part of the backward pass; all pointers are at its head. */
struct query {
	const float *q, *k, *v, *dout;
	float *dq, *dk, *dv;
	size_t stride; /* of k, v, dk, dv */
	const struct ops_dropout *drop;
	uint64_t place;
	size_t n, D; /* keys, channels */
};

/*
 * With p the softmax, f dropout's factors, w = f p the weights:
 * dv_j += w_j dout; dw = v dout; dp = f dw;
 * ds = p (dp - sum(p dp)) / sqrt(D); dq = ds k; dk_j += ds_j q.
 */
static void
query_input(const struct query *a, float *p, float *w, float *dp)
{
	float inner = 0, scale = 1.0f / sqrtf((float)a->D);
	size_t n = a->n;

	weigh_rows(p, a->q, a->k, a->stride, n, a->D);
	memcpy(w, p, n * sizeof(float));
	dot_rows(dp, a->dout, a->v, a->stride, 1.0f, n, a->D);
	if (a->drop != NULL) {
		dropout(w, a->drop, a->place, n);
		dropout(dp, a->drop, a->place, n);
	}
	spread_rows(a->dv, w, a->dout, a->stride, n, a->D);
	for (size_t j = 0; j < n; j++)
		inner += p[j] * dp[j];
	for (size_t j = 0; j < n; j++)
		dp[j] = p[j] * (dp[j] - inner) * scale;
	mix_rows(a->dq, dp, a->k, a->stride, n, a->D);
	spread_rows(a->dk, dp, a->q, a->stride, n, a->D);
}

static void
attention_input(float *dq, float *dk, float *dv, const float *dout,
    size_t dout_stride, const float *q, size_t q_stride, const float *k,
    const float *v, size_t kv_stride, const struct ops_dropout *drop,
    float *scratch, size_t first, size_t T, size_t H, size_t D)
{
	for (size_t t = 0; t < T; t++) {
		memset(dk + t * kv_stride, 0, H * D * sizeof(float));
		memset(dv + t * kv_stride, 0, H * D * sizeof(float));
	}
	for (size_t h = 0; h < H; h++) {
		for (size_t t = first; t < T; t++) {
			size_t row = t - first, at = h * D;
			struct query a = {
				.q = q + row * q_stride + at,
				.k = k + at,
				.v = v + at,
				.dout = dout + row * dout_stride + at,
				.dq = dq + row * q_stride + at,
				.dk = dk + at,
				.dv = dv + at,
				.stride = kv_stride,
				.drop = drop,
				.place = weight_place(h, t, T),
				.n = t + 1,
				.D = D,
			};

			query_input(&a, scratch, scratch + T, scratch + 2 * T);
		}
	}
}
