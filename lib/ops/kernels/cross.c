/*
 * A template, see tile.h: tiles with a transposed left side, for the gradient
 * of weights. It lies word by word, each a row of BLOCK_M. A block of the sum
 * is one chain.
 */
#include "ops/kernels/tile.h"

#ifndef OPS_KERNELS_CROSS
#define OPS_KERNELS_CROSS

enum { CROSS_LEFT = 1 }; /* from row to row of such a left side */

#endif

#define CROSS(rows)                                          \
	static void KIND(cross_##rows)(const struct tile *t) \
	{                                                    \
		KIND(tile)(t, 1, BLOCK_M, BLOCK_K, rows, 1); \
	}

CROSS(1)
CROSS(2)
CROSS(3)
CROSS(4)
CROSS(5)
CROSS(6)
#ifdef OPS_AVX512
CROSS(7)
CROSS(8)
CROSS(9)
CROSS(10)
CROSS(11)
CROSS(12)
CROSS(13)
CROSS(14)
#endif
#undef CROSS

static tile_function *const KIND(crosses)[ROWS + 1] = {
	[1] = KIND(cross_1),
	[2] = KIND(cross_2),
	[3] = KIND(cross_3),
	[4] = KIND(cross_4),
	[5] = KIND(cross_5),
	[6] = KIND(cross_6),
#ifdef OPS_AVX512
	[7] = KIND(cross_7),
	[8] = KIND(cross_8),
	[9] = KIND(cross_9),
	[10] = KIND(cross_10),
	[11] = KIND(cross_11),
	[12] = KIND(cross_12),
	[13] = KIND(cross_13),
	[14] = KIND(cross_14),
#endif
};

/* The tile of so many rows. */
static tile_function *
KIND(cross)(size_t rows)
{
	return KIND(crosses)[rows];
}

/* Copies x (k, M) to the left side. */
static void
KIND(rows_cross)(struct rows *g, const float *x, size_t stride, size_t k)
{
	for (size_t i = 0; i < k; i += KIND(PER_WORD)) {
		float *left = g->left + i / KIND(PER_WORD) * BLOCK_M;

		for (size_t j = 0; j < g->M; j += LANES) {
			size_t n = num_min(LANES, g->M - j);

			if (j % (2 * LANES) == 0)
				fetch_row(
				    x + j, KIND(PER_WORD) * stride, k - i);
			vec_store(
			    left + j, KIND(across)(x + j, stride, k - i, n));
		}
		x += KIND(PER_WORD) * stride;
	}
}
