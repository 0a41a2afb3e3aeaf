/* Products of every kernel: right, and the same bits wherever a row stands. */
#include <dlfcn.h>

#include "ops.h"

/* Room behind every row, to see that it is left alone. */
enum { GAP = 3 };

struct shape {
	size_t M, K, N;
};

/* The largest error of out (M, N) in units of what rounding may make. */
static double
worst(const float *out, size_t stride, const double *want, const double *size,
    struct shape s)
{
	double worst = 0;

	for (size_t r = 0; r < s.M; r++)
		for (size_t i = 0; i < s.N; i++) {
			size_t at = r * s.N + i;
			double e = fabs((double)out[r * stride + i] - want[at]);

			worst = fmax(worst, e / (size[at] * 0x1p-24));
		}
	return worst / (double)(s.K + 8);
}

/*
 * want (M, N) += a b in double, size += |a| |b|, by the strides of a over
 * rows and k, and of b over k and columns.
 */
static void
reference(double *want, double *size, const float *a, size_t a_row, size_t a_k,
    const float *b, size_t b_k, size_t b_column, struct shape s)
{
	for (size_t r = 0; r < s.M; r++)
		for (size_t i = 0; i < s.N; i++)
			for (size_t k = 0; k < s.K; k++) {
				double p = (double)a[r * a_row + k * a_k] *
					   (double)b[k * b_k + i * b_column];

				want[r * s.N + i] += p;
				size[r * s.N + i] += fabs(p);
			}
}

static double
gelu(double x)
{
	double u = sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x);

	return x / (1 + exp(-2 * u));
}

/* True where the gaps of a (M, N) at stride N + GAP are still 0. */
static int
gaps_kept(const float *a, size_t M, size_t N)
{
	for (size_t r = 0; r < M; r++)
		for (size_t i = N; i < N + GAP; i++)
			if (a[r * (N + GAP) + i] != 0)
				return 0;
	return 1;
}

/* Fills a matrix (M, N) at stride N + GAP. */
static float *
matrix(size_t M, size_t N, int random)
{
	float *a = floats(M * (N + GAP));

	for (size_t r = 0; r < M; r++)
		for (size_t i = 0; i < N; i++)
			a[r * (N + GAP) + i] = random ? random_float() : 0;
	return a;
}

/* The bfloat16 nearest to x, ties to even. */
static float
round_bf16(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	bits += 0x7fff + (bits >> 16 & 1);
	bits &= 0xffff0000;
	memcpy(&x, &bits, sizeof(x));
	return x;
}

/* n numbers at a distance become whole numbers to 127 times their scale. */
static void
round_int8(float *x, size_t stride, size_t n)
{
	float most = 0;

	for (size_t i = 0; i < n; i++)
		most = fmaxf(most, fabsf(x[i * stride]));
	for (size_t i = 0; i < n && most > 0; i++)
		x[i * stride] =
		    rintf(x[i * stride] * (127 / most)) * (most / 127);
}

/* x (M, K) and w (K, N) become what products of the precision see of them. */
static void
round_inputs(float *x, float *w, enum ops_precision precision, struct shape s)
{
	enum { CHAIN = 128 };
	size_t row = s.K + GAP;

	if (precision == OPS_BF16) {
		for (size_t i = 0; i < s.M * row; i++)
			x[i] = round_bf16(x[i]);
		for (size_t i = 0; i < s.K * s.N; i++)
			w[i] = round_bf16(w[i]);
	} else if (precision == OPS_INT8) {
		for (size_t r = 0; r < s.M; r++)
			for (size_t k = 0; k < s.K; k += CHAIN)
				round_int8(x + r * row + k, 1,
				    s.K - k < CHAIN ? s.K - k : CHAIN);
		for (size_t i = 0; i < s.N; i++)
			round_int8(w + i, s.N, s.K);
	}
}

static double
product_error(const struct products *t, struct shape s, enum ops_after after)
{
	size_t stride = s.N + GAP;
	float *x = matrix(s.M, s.K, 1), *w = random_floats(s.K * s.N);
	float *bias = random_floats(s.N), *out = matrix(s.M, s.N, 1);
	float *packed = floats(t->k->packed_size(s.K, s.N));
	float *old = floats(s.M * stride);
	double *want = calloc(s.M * s.N, sizeof(*want));
	double *size = calloc(s.M * s.N, sizeof(*size)), error;

	memcpy(old, out, s.M * stride * sizeof(*old));
	t->k->pack(packed, w, s.N, s.K, s.N);
	t->k->product(out, stride, x, s.K + GAP, NULL, packed, bias, after, s.M,
	    s.K, s.N);
	round_inputs(x, w, t->precision, s);
	reference(want, size, x, s.K + GAP, 1, w, s.N, 1, s);
	for (size_t i = 0; i < s.M * s.N; i++) {
		double was = (double)old[i / s.N * stride + i % s.N];

		want[i] += (double)bias[i % s.N];
		size[i] += fabs((double)bias[i % s.N]) + fabs(was);
		if (after == OPS_GELU)
			want[i] = gelu(want[i]);
		else if (after == OPS_ADD)
			want[i] += was;
	}
	error = worst(out, stride, want, size, s);
	if (!gaps_kept(out, s.M, s.N))
		error = INFINITY;
	free(x);
	free(w);
	free(bias);
	free(out);
	free(packed);
	free(old);
	free(want);
	free(size);
	return error;
}

