/* The kernels that work on single rows and numbers. */
#include "ops.h"

static float
float_of(uint32_t bits)
{
	float x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static uint32_t
bits_of(float x)
{
	uint32_t bits;

	memcpy(&bits, &x, sizeof(bits));
	return bits;
}

/* Every 61st float between -87.3 and 88.3. */
static void
test_exp(const struct ops_kernels *t)
{
	static const float ends[] = { -87.4f, -1000, -INFINITY, 0, -0.0f };
	double worst = 0;
	float x[64], y[64];

	for (uint32_t sign = 0; sign <= 0x80000000; sign += 0x80000000) {
		uint32_t last = bits_of(sign ? 87.3f : 88.3f);

		for (uint32_t b = 0x30000000; b < last; b += 61 * 64) {
			for (uint32_t i = 0; i < 64; i++)
				x[i] = float_of(
				    sign |
				    (b + 61 * i < last ? b + 61 * i : last));
			t->exp(y, x, 64);
			for (int i = 0; i < 64; i++) {
				double want = exp((double)x[i]);

				worst =
				    fmax(worst, fabs((double)y[i] / want - 1));
			}
		}
		if (sign)
			break;
	}
	ok(worst < 1.5e-7, "%s: exp: error %.2e", t->isa, worst);
	t->exp(y, ends, 5);
	ok(y[0] == 0 && y[1] == 0 && y[2] == 0 && y[3] == 1 && y[4] == 1,
	    "%s: exp of far below is 0, of 0 is 1", t->isa);
	x[0] = NAN;
	x[1] = 1000;
	t->exp(y, x, 2);
	ok(isnan(y[0]) && isfinite(y[1]) && y[1] > 2e38f,
	    "%s: exp of NaN, and of far above", t->isa);
}

static double
gelu(double x)
{
	double u = sqrt(2 / acos(-1)) * (x + 0.044715 * x * x * x);

	return x / (1 + exp(-2 * u));
}

static void
test_gelu(const struct ops_kernels *t)
{
	enum { n = 2001 };
	float *x = floats(n), *y = floats(n), *dy = random_floats(n);
	float *dx = floats(n);
	double value = 0, slope = 0;

	for (int i = 0; i < n; i++)
		x[i] = (float)(i - 1000) / 100;
	t->gelu(y, x, n);
	t->gelu_input(dx, dy, x, n);
	for (int i = 0; i < n; i++) {
		double at = (double)x[i], h = 1e-5, want = gelu(at);
		double d = (gelu(at + h) - gelu(at - h)) / (2 * h);

		value = fmax(
		    value, fabs((double)y[i] - want) / (fabs(want) + 1e-30));
		slope = fmax(slope, fabs((double)dx[i] - (double)dy[i] * d));
	}
	ok(value < 2e-5, "%s: gelu: relative error %.1e", t->isa, value);
	ok(slope < 1e-6, "%s: its gradient: error %.1e", t->isa, slope);
	t->gelu_input(dy, dy, x, n);
	ok(memcmp(dx, dy, n * sizeof(*dx)) == 0, "%s: in place", t->isa);
	free(x);
	free(y);
	free(dy);
	free(dx);
}

static void
test_softmax(const struct ops_kernels *t)
{
	double worst = 0, log_error = 0;

	for (size_t n = 1; n < 70; n++) {
		float *x = random_floats(n), *p = floats(n);
		double sum = 0, l;

		for (size_t i = 0; i < n; i++) {
			x[i] = 20 * x[i] + 100;
			sum += exp((double)x[i]);
		}
		l = t->softmax(p, x, n);
		for (size_t i = 0; i < n; i++) {
			double want = exp((double)x[i]) / sum;

			worst = fmax(worst, fabs((double)p[i] / want - 1));
		}
		log_error = fmax(log_error, fabs(l - log(sum)));
		free(x);
		free(p);
	}
	ok(worst < 4e-7 && log_error < 2e-7,
	    "%s: softmax: errors %.1e and %.1e", t->isa, worst, log_error);
}

/* y (C) = the layer norm of x, in double. */
static void
norm(double *y, const double *x, const float *w, const float *b, size_t C)
{
	double mean = 0, square = 0;

	for (size_t i = 0; i < C; i++)
		mean += x[i] / (double)C;
	for (size_t i = 0; i < C; i++)
		square += (x[i] - mean) * (x[i] - mean) / (double)C;
	for (size_t i = 0; i < C; i++)
		y[i] = (x[i] - mean) / sqrt(square + 1e-5) * (double)w[i] +
		       (double)b[i];
}

/* g (C) = the gradient of dy . norm(x) in x, by central differences. */
static void
norm_slope(double *g, double *x, const float *dy, const float *w,
    const float *b, size_t C)
{
	double y[2][100];

	for (size_t i = 0; i < C; i++) {
		double at = x[i];

		g[i] = 0;
		for (int side = 0; side < 2; side++) {
			x[i] = at + (side ? 1e-5 : -1e-5);
			norm(y[side], x, w, b, C);
		}
		x[i] = at;
		for (size_t j = 0; j < C; j++)
			g[i] += (double)dy[j] * (y[1][j] - y[0][j]) / 2e-5;
	}
}

static double
norm_error(const struct ops_kernels *t, size_t C)
{
	enum { M = 3 };
	float *x = random_floats(M * C), *dy = random_floats(M * C);
	float *w = random_floats(C), *b = random_floats(C), *y = floats(M * C);
	float *dx = floats(M * C), *dw = floats(C), *db = floats(C);
	float mean[M], rstd[M];
	double row[100], want[100], dwant[100] = { 0 }, error = 0;

	for (size_t i = 0; i < M * C; i++)
		x[i] = 3 * x[i] + 5;
	t->norm(y, mean, rstd, x, w, b, 1e-5f, M, C);
	t->norm_input(dx, dy, x, mean, rstd, w, M, C);
	t->norm_weight(dw, db, dy, x, mean, rstd, M, C);
	for (size_t r = 0; r < M; r++) {
		for (size_t i = 0; i < C; i++)
			row[i] = (double)x[r * C + i];
		norm(want, row, w, b, C);
		error = fmax(error, distance(y + r * C, want, C));
		for (size_t i = 0; i < C; i++)
			dwant[i] += (double)dy[r * C + i] *
				    (want[i] - (double)b[i]) / (double)w[i];
		norm_slope(want, row, dy + r * C, w, b, C);
		if (C > 1)
			error = fmax(error, distance(dx + r * C, want, C));
	}
	if (C > 1)
		error = fmax(error, distance(dw, dwant, C));
	t->linear_bias(db, dy, C, M, C);
	for (size_t i = 0; i < C; i++)
		dwant[i] = 2 * ((double)dy[i] + (double)dy[C + i] +
				   (double)dy[2 * C + i]);
	error = fmax(error, distance(db, dwant, C));
	free(x);
	free(dy);
	free(w);
	free(b);
	free(y);
	free(dx);
	free(dw);
	free(db);
	return error;
}

static void
test_norm(const struct ops_kernels *t)
{
	static const size_t sizes[] = { 1, 5, 8, 16, 31, 48, 64, 77, 96 };
	double error = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
		error = fmax(error, norm_error(t, sizes[i]));
	ok(error < 2e-6, "%s: layer norm and its gradients: error %.1e", t->isa,
	    error);
}

/* The number that a half's bits stand for. */
static double
half_value(unsigned bits)
{
	int power = (int)(bits >> 10 & 31);
	double fraction = bits & 1023, sign = bits & 0x8000 ? -1 : 1;

	if (power == 31)
		return fraction == 0 ? sign * (double)INFINITY : (double)NAN;
	if (power == 0)
		return sign * ldexp(fraction, -24);
	return sign * ldexp(1024 + fraction, power - 25);
}

static void
test_half(const struct ops_kernels *t)
{
	enum { n = 65536 };
	static uint16_t in[n], back[n];
	static float out[n], near[n];
	size_t wrong = 0, lost = 0, rounded = 0;

	for (unsigned i = 0; i < n; i++)
		in[i] = (uint16_t)i;
	t->from_half(out, in, n);
	t->to_half(back, out, n);
	for (unsigned i = 0; i < n; i++) {
		double want = half_value(i);

		if (isnan(want))
			wrong += isnan(out[i]) == 0;
		else
			wrong += (double)out[i] != want ||
				 !signbit(out[i]) != !signbit(want);
		if (isnan(want))
			lost += (back[i] & 0x7fff) <= 0x7c00;
		else
			lost += back[i] != i;
	}
	ok(wrong == 0, "%s: all halves: %zu wrong", t->isa, wrong);
	ok(lost == 0, "%s: and back: %zu lost", t->isa, lost);
	/* Half way to the next, and a float's last place to both sides. */
	for (int side = -1; side <= 1; side++) {
		for (unsigned i = 0; i < 0x7c00; i++) {
			double next = i == 0x7bff ? 65536 : half_value(i + 1);
			float middle = (float)((half_value(i) + next) / 2);

			near[i] = side == 0 ? middle
					    : nextafterf(middle,
						  side < 0 ? 0 : INFINITY);
			near[i + 0x8000] = -near[i];
		}
		t->to_half(back, near, n);
		for (unsigned i = 0; i < 0x7c00; i++) {
			unsigned up = side > 0 || (side == 0 && i % 2 == 1);

			rounded += back[i] != i + up;
			rounded += back[i + 0x8000] != 0x8000 + i + up;
		}
	}
	ok(rounded == 0, "%s: rounding: %zu wrong", t->isa, rounded);
	near[0] = 1e6f;
	near[1] = -1e-10f;
	near[2] = NAN;
	t->to_half(back, near, 3);
	ok(back[0] == 0x7c00 && back[1] == 0x8000 &&
		(back[2] & 0x7fff) > 0x7c00,
	    "%s: too large, too small, no number", t->isa);
}

static void
test_adamw(const struct ops_kernels *t)
{
	enum { n = 37, STEPS = 20 };
	struct ops_adamw o = { 0.9f, 0.999f, 1e-8f, 0, 0, 1e-2f, 0.01f, 0.5f };
	float *w = random_floats(n), *m = floats(n), *v = floats(n), g[n];
	double dw[n], dm[n] = { 0 }, dv[n] = { 0 };

	for (int i = 0; i < n; i++)
		dw[i] = (double)w[i];
	for (int step = 1; step <= STEPS; step++) {
		double c1 = 1 - pow(0.9, step), c2 = 1 - pow(0.999, step);

		o.correct1 = (float)c1;
		o.correct2 = (float)c2;
		for (int i = 0; i < n; i++) {
			double d;

			g[i] = random_float();
			d = 0.5 * (double)g[i];
			dm[i] = 0.9 * dm[i] + 0.1 * d;
			dv[i] = 0.999 * dv[i] + 0.001 * d * d;
			dw[i] -=
			    1e-2 * (dm[i] / c1 / (sqrt(dv[i] / c2) + 1e-8) +
				       0.01 * dw[i]);
		}
		t->adamw(w, m, v, g, &o, n);
	}
	ok(distance(w, dw, n) < 2e-6 && distance(m, dm, n) < 2e-6 &&
		distance(v, dv, n) < 2e-5,
	    "%s: adamw: errors %.1e, %.1e, %.1e", t->isa, distance(w, dw, n),
	    distance(m, dm, n), distance(v, dv, n));
	free(w);
	free(m);
	free(v);
}

static void
test_checks(const struct ops_kernels *t)
{
	enum { n = 3001 };
	float *x = random_floats(n);
	double want = 0;
	size_t wrong = 0;

	for (int i = 0; i < n; i++)
		want += (double)x[i] * (double)x[i];
	ok(fabs(t->squares(x, n) / want - 1) < 1e-13, "%s: squares", t->isa);
	ok(t->squares(x, n) == ops_kernels_generic.squares(x, n),
	    "%s: in the order of all", t->isa);
	wrong += t->find_infinite(x, n) != n;
	for (size_t i = 0; i < n; i += 7) {
		float old = x[i];

		x[i] = i % 3 == 0 ? NAN : i % 3 == 1 ? INFINITY : -INFINITY;
		wrong += t->find_infinite(x, n) != i;
		x[i] = old;
	}
	ok(wrong == 0, "%s: the first that is not finite", t->isa);
	wrong = 0;
	for (size_t i = 1; i < n; i += 7) {
		x[i] = x[i - 1] = 1 + (float)i;
		wrong += t->greatest(x, i + 1) != i - 1;
		wrong += t->greatest(x, i) != i - 1;
	}
	ok(wrong == 0, "%s: the greatest, the first of two", t->isa);
	free(x);
}

/* The best kernels where those asked for are not known or not there. */
static void
test_choice(void)
{
	const struct ops_kernels *best = ops_kernels_find(NULL);

	ok(ops_kernels_find("generic") == &ops_kernels_generic,
	    "generic where asked for");
	ok(ops_kernels_find("sse9") == best, "the best for an unknown name");
	ok(strcmp(best->isa, "generic") == 0 ||
		ops_kernels_find("avx2") != &ops_kernels_generic,
	    "avx2 where there is more than generic");
	setenv("GPT2_ISA", "generic", 1);
	ok(strcmp(ops_describe(OPS_F32), "generic") == 0, "GPT2_ISA is heeded");
	ok(ops_packed_size(OPS_F32, 3, 1) == 3 * ops_kernels_generic.f32.panel,
	    "the packed size is that of the kernels in use");
}

int
main(void)
{
	test_choice();
	each_isa(test_exp);
	each_isa(test_gelu);
	each_isa(test_softmax);
	each_isa(test_norm);
	each_isa(test_half);
	each_isa(test_adamw);
	each_isa(test_checks);
	return done_testing();
}
