/*
 * Products with weights packed once. Each result is the sum of chains of
 * CHAIN multiply-adds in the order of k, so its bits depend on its row and
 * column alone.
 *
 * After Goto & van de Geijn 2008, with the roles of the sides exchanged: a
 * group of up to BLOCK_M rows of x is copied to the stack, a block of k at a
 * time, and the weights pass by. A panel's block stays in the first-level
 * cache while the group's tiles use it, and these fetch the next panel ahead:
 * some two bytes a cycle, which the last-level cache gives, so that weights of
 * any size do. 233 KiB of stack.
 */
#include "ops/kernels/gelu.h"
#include "ops/kernels/tile.h"
#include "ops/ops.h"

enum { BLOCK_N = 768 };

/* Rows that are worked on together. */
struct rows {
	_Alignas(64) float left[BLOCK_M * LEFT];
	size_t tiles, count[GROUP]; /* rows of each tile */
	size_t M;		    /* rows of all */
};

/*
 * Takes the next rows of the M that are left: up to GROUP tiles, of sizes as
 * equal as can be, since a tile of few rows is slow.
 */
static void
rows_take(struct rows *g, size_t M)
{
	size_t tiles_left = (M + ROWS - 1) / ROWS;

	g->M = 0;
	g->tiles = num_min(tiles_left, GROUP);
	for (size_t t = 0; t < g->tiles; t++) {
		size_t left = M - g->M, n = tiles_left - t;

		g->count[t] = (left + n - 1) / n;
		g->M += g->count[t];
	}
}

/* Copies x (M, k) to the left side. */
static void
rows_copy(struct rows *g, const float *x, size_t x_stride, size_t k)
{
	for (size_t r = 0; r < g->M; r++)
		memcpy(g->left + r * LEFT, x + r * x_stride, k * sizeof(float));
}

/*
 * Multiplies the rows with so many panels. t is filled for the first tile but
 * for left and next; next is the panel that will be wanted after the last.
 */
static void
rows_multiply(
    const struct rows *g, struct tile t, size_t panels, const float *next)
{
	size_t step = g->tiles == 1 ? tiles[g->count[0]].panels : 1;
	float *out = t.out;

	for (size_t p = 0; p < panels;) {
		size_t n = p + step <= panels ? step : 1;
		const float *ahead = t.right + n * t.right_panel;

		t.left = g->left;
		t.out = out + p * PANEL;
		p += n;
		if (p == panels)
			ahead = next;
		for (size_t i = 0; i < g->tiles; i++) {
			size_t rows = g->count[i];

			/* Half a panel each: k lines. */
			t.next = ahead + i % 2 * t.k * LANES;
			(n > 1 ? tiles[rows].many : tiles[rows].one)(&t);
			t.out += rows * t.out_stride;
			t.left += rows * LEFT;
		}
		t.right += n * t.right_panel;
	}
}

/* A vector of results, y = x w + b, with what is to come after. */
static inline vec
finish(vec y, const float *out, size_t n, enum ops_after after)
{
	if (after == OPS_GELU)
		return vec_gelu(y);
	if (after == OPS_ADD)
		return y + (n < LANES ? vec_load_part(out, n) : vec_load(out));
	return y;
}

/* out (N) from part (N); inlined with a constant after. */
static inline __attribute__((always_inline)) void
finish_row(float *out, const float *part, const float *bias, size_t N,
    enum ops_after after)
{
	size_t i = 0, n;

	for (; i + LANES <= N; i += LANES) {
		vec y = vec_load(part + i);

		y += vec_load(bias + i);
		vec_store(out + i, finish(y, out + i, LANES, after));
	}
	if ((n = N - i) > 0) {
		vec y = vec_load(part + i);

		y += vec_load_part(bias + i, n);
		vec_store_part(out + i, finish(y, out + i, n, after), n);
	}
}

/* out (M, N) from part. */
static void
finish_rows(float *out, size_t out_stride, const float *part, const float *bias,
    enum ops_after after, size_t M, size_t N)
{
	for (size_t r = 0; r < M; r++) {
		if (after == OPS_GELU)
			finish_row(out, part, bias, N, OPS_GELU);
		else if (after == OPS_ADD)
			finish_row(out, part, bias, N, OPS_ADD);
		else
			finish_row(out, part, bias, N, OPS_SET);
		out += out_stride;
		part += BLOCK_N;
	}
}

/* packed (panels, K, PANEL) from w (K, N); zeros fill the last panel. */
static void
pack(float *packed, const float *w, size_t K, size_t N)
{
	for (size_t j = 0; j < N; j += PANEL) {
		size_t n = num_min(PANEL, N - j);

		for (size_t k = 0; k < K; k++, packed += PANEL) {
			memcpy(packed, w + k * N + j, n * sizeof(float));
			memset(packed + n, 0, (PANEL - n) * sizeof(float));
		}
	}
}

/* part (M, N) = x (M, K) times the panels at packed, N <= BLOCK_N. */
static void
product_rows(float *part, struct rows *g, const float *x, size_t x_stride,
    const float *packed, size_t K, size_t N)
{
	struct tile t = {
		.out = part,
		.out_stride = BLOCK_N,
		.right_panel = K * PANEL,
		.mode = TILE_START,
	};

	for (size_t k = 0; k < K; k += t.k) {
		const float *next;

		t.k = num_min(BLOCK_K, K - k);
		t.right = packed + k * PANEL;
		next = k + t.k < K ? t.right + t.k * PANEL : packed;
		rows_copy(g, x + k, x_stride, t.k);
		rows_multiply(g, t, (N + PANEL - 1) / PANEL, next);
		t.mode = TILE_ADD;
	}
}

static void
product(float *out, size_t out_stride, const float *x, size_t x_stride,
    const float *packed, const float *bias, enum ops_after after, size_t M,
    size_t K, size_t N)
{
	_Alignas(64) float part[BLOCK_M * BLOCK_N];
	struct rows g;

	for (size_t j = 0; j < N; j += BLOCK_N) {
		size_t n = num_min(BLOCK_N, N - j);

		for (size_t i = 0; i < M; i += g.M) {
			rows_take(&g, M - i);
			product_rows(part, &g, x + i * x_stride, x_stride,
			    packed + j * K, K, n);
			finish_rows(out + i * out_stride + j, out_stride, part,
			    bias + j, after, g.M, n);
		}
	}
}
