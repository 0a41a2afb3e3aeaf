/*
 * A template, see tile.h: products for training. The weights change at every
 * step, so both sides are packed as they are used, the right side by blocks of
 * BLOCK_K x RIGHT words into 256 KiB of stack. The sum over k is one of block
 * sums, in order; so the bits of a result depend on its row and column alone,
 * here too.
 */
#include "ops/kernels/tile.h"

#ifndef OPS_KERNELS_LINEAR
#define OPS_KERNELS_LINEAR

enum { RIGHT = 256 }; /* columns of the right side at once */

struct right {
	_Alignas(64) float panels[BLOCK_K * RIGHT]; /* (n, k, PANEL) */
};

/* to (rows, n) = from (rows, n). */
static void
edge_copy(float *to, size_t to_stride, const float *from, size_t from_stride,
    size_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++)
		memcpy(to + r * to_stride, from + r * from_stride,
		    n * sizeof(float));
}

/* out (M, N) = bias (N) in every row, to be added to. */
static void
linear_start(
    float *out, size_t out_stride, const float *bias, size_t M, size_t N)
{
	for (size_t r = 0; r < M; r++)
		memcpy(out + r * out_stride, bias, N * sizeof(float));
}

#endif

/* panels from w (k, n), row by row; zeros fill them up. */
static void
KIND(right_copy)(
    struct right *right, const float *w, size_t stride, size_t k, size_t n)
{
	size_t words = KIND(count)(k);

	for (size_t i = 0; i < words; i++, w += KIND(PER_WORD) * stride) {
		size_t rows = k - num_min(k, i * KIND(PER_WORD));
		float *to = right->panels + i * PANEL;

		for (size_t j = 0; j < n; j += PANEL, to += words * PANEL) {
			size_t half = num_min(LANES, n - j);
			vec lower = vec_all(0), upper = vec_all(0);

			for (size_t r = 0; r < KIND(PER_WORD); r++)
				fetch_row(w + r * stride + j,
				    KIND(PER_WORD) * stride, rows);
			if (rows > 0)
				lower = KIND(across)(w + j, stride, rows, half);
			if (rows > 0 && n - j > LANES)
				upper = KIND(across)(w + j + LANES, stride,
				    rows, num_min(LANES, n - j - LANES));
			vec_store(to, lower);
			vec_store(to + LANES, upper);
		}
	}
}

/*
 * to (words, LANES) at to_stride = the transpose of from (rows, k), rows <=
 * LANES; zeros stand for the rows that are missing.
 */
static void
KIND(transpose)(float *to, size_t to_stride, const float *from,
    size_t from_stride, size_t rows, size_t k)
{
	for (size_t j = 0; j < k; j += LANES * KIND(PER_WORD)) {
		size_t n = num_min(LANES * KIND(PER_WORD), k - j);
		vec a[LANES];

		for (size_t i = 0; i < LANES; i++)
			a[i] = i < rows
				   ? KIND(words)(from + i * from_stride + j, n)
				   : vec_all(0);
		vec_transpose(a);
		for (size_t i = 0; i < KIND(count)(n); i++, to += to_stride)
			vec_store(to, a[i]);
	}
}

/* panels from the transpose of w (n, k). */
static void
KIND(right_transpose)(
    struct right *right, const float *w, size_t stride, size_t k, size_t n)
{
	size_t panel = KIND(count)(k) * PANEL;

	for (size_t j = 0; j < num_round(n, PANEL); j += LANES) {
		float *to = right->panels + j / PANEL * panel + j % PANEL;
		size_t rows = j < n ? num_min(LANES, n - j) : 0;

		KIND(transpose)(to, PANEL, w + j * stride, stride, rows, k);
	}
}

/* The rows of x (M, k) to the left side. */
static void
KIND(rows_copy)(struct rows *g, const float *x, size_t x_stride, size_t k)
{
	for (size_t r = 0; r < g->M; r++)
		KIND(row)(g, r, x + r * x_stride, k);
}

/* A tile of t->rows x n results, which goes by way of another where smaller. */
static void
KIND(tile_train)(struct tile *t, size_t n, bool cross)
{
	_Alignas(64) float edge[ROWS * PANEL];
	float *out = t->out;
	size_t stride = t->out_stride;

	if (n == PANEL && t->rows % UNIT == 0) {
		KIND(train)(t->rows, cross)(t);
		return;
	}
	if (t->mode == TILE_ADD)
		edge_copy(edge, PANEL, out, stride, t->rows, n);
	t->out = edge;
	t->out_stride = PANEL;
	KIND(train)(t->rows, cross)(t);
	edge_copy(out, stride, edge, PANEL, t->rows, n);
	t->out = out;
	t->out_stride = stride;
}

