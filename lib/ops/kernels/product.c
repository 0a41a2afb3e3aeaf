/*
 * A template, see tile.h: products with weights packed once. Each result is
 * the sum of chains of CHAIN words in the order of k, so its bits depend on
 * its row and column alone.
 *
 * After Goto & van de Geijn 2008, with the roles of the sides exchanged: a
 * group of up to BLOCK_M rows of x is copied to the stack, a block of k at a
 * time, and the weights pass by. A panel's block stays in the nearest caches
 * while the group's tiles use it, and these fetch the next panel ahead: some
 * two bytes a cycle, which the last-level cache gives, so that weights of any
 * size do. 236 KiB of stack, 1.3 MiB with AMX.
 */
#include "ops/kernels/gelu.h"
#include "ops/kernels/tile.h"
#include "ops/ops.h"

#ifndef OPS_KERNELS_PRODUCT
#define OPS_KERNELS_PRODUCT

enum { BLOCK_N = 768 };

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

/* out (N) from part (N); inlined with a constant after, scale and bias or NULL.
 */
static inline __attribute__((always_inline)) void
finish_row(float *out, const float *part, const float *scale, const float *bias,
    size_t N, enum ops_after after)
{
	size_t i = 0, n;

	for (; i + LANES <= N; i += LANES) {
		vec y = vec_load(part + i);

		if (scale)
			y *= vec_load(scale + i);
		if (bias)
			y += vec_load(bias + i);
		vec_store(out + i, finish(y, out + i, LANES, after));
	}
	if ((n = N - i) > 0) {
		vec y = vec_load(part + i);

		if (scale)
			y *= vec_load(scale + i);
		if (bias)
			y += vec_load_part(bias + i, n);
		vec_store_part(out + i, finish(y, out + i, n, after), n);
	}
}

/* out (M, N) from part; inlined with a constant after. */
static inline __attribute__((always_inline)) void
finish_rows(float *out, size_t out_stride, const float *part,
    const float *scale, const float *bias, enum ops_after after, size_t M,
    size_t N)
{
	for (size_t r = 0; r < M; r++)
		finish_row(out + r * out_stride, part + r * BLOCK_N, scale,
		    bias, N, after);
}

#endif

static size_t
KIND(count)(size_t K)
{
	return words_count(K, KIND(PER_WORD));
}

/* Blocks of k. */
static size_t
KIND(blocks)(size_t K)
{
	return (KIND(count)(K) + BLOCK_K - 1) / BLOCK_K;
}

static size_t
KIND(packed_size)(size_t K, size_t N)
{
	return (KIND(count)(K) + KIND(SCALED)) * num_round(N, PANEL);
}

/* out (M, N) from part. */
static void
KIND(finish)(float *out, size_t out_stride, const float *part,
    const float *scale, const float *bias, enum ops_after after, size_t M,
    size_t N)
{
	scale = KIND(SCALED) ? scale : NULL;
	if (after == OPS_GELU)
		finish_rows(out, out_stride, part, scale, bias, OPS_GELU, M, N);
	else if (after == OPS_ADD)
		finish_rows(out, out_stride, part, scale, bias, OPS_ADD, M, N);
	else
		finish_rows(out, out_stride, part, scale, bias, OPS_SET, M, N);
}

/*
 * Multiplies the rows at left, divided as g is, with so many panels. t is
 * filled for the first tile but for left, scale, start and next; next is the
 * panel that will be wanted after the last.
 */
static void
KIND(rows_multiply)(const struct rows *g, const struct rows *left,
    struct tile t, size_t panels, const float *next)
{
	size_t step =
	    g->tiles == 1 ? KIND(tiles)[rows_units(g->count[0])].panels : 1;
	float *out = t.out;

	for (size_t p = 0; p < panels;) {
		size_t n = p + step <= panels ? step : 1;
		const float *ahead = t.right + n * t.right_panel;

		t.left = left->left;
		t.scale = left->scale;
		t.start = left->start;
		t.out = out + p * PANEL;
		p += n;
		if (p == panels)
			ahead = next;
		for (size_t i = 0; i < g->tiles; i++) {
			size_t rows = g->count[i];
			const struct tiles *how =
			    &KIND(tiles)[rows_units(rows)];

			tile_ahead(&t, ahead, i, g->tiles);
			t.rows = rows;
			(n > 1 ? how->many : how->one)(&t);
			t.out += rows * t.out_stride;
			t.left += rows * LEFT;
			t.scale += rows * MOST_CHAINS;
			t.start += rows * MOST_CHAINS;
		}
		t.right += n * t.right_panel;
	}
}