static void
test_product(const struct products *t)
{
	static const struct shape shapes[] = { { 1, 1, 1 }, { 3, 5, 7 },
		{ 15, 64, 33 }, { 29, 255, 31 }, { 57, 257, 65 },
		{ 4, 513, 769 }, { 2, 300, 1537 }, { 61, 192, 100 } };
	double error = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		for (int after = OPS_SET; after <= OPS_ADD; after++)
			error = fmax(error,
			    product_error(t, shapes[i], (enum ops_after)after));
	ok(error < 1, "%s: products, bias, GELU and sum: error %.2f", t->name,
	    error);
	error = 0;
	for (size_t M = 1; M <= 40; M++)
		error = fmax(error,
		    product_error(t, (struct shape){ M, 37, 130 }, OPS_SET));
	ok(error < 1, "%s: products of 1 to 40 rows: error %.2f", t->name,
	    error);
}

/* One row at every place among 1 to 40 rows of random numbers. */
static void
test_invariance(const struct products *t)
{
	enum { K = 300, N = 197, MOST = 40 };
	float *packed = floats(t->k->packed_size(K, N));
	float *w = random_floats(K * N), *row = random_floats(K);
	float *x = random_floats(MOST * K), *out = floats(MOST * N);
	float *bias = random_floats(N), *alone[3];
	size_t differ = 0, tried = 0;

	t->k->pack(packed, w, N, K, N);
	for (int after = OPS_SET; after <= OPS_ADD; after++) {
		alone[after] = floats(N);
		t->k->product(alone[after], N, row, K, NULL, packed, bias,
		    (enum ops_after)after, 1, K, N);
	}
	for (size_t M = 1; M <= MOST; M++)
		for (size_t at = 0; at < M; at++, tried++) {
			int after = (int)(random_bits() % 3);

			for (size_t i = 0; i < M * K; i++)
				x[i] = random_float();
			memset(out, 0, MOST * N * sizeof(*out));
			memcpy(x + at * K, row, K * sizeof(*x));
			t->k->product(out, N, x, K, NULL, packed, bias,
			    (enum ops_after)after, M, K, N);
			differ += memcmp(out + at * N, alone[after],
				      N * sizeof(*out)) != 0;
		}
	ok(differ == 0, "%s: a row's bits at %zu places: %zu differ", t->name,
	    tried, differ);
	for (int after = OPS_SET; after <= OPS_ADD; after++)
		free(alone[after]);
	free(packed);
	free(w);
	free(row);
	free(bias);
	free(x);
	free(out);
}

/* The left side made ready in parts, and then used: the same bits. */
static void
test_left(const struct products *t)
{
	static const struct shape shapes[] = { { 1, 5, 7 }, { 32, 768, 100 },
		{ 57, 1100, 33 }, { 130, 300, 800 } };
	size_t differ = 0;

	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		struct shape s = shapes[i];
		float *x = matrix(s.M, s.K, 1), *bias = random_floats(s.N);
		float *w = random_floats(s.K * s.N);
		float *packed = floats(t->k->packed_size(s.K, s.N));
		float *left = floats(t->k->left_size(s.M, s.K));
		float *out[2] = { floats(s.M * s.N), floats(s.M * s.N) };

		t->k->pack(packed, w, s.N, s.K, s.N);
		t->k->product(out[0], s.N, x, s.K + GAP, NULL, packed, bias,
		    OPS_SET, s.M, s.K, s.N);
		for (size_t r = 0; r < s.M; r += 20)
			t->k->left_rows(left, x, s.K + GAP, r,
			    r + 20 < s.M ? r + 20 : s.M, s.M, s.K);
		t->k->product(out[1], s.N, NULL, 0, left, packed, bias, OPS_SET,
		    s.M, s.K, s.N);
		differ += memcmp(out[0], out[1], s.M * s.N * sizeof(*w)) != 0;
		free(x);
		free(bias);
		free(w);
		free(packed);
		free(left);
		free(out[0]);
		free(out[1]);
	}
	ok(differ == 0, "%s: left sides made ready: %zu differ", t->name,
	    differ);
}