/* The columns from the first of t on, n of them, for all rows. */
static void
KIND(rows_train)(const struct rows *g, struct tile t, size_t n, bool cross)
{
	for (size_t j = 0; j < n; j += PANEL) {
		struct tile now = t;

		now.left = g->left;
		now.out = t.out + j;
		tile_ahead(&now, t.right + t.right_panel, 0, 2);
		for (size_t i = 0; i < g->tiles; i++) {
			now.rows = g->count[i];
			KIND(tile_train)(&now, num_min(PANEL, n - j), cross);
			now.out += now.rows * now.out_stride;
			now.left += now.rows * (cross ? CROSS_LEFT : LEFT);
		}
		t.right += t.right_panel;
	}
}

/* A block of the sum: n inputs from k on, of K. */
static size_t
KIND(block)(struct tile *t, const struct right *right, size_t k, size_t K)
{
	size_t n = num_min(BLOCK_K * KIND(PER_WORD), K - k);

	t->k = KIND(count)(n);
	t->right = right->panels;
	t->right_panel = t->k * PANEL;
	return n;
}

static void
KIND(linear)(float *out, size_t out_stride, const float *x, size_t x_stride,
    const float *w, size_t w_stride, const float *bias, size_t M, size_t K,
    size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = out_stride, .mode = TILE_ADD };

	linear_start(out, out_stride, bias, M, N);
	tiles_begin(M);
	for (size_t j = 0; j < N; j += RIGHT) {
		size_t n = num_min(RIGHT, N - j), b;

		for (size_t k = 0; k < K; k += b) {
			b = KIND(block)(&t, &right, k, K);
			KIND(right_copy)
			(&right, w + k * w_stride + j, w_stride, b, n);
			for (size_t i = 0; i < M; i += g.M) {
				rows_take(&g, M - i);
				KIND(rows_copy)
				(&g, x + i * x_stride + k, x_stride, b);
				t.out = out + i * out_stride + j;
				KIND(rows_train)(&g, t, n, false);
			}
		}
	}
	tiles_end();
}

/* dx's columns are w's rows; the sum runs over w's columns. */
static void
KIND(linear_input)(float *dx, size_t dx_stride, const float *dy,
    size_t dy_stride, const float *w, size_t w_stride, int add, size_t M,
    size_t K, size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = dx_stride };

	tiles_begin(M);
	for (size_t j = 0; j < K; j += RIGHT) {
		size_t n = num_min(RIGHT, K - j), b;

		for (size_t k = 0; k < N; k += b) {
			b = KIND(block)(&t, &right, k, N);
			t.mode = k > 0 || add ? TILE_ADD : TILE_START;
			KIND(right_transpose)
			(&right, w + j * w_stride + k, w_stride, b, n);
			for (size_t i = 0; i < M; i += g.M) {
				rows_take(&g, M - i);
				KIND(rows_copy)
				(&g, dy + i * dy_stride + k, dy_stride, b);
				t.out = dx + i * dx_stride + j;
				KIND(rows_train)(&g, t, n, false);
			}
		}
	}
	tiles_end();
}

/* The sum runs over the rows of x and dy. */
static void
KIND(linear_weight)(float *dw, size_t dw_stride, const float *x,
    size_t x_stride, const float *dy, size_t dy_stride, size_t M, size_t K,
    size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = dw_stride, .mode = TILE_ADD };

	tiles_begin(K);
	for (size_t j = 0; j < N; j += RIGHT) {
		size_t n = num_min(RIGHT, N - j), b;

		for (size_t k = 0; k < M; k += b) {
			b = KIND(block)(&t, &right, k, M);
			KIND(right_copy)
			(&right, dy + k * dy_stride + j, dy_stride, b, n);
			for (size_t i = 0; i < K; i += g.M) {
				rows_take(&g, K - i);
				KIND(rows_cross)
				(&g, x + k * x_stride + i, x_stride, b);
				t.out = dw + i * dw_stride + j;
				KIND(rows_train)(&g, t, n, true);
			}
		}
	}
	tiles_end();
}
