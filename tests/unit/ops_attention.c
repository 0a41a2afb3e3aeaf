/* Attention and dropout: values, gradients, and what is dropped. */
#include "ops.h"

struct shape {
	size_t first, T, H, D;
};

/* Queries, keys, values side by side in rows of 3 C, in double. */
struct reference {
	struct shape s;
	const double *factor; /* (H, T, T) of dropout */
	double *qkv;	      /* (T, 3 C) */
	double *out;	      /* (T - first, C) */
};

static void
attend(const struct reference *r, size_t h, size_t t)
{
	size_t D = r->s.D, C = r->s.H * D, T = r->s.T;
	const double *q = r->qkv + t * 3 * C + h * D;
	const double *f = r->factor + (h * T + t) * T;
	double *out = r->out + (t - r->s.first) * C + h * D;
	double p[64], sum = 0;

	for (size_t j = 0; j <= t; j++) {
		const double *k = r->qkv + j * 3 * C + C + h * D;
		double dot = 0;

		for (size_t i = 0; i < D; i++)
			dot += q[i] * k[i];
		p[j] = exp(dot / sqrt((double)D));
		sum += p[j];
	}
	for (size_t i = 0; i < D; i++) {
		const double *v = r->qkv + 2 * C + h * D + i;

		out[i] = 0;
		for (size_t j = 0; j <= t; j++)
			out[i] += p[j] / sum * f[j] * v[j * 3 * C];
	}
}

static void
attend_all(const struct reference *r)
{
	for (size_t h = 0; h < r->s.H; h++)
		for (size_t t = r->s.first; t < r->s.T; t++)
			attend(r, h, t);
}

/* The factors of dropout by the place that ops.h gives each weight. */
static double *
factors(
    const struct ops_kernels *t, const struct ops_dropout *drop, struct shape s)
{
	double *factor = calloc(s.H * s.T * s.T, sizeof(*factor));
	size_t T8 = (s.T + 7) / 8 * 8;
	float row[64];

	for (size_t i = 0; i < s.H * s.T; i++) {
		for (size_t j = 0; j < s.T; j++)
			row[j] = 1;
		if (drop != NULL)
			t->dropout(row, drop, i * T8, s.T);
		for (size_t j = 0; j < s.T; j++)
			factor[i * s.T + j] = (double)row[j];
	}
	return factor;
}

/* slope (T, 3 C) of dout . out, by central differences. */
static void
slopes(struct reference *r, double *slope, const float *dout)
{
	size_t C = r->s.H * r->s.D, n = (r->s.T - r->s.first) * C;

	for (size_t i = 0; i < r->s.T * 3 * C; i++) {
		double at = r->qkv[i];

		slope[i] = 0;
		for (int side = -1; side <= 1; side += 2) {
			r->qkv[i] = at + side * 1e-5;
			attend_all(r);
			for (size_t j = 0; j < n; j++)
				slope[i] +=
				    side * (double)dout[j] * r->out[j] / 2e-5;
		}
		r->qkv[i] = at;
	}
}

/* The errors of the outputs and of the gradient. */
static void
compare(const struct ops_kernels *t, struct shape s,
    const struct ops_dropout *drop, double *value, double *slope)
{
	size_t C = s.H * s.D, rows = s.T - s.first, n = s.T * 3 * C;
	float *qkv = random_floats(n), *out = floats(rows * C), *d = floats(n);
	float *dout = random_floats(rows * C), *scratch = floats(3 * s.T);
	double *want = calloc(n, sizeof(*want)), *factor;
	struct reference r = { s, NULL, NULL, NULL };
	float *q = qkv + s.first * 3 * C;

	r.factor = factor = factors(t, drop, s);
	r.qkv = calloc(n, sizeof(*r.qkv));
	r.out = calloc(rows * C, sizeof(*r.out));
	for (size_t i = 0; i < n; i++)
		r.qkv[i] = (double)(qkv[i] *= 2);
	attend_all(&r);
	t->attention(out, C, q, 3 * C, qkv + C, qkv + 2 * C, 3 * C, drop,
	    scratch, s.first, s.T, s.H, s.D);
	*value = fmax(*value, distance(out, r.out, rows * C));
	slopes(&r, want, dout);
	for (size_t i = C; i < n; i++) /* must not matter */
		d[i] = i % (3 * C) < C ? 0 : 1e9f;
	t->attention_input(d + s.first * 3 * C, d + C, d + 2 * C, dout, C, q,
	    3 * C, qkv + C, qkv + 2 * C, 3 * C, drop, scratch, s.first, s.T,
	    s.H, s.D);
	*slope = fmax(*slope, distance(d, want, n));
	free(qkv);
	free(out);
	free(d);
	free(dout);
	free(scratch);
	free(want);
	free(factor);
	free(r.qkv);
	free(r.out);
}