/* A number that is none spoils its row, and no other. */
static void
test_infinite(const struct products *t)
{
	enum { M = 3, K = 300, N = 40 };
	static const float bad[] = { NAN, -INFINITY };
	float *packed = floats(t->k->packed_size(K, N));
	float *w = random_floats(K * N), *x = random_floats(M * K);
	float *bias = floats(N), *out = floats(M * N);
	size_t wrong = 0;

	t->k->pack(packed, w, N, K, N);
	for (size_t i = 0; i < 2; i++) {
		x[K + 290] = bad[i];
		t->k->product(
		    out, N, x, K, NULL, packed, bias, OPS_SET, M, K, N);
		for (size_t n = 0; n < N; n++)
			wrong += !isfinite(out[n]) || isfinite(out[N + n]) ||
				 !isfinite(out[2 * N + n]);
	}
	ok(wrong == 0, "%s: infinities and NaNs go through", t->name);
	free(packed);
	free(w);
	free(x);
	free(bias);
	free(out);
}

/*
 * The generic kernels' sums of int8 are those of all, to the last bit; the
 * bf16 of AVX2 those of the processor's instruction.
 */
static void
test_same(const struct products *t)
{
	enum { M = 17, K = 700, N = 90 };
	const struct ops_products *other = t->precision == OPS_INT8
					       ? &ops_dots_generic.int8
					       : &ops_dots_find("avx2")->bf16;
	const struct ops_products *kernels[2] = { t->k, other };
	float *w, *x, *bias, *out[2];
	double worst = 0;

	if (t->precision == OPS_F32)
		return;
	w = random_floats(K * N);
	x = random_floats(M * K);
	bias = random_floats(N);
	for (size_t i = 0; i < 2; i++) {
		float *packed = floats(kernels[i]->packed_size(K, N));

		out[i] = floats(M * N);
		kernels[i]->pack(packed, w, N, K, N);
		kernels[i]->product(
		    out[i], N, x, K, NULL, packed, bias, OPS_SET, M, K, N);
		free(packed);
	}
	for (size_t i = 0; i < M * N; i++)
		worst =
		    fmax(worst, fabs((double)out[0][i] - (double)out[1][i]));
	if (t->precision == OPS_INT8)
		ok(worst == 0, "%s: the bits of all kernels", t->name);
	else
		ok(worst < 1e-5, "%s: as the other kernels to %.1e", t->name,
		    worst);
	free(w);
	free(x);
	free(bias);
	free(out[0]);
	free(out[1]);
}

/* dw for x (M, K) and dy (M, N), added twice. */
static double
weight_error(const struct products *t, struct shape s)
{
	size_t k = s.K + GAP, n = s.N + GAP;
	float *x = matrix(s.M, s.K, 1), *dy = matrix(s.M, s.N, 1);
	float *dw = matrix(s.K, s.N, 0);
	double *want = calloc(s.K * s.N, sizeof(*want)), error;
	double *size = calloc(s.K * s.N, sizeof(*size));
	struct shape turned = { s.K, s.M, s.N };

	for (int i = 0; i < 2; i++)
		t->k->linear_weight(dw, n, x, k, dy, n, s.M, s.K, s.N);
	for (size_t i = 0; t->precision == OPS_BF16 && i < s.M * k; i++)
		x[i] = round_bf16(x[i]);
	for (size_t i = 0; t->precision == OPS_BF16 && i < s.M * n; i++)
		dy[i] = round_bf16(dy[i]);
	for (int i = 0; i < 2; i++)
		reference(want, size, x, 1, k, dy, n, 1, turned);
	error = worst(dw, n, want, size, turned);
	if (!gaps_kept(dw, s.K, s.N))
		error = INFINITY;
	free(x);
	free(dy);
	free(dw);
	free(want);
	free(size);
	return error;
}

/* The gradient of a piece of the weights has the bits of the whole. */
static int
piece_differs(const struct products *t)
{
	enum { M = 75, K = 50, N = 300, K0 = 13, K1 = 40, N0 = 64, N1 = 280 };
	float *x = random_floats(M * K), *dy = random_floats(M * N);
	float *whole = floats(K * N), *piece = floats(K * N);
	int differ = 0;

	for (int i = 0; i < 2; i++) {
		t->k->linear_weight(whole, N, x, K, dy, N, M, K, N);
		t->k->linear_weight(piece + K0 * N + N0, N, x + K0, K, dy + N0,
		    N, M, K1 - K0, N1 - N0);
	}
	for (size_t k = 0; k < K; k++)
		for (size_t n = 0; n < N; n++) {
			int in = k >= K0 && k < K1 && n >= N0 && n < N1;
			float want = in ? whole[k * N + n] : 0;

			differ += piece[k * N + n] != want;
		}
	free(x);
	free(dy);
	free(whole);
	free(piece);
	return differ;
}

