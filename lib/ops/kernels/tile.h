/*
 * The inner part of every product: a tile of up to ROWS x PANEL results stays
 * in registers while k runs over a block of at most BLOCK_K.
 *
 * The right side lies in panels of PANEL columns, k by k. The left side is
 * copied to a small array, either row by row or, where it is to be transposed,
 * k by k; both strides are constants, and spread the rows over the cache's
 * sets, which rows at a stride of whole pages would not.
 */
#ifndef OPS_KERNELS_TILE_H
#define OPS_KERNELS_TILE_H

#include <stdbool.h>

#include "ops/kernels/vector.h"
#include "sys/num.h"

#if defined(OPS_AVX512)
enum { ROWS = 14, GROUP = 4 };
#else
enum { ROWS = 6, GROUP = 8 };
#endif

enum {
	PANEL = 2 * LANES,
	BLOCK_M = GROUP * ROWS, /* GROUP tiles of rows at once */
	BLOCK_K = 256,
	/*
	 * Sums over so many k are made apart, then added: half the error of one
	 * chain (0.80 instead of 1.74 of PyTorch's, small model, cut 6).
	 */
	CHAIN = 64,
	LEFT = BLOCK_K + 16 /* from row to row of the left side */
};

/* What becomes of out. */
enum tile_mode {
	TILE_START, /* out = the sum over k */
	TILE_ADD    /* out += the sum */
};

struct tile {
	float *out;
	size_t out_stride;
	const float *left;
	const float *right;
	size_t right_panel; /* from panel to panel */
	const float *next;  /* k lines to fetch for a later tile */
	size_t k;
	enum tile_mode mode;
};

/*
 * EACH(X) does X(p, r) for up to four panels and 14 rows. Written out, since
 * clang keeps an array in registers only where its indices are constants
 * before any loop is unrolled.
 */
/* clang-format off */
#define EACH_ROW(X, p) \
	X(p, 0) X(p, 1) X(p, 2) X(p, 3) X(p, 4) X(p, 5) X(p, 6) \
	X(p, 7) X(p, 8) X(p, 9) X(p, 10) X(p, 11) X(p, 12) X(p, 13)
/* clang-format on */
#define EACH(X) EACH_ROW(X, 0) EACH_ROW(X, 1) EACH_ROW(X, 2) EACH_ROW(X, 3)

typedef vec tile_sums[4][14][2];

static inline __attribute__((always_inline)) void
tile_step(vec sum[2], const float *left, const float *right)
{
	vec a = vec_all(*left);

	sum[0] = vec_fma(a, vec_load(right), sum[0]);
	sum[1] = vec_fma(a, vec_load(right + LANES), sum[1]);
}

static inline __attribute__((always_inline)) void
tile_add(vec sum[2], const float *out)
{
	sum[0] += vec_load(out);
	sum[1] += vec_load(out + LANES);
}

/* Fetches the tile of out, so that it has come when it is added to. */
static inline void
tile_fetch(const struct tile *t, size_t rows, size_t panels)
{
	for (size_t r = 0; r < rows; r++) {
		float *out = t->out + r * t->out_stride;

		for (size_t i = 0; i < panels * PANEL; i += 16)
			__builtin_prefetch(out + i, 1);
	}
}

/* Inlined with constant strides of the left side, rows and panels. */
static inline __attribute__((always_inline)) void
tile(const struct tile *t, const size_t left_row, const size_t left_k,
    const size_t rows, const size_t panels)
{
	const float *left = t->left, *right = t->right, *next = t->next;
	size_t panel = t->right_panel, stride = t->out_stride;
	float *out = t->out;

#define ADD(p, r)                   \
	if (p < panels && r < rows) \
		tile_add(sum[p][r], out + r * stride + p * PANEL);
#define STEP(p, r)                  \
	if (p < panels && r < rows) \
		tile_step(sum[p][r], left + r * left_row, right + p * panel);
#define STORE(p, r)                                                            \
	if (p < panels && r < rows) {                                          \
		vec_store(out + r * stride + p * PANEL, sum[p][r][0]);         \
		vec_store(out + r * stride + p * PANEL + LANES, sum[p][r][1]); \
	}

	if (t->mode == TILE_ADD)
		tile_fetch(t, rows, panels);
	for (size_t i = 0; i < t->k;) {
		size_t end = num_min(i + CHAIN, t->k);
		tile_sums sum = { 0 };
		bool first = i == 0 && t->mode == TILE_START;

		for (; i < end; i++) {
			EACH(STEP)
			__builtin_prefetch(next, 0, 2);
			left += left_k;
			right += PANEL;
			next += LANES;
		}
		if (!first) {
			EACH(ADD)
		}
		EACH(STORE)
	}
}

#define TILE(rows, panels)                                       \
	static void tile_##rows##_##panels(const struct tile *t) \
	{                                                        \
		tile(t, LEFT, 1, rows, panels);                  \
	}

/* The left side k by k, each a row of BLOCK_M. */
#define CROSS(rows)                                    \
	static void cross_##rows(const struct tile *t) \
	{                                              \
		tile(t, 1, BLOCK_M, rows, 1);          \
	}

TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(5, 1)
TILE(6, 1)
CROSS(1)
CROSS(2)
CROSS(3)
CROSS(4)
CROSS(5)
CROSS(6)
TILE(1, 4)
#ifdef OPS_AVX512
TILE(2, 4)
TILE(3, 4)
TILE(4, 2)
TILE(5, 2)
TILE(7, 1)
TILE(8, 1)
TILE(9, 1)
TILE(10, 1)
TILE(11, 1)
TILE(12, 1)
TILE(13, 1)
TILE(14, 1)
CROSS(7)
CROSS(8)
CROSS(9)
CROSS(10)
CROSS(11)
CROSS(12)
CROSS(13)
CROSS(14)
#else
TILE(2, 2)
#endif

typedef void tile_function(const struct tile *);

/*
 * How a tile of so many rows is computed. Few rows take several panels at
 * once, so that enough independent chains are under way.
 */
static const struct {
	tile_function *one, *many, *cross;
	size_t panels; /* of many */
} tiles[ROWS + 1] = {
	[1] = { tile_1_1, tile_1_4, cross_1, 4 },
#ifdef OPS_AVX512
	[2] = { tile_2_1, tile_2_4, cross_2, 4 },
	[3] = { tile_3_1, tile_3_4, cross_3, 4 },
	[4] = { tile_4_1, tile_4_2, cross_4, 2 },
	[5] = { tile_5_1, tile_5_2, cross_5, 2 },
	[6] = { tile_6_1, tile_6_1, cross_6, 1 },
	[7] = { tile_7_1, tile_7_1, cross_7, 1 },
	[8] = { tile_8_1, tile_8_1, cross_8, 1 },
	[9] = { tile_9_1, tile_9_1, cross_9, 1 },
	[10] = { tile_10_1, tile_10_1, cross_10, 1 },
	[11] = { tile_11_1, tile_11_1, cross_11, 1 },
	[12] = { tile_12_1, tile_12_1, cross_12, 1 },
	[13] = { tile_13_1, tile_13_1, cross_13, 1 },
	[14] = { tile_14_1, tile_14_1, cross_14, 1 },
#else
	[2] = { tile_2_1, tile_2_2, cross_2, 2 },
	[3] = { tile_3_1, tile_3_1, cross_3, 1 },
	[4] = { tile_4_1, tile_4_1, cross_4, 1 },
	[5] = { tile_5_1, tile_5_1, cross_5, 1 },
	[6] = { tile_6_1, tile_6_1, cross_6, 1 },
#endif
};

#endif