static void
test_attention(const struct ops_kernels *t)
{
	static const struct shape shapes[] = { { 0, 1, 1, 8 }, { 0, 2, 2, 5 },
		{ 0, 11, 2, 8 }, { 10, 11, 2, 8 }, { 0, 5, 1, 64 },
		{ 4, 5, 1, 64 }, { 3, 19, 1, 16 }, { 0, 7, 1, 33 },
		{ 16, 18, 1, 67 }, { 0, 4, 3, 1 }, { 49, 51, 1, 16 } };
	struct ops_dropout drop = { 0.25f, 12345, 7, 3 };

	for (int i = 0; i < 2; i++) {
		double value = 0, slope = 0;

		for (size_t j = 0; j < sizeof(shapes) / sizeof(*shapes); j++)
			compare(t, shapes[j], i ? &drop : NULL, &value, &slope);
		ok(value < 1e-6, "%s: attention%s: error %.1e", t->isa,
		    i ? " with dropout" : "", value);
		ok(slope < 2e-6, "%s: its gradient: error %.1e", t->isa, slope);
	}
}

/* A query's bits are the same in longer records and alone. */
static void
test_invariance(const struct ops_kernels *t)
{
	enum { T = 45, H = 2, D = 24, C = H * D };
	float *qkv = random_floats(T * 3 * C), scratch[T];
	float *all = floats(T * C), *one = floats(C);
	size_t differ = 0;

	t->attention(all, C, qkv, 3 * C, qkv + C, qkv + 2 * C, 3 * C, NULL,
	    scratch, 0, T, H, D);
	for (size_t n = 1; n <= T; n++) {
		t->attention(one, C, qkv + (n - 1) * 3 * C, 3 * C, qkv + C,
		    qkv + 2 * C, 3 * C, NULL, scratch, n - 1, n, H, D);
		differ += memcmp(one, all + (n - 1) * C, C * sizeof(*one)) != 0;
	}
	ok(differ == 0, "%s: a query's bits: %zu of %d differ", t->isa, differ,
	    T);
	free(qkv);
	free(all);
	free(one);
}

/* The share of zeros, and the scale of the rest, within 5 sigma. */
static void
test_rate(const struct ops_kernels *t)
{
	enum { n = 200000 };
	static const float rates[] = { 0, 0.1f, 0.5f, 0.9f };
	float *x = floats(n), *y = floats(n);

	for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
		struct ops_dropout drop = { rates[i], 99, 1, 2 };
		double rate = round((double)rates[i] * 65536) / 65536;
		size_t dropped = 0, odd = 0;

		for (size_t j = 0; j < n; j++)
			x[j] = 1;
		memset(y, 0, n * sizeof(*y));
		t->dropout_add(y, x, &drop, 0, n);
		t->dropout(x, &drop, 0, n);
		for (size_t j = 0; j < n; j++) {
			dropped += x[j] == 0;
			odd += x[j] != 0 && x[j] != (float)(1 / (1 - rate));
		}
		ok(fabs((double)dropped - rate * n) <=
			    5 * sqrt(rate * (1 - rate) * n) &&
			odd == 0,
		    "%s: %zu of %d dropped at %g", t->isa, dropped, n, rate);
		ok(memcmp(x, y, n * sizeof(*x)) == 0, "%s: added alike",
		    t->isa);
	}
	free(x);
	free(y);
}

