/*
 * A template, see tile.h: the gradient of weights. Both sides are packed as
 * they are used, the right one by blocks of BLOCK_K x RIGHT words into 512 KiB
 * of stack. The sum over k is one of block sums, in order; so the bits of a
 * result depend on its row and column alone, here too.
 */
#include "ops/kernels/tile.h"

#ifndef OPS_KERNELS_LINEAR
#define OPS_KERNELS_LINEAR

enum { RIGHT = 512 }; /* columns of the right side at once */

/* to (rows, n) = from (rows, n). */
static void
edge_copy(float *to, size_t to_stride, const float *from, size_t from_stride,
    size_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++)
		memcpy(to + r * to_stride, from + r * from_stride,
		    n * sizeof(float));
}

#endif

/* A tile of t->rows x n results, which goes by way of another where smaller. */
static void
KIND(tile_whole)(struct tile *t, size_t n)
{
	_Alignas(64) float edge[ROWS * PANEL];
	float *out = t->out;
	size_t stride = t->out_stride;

	if (n == PANEL && t->rows % UNIT == 0) {
		KIND(cross)(t->rows)(t);
		return;
	}
	edge_copy(edge, PANEL, out, stride, t->rows, n);
	t->out = edge;
	t->out_stride = PANEL;
	KIND(cross)(t->rows)(t);
	edge_copy(out, stride, edge, PANEL, t->rows, n);
	t->out = out;
	t->out_stride = stride;
}

/* The columns from the first of t on, n of them, for all rows. */
static void
KIND(rows_weight)(const struct rows *g, struct tile t, size_t n)
{
	for (size_t j = 0; j < n; j += PANEL) {
		struct tile now = t;

		now.left = g->left;
		now.out = t.out + j;
		tile_ahead(&now, t.right + t.right_panel, 0, 2);
		for (size_t i = 0; i < g->tiles; i++) {
			now.rows = g->count[i];
			KIND(tile_whole)(&now, num_min(PANEL, n - j));
			now.out += now.rows * now.out_stride;
			now.left += now.rows * CROSS_LEFT;
		}
		t.right += t.right_panel;
	}
}

/* The sum runs over the rows of x and dy. */
static void
KIND(linear_weight)(float *dw, size_t dw_stride, const float *x,
    size_t x_stride, const float *dy, size_t dy_stride, size_t M, size_t K,
    size_t N)
{
	_Alignas(64) float right[BLOCK_K * RIGHT];
	struct rows g;
	struct tile t = { .out_stride = dw_stride, .mode = TILE_ADD };

	tiles_begin(K);
	for (size_t j = 0; j < N; j += RIGHT) {
		size_t n = num_min(RIGHT, N - j), b;

		for (size_t k = 0; k < M; k += b) {
			b = num_min(BLOCK_K * KIND(PER_WORD), M - k);
			t.k = KIND(count)(b);
			t.right = right;
			t.right_panel = t.k * PANEL;
			KIND(pack)
			(right, dy + k * dy_stride + j, dy_stride, b, n);
			for (size_t i = 0; i < K; i += g.M) {
				rows_take(&g, K - i);
				KIND(rows_cross)
				(&g, x + k * x_stride + i, x_stride, b);
				t.out = dw + i * dw_stride + j;
				KIND(rows_weight)(&g, t, n);
			}
		}
	}
	tiles_end();
}