static void
test_weight(const struct products *t)
{
	static const struct shape shapes[] = { { 1, 1, 1 }, { 3, 5, 7 },
		{ 15, 64, 33 }, { 29, 255, 31 }, { 57, 257, 65 },
		{ 261, 17, 270 }, { 13, 290, 300 }, { 1100, 40, 64 } };
	double error = 0;
	int differ;

	if (t->k->linear_weight == NULL)
		return;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++)
		error = fmax(error, weight_error(t, shapes[i]));
	ok(error < 1, "%s: gradient of weights: error %.2f", t->name, error);
	differ = piece_differs(t);
	ok(differ == 0, "%s: and of a piece of them: %d differ", t->name,
	    differ);
}

/* Packed from the transpose, or by columns apart: the same bits. */
static void
test_pack(const struct products *t)
{
	static const struct shape shapes[] = { { 0, 1, 1 }, { 0, 5, 7 },
		{ 0, 300, 33 }, { 0, 31, 600 } };
	size_t differ = 0;

	if (t->k->pack_transposed == NULL)
		return;
	for (size_t i = 0; i < sizeof(shapes) / sizeof(*shapes); i++) {
		size_t K = shapes[i].K, N = shapes[i].N, stride = N + GAP;
		size_t size = t->k->packed_size(K, N);
		float *w = matrix(K, N, 1), *turned = floats(N * (K + GAP));
		float *packed = floats(size), *again = floats(size);
		float *apart = floats(size);

		for (size_t k = 0; k < K; k++)
			for (size_t n = 0; n < N; n++)
				turned[n * (K + GAP) + k] = w[k * stride + n];
		t->k->pack(packed, w, stride, K, N);
		t->k->pack_transposed(again, turned, K + GAP, K, N);
		for (size_t j = 0; j < N; j += 64)
			t->k->pack(apart + t->k->packed_size(K, j), w + j,
			    stride, K, N - j < 64 ? N - j : 64);
		differ += memcmp(packed, again, size * sizeof(*w)) != 0;
		differ += memcmp(packed, apart, size * sizeof(*w)) != 0;
		free(w);
		free(turned);
		free(packed);
		free(again);
		free(apart);
	}
	ok(differ == 0, "%s: transposes and columns packed: %zu differ",
	    t->name, differ);
}

static void
test_bias(const struct ops_kernels *t)
{
	enum { M = 9, N = 37 };
	float *dy = random_floats(M * N), *db = floats(N);
	double want[N] = { 0 };

	for (size_t i = 0; i < M * N; i++)
		want[i % N] += (double)dy[i];
	t->linear_bias(db, dy, N, M, N);
	ok(distance(db, want, N) < 1e-6, "%s: gradient of the bias", t->isa);
	free(dy);
	free(db);
}

/* cblas_sgemm with the enumerations' values of cblas.h. */
typedef void sgemm_function(int order, int trans_a, int trans_b, int M, int N,
    int K, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc);

/* OpenBLAS, where there is one, agrees on a shape of GPT-2's. */
static void
test_openblas(const struct ops_kernels *t)
{
	enum { M = 50, K = 768, N = 2304, ROW_MAJOR = 101, PLAIN = 111 };
	void *library = dlopen("libopenblas.so.0", RTLD_NOW);
	float *x, *w, *out, *zero, *blas, *packed;
	sgemm_function *sgemm;
	double worst = 0;

	if (library == NULL) {
		ok(1, "%s: as OpenBLAS # SKIP no libopenblas.so.0", t->isa);
		return;
	}
	*(void **)&sgemm = dlsym(library, "cblas_sgemm");
	x = random_floats(M * K);
	w = random_floats(K * N);
	out = floats(M * N);
	zero = floats(N);
	blas = floats(M * N);
	packed = floats(K * N);
	t->f32.pack(packed, w, N, K, N);
	t->f32.product(out, N, x, K, NULL, packed, zero, OPS_SET, M, K, N);
	sgemm(ROW_MAJOR, PLAIN, PLAIN, M, N, K, 1, x, K, w, N, 0, blas, N);
	for (size_t i = 0; i < M * N; i++)
		worst = fmax(worst, fabs((double)out[i] - (double)blas[i]));
	ok(worst < 1e-4, "%s: as OpenBLAS to %.1e", t->isa, worst);
	free(x);
	free(w);
	free(out);
	free(zero);
	free(blas);
	free(packed);
}

int
main(void)
{
	each_products(test_product);
	each_products(test_invariance);
	each_products(test_left);
	each_products(test_infinite);
	each_products(test_same);
	each_products(test_pack);
	each_products(test_weight);
	each_isa(test_bias);
	each_isa(test_openblas);
	return done_testing();
}