/* Which are dropped: from any start, on every processor, by each of four. */
static void
test_places(const struct ops_kernels *t)
{
	enum { n = 1003 };
	const uint64_t far = (uint64_t)1 << 40;
	struct ops_dropout drop = { 0.5f, 99, 1, 2 };
	struct ops_dropout others[4] = { { 0.5f, 98, 1, 2 },
		{ 0.5f, 99 + ((uint64_t)1 << 32), 1, 2 }, { 0.5f, 99, 2, 2 },
		{ 0.5f, 99, 1, 3 } };
	float whole[n], x[n], generic[n];
	size_t differ = 0, equal = 0;

	for (size_t i = 0; i < n; i++)
		whole[i] = generic[i] = 1;
	t->dropout(whole, &drop, far, n);
	ops_kernels_generic.dropout(generic, &drop, far, n);
	for (size_t first = 0; first < n; first += 8) {
		for (size_t i = first; i < n; i++)
			x[i] = 1;
		t->dropout(x + first, &drop, far + first, n - first);
		differ += memcmp(x + first, whole + first,
			      (n - first) * sizeof(*x)) != 0;
	}
	ok(differ == 0 && memcmp(whole, generic, sizeof(whole)) == 0,
	    "%s: dropped by place alone", t->isa);
	for (int o = 0; o < 5; o++) {
		size_t same = 0;

		for (size_t i = 0; i < n; i++)
			x[i] = 1;
		t->dropout(
		    x, o < 4 ? &others[o] : &drop, o < 4 ? far : far << 1, n);
		for (size_t i = 0; i < n; i++)
			same += x[i] == whole[i];
		equal += same > n * 6 / 10 || same < n * 4 / 10;
	}
	ok(equal == 0, "%s: key, site, row and place all tell", t->isa);
}

/* Known answers of Philox 4x32-10, from its authors' kat_vectors file. */
static void
test_philox(const struct ops_kernels *t)
{
	static const uint32_t want[4] = { 0x6627e8d5, 0xe169c58d, 0xbc57ac4c,
		0x9b00dbd8 };
	struct ops_dropout drop = { 0, 0, 0, 0 };
	size_t wrong = 0;

	/* What is dropped at a rate just above a number's bits, and not at. */
	for (size_t i = 0; i < 8; i++) {
		uint32_t bits = want[i / 2] >> 16 * (i % 2) & 0xffff;

		for (uint32_t above = 0; above < 2; above++) {
			float x[8] = { 1, 1, 1, 1, 1, 1, 1, 1 };

			drop.rate = (float)(bits + above) / 65536;
			t->dropout(x, &drop, 0, 8);
			wrong += (x[i] == 0) != (above == 1);
		}
	}
	ok(wrong == 0, "%s: Philox's known answer", t->isa);
}

/* Keys and values in float16 give the bits of the same in float32. */
static void
test_half(const struct ops_kernels *t)
{
	static const struct shape shapes[] = { { 0, 1, 1, 64 },
		{ 0, 17, 1, 64 }, { 0, 40, 1, 32 }, { 0, 33, 1, 19 },
		{ 0, 5, 1, 3 } };
	size_t differ = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		size_t T = shapes[i].T, D = shapes[i].D, n = T * 2 * D;
		float *q = random_floats(T * D), *kv = random_floats(n);
		float *scratch = floats(T), *out[2] = { floats(D), floats(D) };
		uint16_t *half = calloc(n, sizeof(*half));

		t->to_half(half, kv, n);
		t->from_half(kv, half, n);
		t->attention(out[0], D, q, D, kv, kv + D, 2 * D, NULL, scratch,
		    T - 1, T, 1, D);
		t->attention_half(
		    out[1], q, half, half + D, 2 * D, scratch, T, D);
		differ += memcmp(out[0], out[1], D * sizeof(float)) != 0;
		free(q);
		free(kv);
		free(scratch);
		free(out[0]);
		free(out[1]);
		free(half);
	}
	ok(differ == 0, "%s: keys and values in float16: %zu differ", t->isa,
	    differ);
}

int
main(void)
{
	each_isa(test_attention);
	each_isa(test_invariance);
	each_isa(test_rate);
	each_isa(test_places);
	each_isa(test_philox);
	each_isa(test_half);
	return done_testing();
}
