/* A template, see tile.h: tiles of one kind of words. */
#include "ops/kernels/tile.h"

typedef KIND(sum) KIND(sums)[4][14][2];

static inline __attribute__((always_inline)) void
KIND(tile_step)(KIND(sum) sum[2], const float *left, const float *right)
{
	KIND(left) a = KIND(spread)(left);

	sum[0] = KIND(step)(a, vec_load(right), sum[0]);
	sum[1] = KIND(step)(a, vec_load(right + LANES), sum[1]);
}

/* A row's sums over chain c end: out =, or where add is true +=. */
static inline __attribute__((always_inline)) void
KIND(tile_end)(const struct tile *t, float *out, KIND(sum) sum[2], size_t row,
    size_t c, const bool add)
{
	tile_store(out, KIND(end)(sum[0], t, row, c), add);
	tile_store(out + LANES, KIND(end)(sum[1], t, row, c), add);
}

/* Inlined with constant strides of the left side, chain, rows and panels. */
static inline __attribute__((always_inline)) void
KIND(tile)(const struct tile *t, const size_t left_row, const size_t left_k,
    const size_t chain, const size_t rows, const size_t panels)
{
	const float *left = t->left, *right = t->right, *next = t->next;
	size_t panel = t->right_panel, stride = t->out_stride;
	float *out = t->out;

#define START(p, r)                 \
	if (p < panels && r < rows) \
		sum[p][r][0] = sum[p][r][1] = KIND(start)(t, r, c);
#define STEP(p, r)                  \
	if (p < panels && r < rows) \
		KIND(tile_step)     \
	(sum[p][r], left + r * left_row, right + p * panel);
#define SET(p, r)                   \
	if (p < panels && r < rows) \
		KIND(tile_end)      \
	(t, out + r * stride + p * PANEL, sum[p][r], r, c, false);
#define ADD(p, r)                   \
	if (p < panels && r < rows) \
		KIND(tile_end)      \
	(t, out + r * stride + p * PANEL, sum[p][r], r, c, true);

	if (t->mode == TILE_ADD)
		tile_fetch(t, rows, panels);
	for (size_t i = 0, c = 0; i < t->k; c++) {
		size_t end = num_min(i + chain, t->k);
		KIND(sums) sum;
		bool first = i == 0 && t->mode == TILE_START;

		EACH(START)
		for (; i < end; i++) {
			EACH(STEP)
			__builtin_prefetch(next, 0, 2);
			left += left_k;
			right += PANEL;
			next += LANES;
		}
		if (first) {
			EACH(SET)
		} else {
			EACH(ADD)
		}
	}
#undef START
#undef STEP
#undef SET
#undef ADD
}

#define TILE(rows, panels)                                             \
	static void KIND(tile_##rows##_##panels)(const struct tile *t) \
	{                                                              \
		KIND(tile)(t, LEFT, 1, KIND(CHAIN), rows, panels);     \
	}

TILE(1, 1)
TILE(2, 1)
TILE(3, 1)
TILE(4, 1)
TILE(5, 1)
TILE(6, 1)
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
#else
TILE(2, 2)
#endif

static const struct tiles KIND(tiles)[ROWS + 1] = {
	[1] = { KIND(tile_1_1), KIND(tile_1_4), 4 },
#ifdef OPS_AVX512
	[2] = { KIND(tile_2_1), KIND(tile_2_4), 4 },
	[3] = { KIND(tile_3_1), KIND(tile_3_4), 4 },
	[4] = { KIND(tile_4_1), KIND(tile_4_2), 2 },
	[5] = { KIND(tile_5_1), KIND(tile_5_2), 2 },
	[6] = { KIND(tile_6_1), KIND(tile_6_1), 1 },
	[7] = { KIND(tile_7_1), KIND(tile_7_1), 1 },
	[8] = { KIND(tile_8_1), KIND(tile_8_1), 1 },
	[9] = { KIND(tile_9_1), KIND(tile_9_1), 1 },
	[10] = { KIND(tile_10_1), KIND(tile_10_1), 1 },
	[11] = { KIND(tile_11_1), KIND(tile_11_1), 1 },
	[12] = { KIND(tile_12_1), KIND(tile_12_1), 1 },
	[13] = { KIND(tile_13_1), KIND(tile_13_1), 1 },
	[14] = { KIND(tile_14_1), KIND(tile_14_1), 1 },
#else
	[2] = { KIND(tile_2_1), KIND(tile_2_2), 2 },
	[3] = { KIND(tile_3_1), KIND(tile_3_1), 1 },
	[4] = { KIND(tile_4_1), KIND(tile_4_1), 1 },
	[5] = { KIND(tile_5_1), KIND(tile_5_1), 1 },
	[6] = { KIND(tile_6_1), KIND(tile_6_1), 1 },
#endif
};

#undef TILE