/* One block of k of the rows of x, n words from word k on. */
static void
KIND(rows_fill)(struct rows *g, const float *x, size_t x_stride, size_t K,
    size_t k, size_t n, size_t first, size_t end)
{
	size_t at = k * KIND(PER_WORD);

	for (size_t r = first; r < end; r++)
		KIND(row)
	(g, r, x + r * x_stride + at, num_min(n * KIND(PER_WORD), K - at));
}

/*
 * part (M, N) = x (M, K) times the panels at packed, N <= BLOCK_N. The left
 * side is at ready, a block each, or where that is NULL made in g; there it is
 * already where held is set, which needs K to be one block.
 */
static void
KIND(product_rows)(float *part, struct rows *g, const struct rows *ready,
    const float *x, size_t x_stride, const float *packed, size_t K, size_t N,
    bool held)
{
	size_t words = KIND(count)(K);
	struct tile t = {
		.out = part,
		.out_stride = BLOCK_N,
		.right_panel = words * PANEL,
		.mode = TILE_START,
	};

	for (size_t k = 0; k < words; k += t.k) {
		const float *next;

		t.k = num_min(BLOCK_K, words - k);
		t.right = packed + k * PANEL;
		next = k + t.k < words ? t.right + t.k * PANEL : packed;
		if (!ready && !held)
			KIND(rows_fill)(g, x, x_stride, K, k, t.k, 0, g->M);
		KIND(rows_multiply)
		(g, ready ? ready++ : g, t, (N + PANEL - 1) / PANEL, next);
		t.mode = TILE_ADD;
	}
}

/* A left side has, for each group of rows, all blocks. */
static size_t
KIND(left_size)(size_t M, size_t K)
{
	size_t tiles = (M + ROWS - 1) / ROWS;
	size_t groups = (tiles + GROUP - 1) / GROUP;

	return groups * KIND(blocks)(K) * sizeof(struct rows) / sizeof(float);
}

static void
KIND(left_rows)(void *to, const float *x, size_t x_stride, size_t first,
    size_t end, size_t M, size_t K)
{
	struct rows *left = to, g;

	for (size_t i = 0; i < M; i += g.M, left += KIND(blocks)(K)) {
		size_t from = first > i ? first - i : 0, words = KIND(count)(K);

		rows_take(&g, M - i);
		for (size_t k = 0; end > i && k < words; k += BLOCK_K)
			KIND(rows_fill)
		(left + k / BLOCK_K, x + i * x_stride, x_stride, K, k,
		    num_min(BLOCK_K, words - k), from, num_min(g.M, end - i));
	}
}

/* Of x, or where left is not NULL, of the left side made ready there. */
static void
KIND(product)(float *out, size_t out_stride, const float *x, size_t x_stride,
    const void *left, const float *packed, const float *bias,
    enum ops_after after, size_t M, size_t K, size_t N)
{
	_Alignas(64) float part[BLOCK_M * BLOCK_N];
	const struct rows *ready = left;
	size_t words = KIND(count)(K);
	struct rows g;

	tiles_begin(M);
	for (size_t i = 0; i < M; i += g.M) {
		rows_take(&g, M - i);
		for (size_t j = 0; j < N; j += BLOCK_N) {
			size_t n = num_min(BLOCK_N, N - j);
			const float *scale =
			    KIND(SCALED)
				? packed + words * num_round(N, PANEL) + j
				: NULL;

			KIND(product_rows)
			(part, &g, ready, ready ? NULL : x + i * x_stride,
			    x_stride, packed + j * words, K, n,
			    j > 0 && words <= BLOCK_K);
			KIND(finish)
			(out + i * out_stride + j, out_stride, part, scale,
			    bias ? bias + j : NULL, after, g.M, n);
		}
		ready = ready ? ready + KIND(blocks)(K) : NULL;
	}
	tiles_end();
}
