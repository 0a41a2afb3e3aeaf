/*
 * The inner part of every product: a tile of up to ROWS x PANEL results stays
 * in registers while k runs over a block of at most BLOCK_K words.
 *
 * A word is as wide as a float and holds one float32, two bfloat16 or four
 * int8 inputs. The right side lies in panels of PANEL columns, word by word.
 * The left side is copied to a small array, either row by row or, where it is
 * to be transposed, word by word; both strides are constants, and spread the
 * rows over the cache's sets, which rows at a stride of whole pages would not.
 *
 * Here is what all kinds of words share; tile.c, product.c and linear.c are
 * templates, included once for each kind. KIND(name) is its name for name, and
 * f32.h, bf16.h and int8.h say what the words of a kind are.
 */
#ifndef OPS_KERNELS_TILE_H
#define OPS_KERNELS_TILE_H

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
	MOST_CHAINS = 8,    /* of a block, where rows have scales */
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
	const float *scale;   /* (rows, MOST_CHAINS) int8 only */
	const int32_t *start; /* (rows, MOST_CHAINS) int8 only */
	const float *right;
	size_t right_panel; /* from panel to panel */
	const float *next;  /* k lines to fetch for a later tile */
	size_t k;	    /* words */
	enum tile_mode mode;
};

typedef void tile_function(const struct tile *);

/* Rows that are worked on together. */
struct rows {
	_Alignas(64) float left[BLOCK_M * LEFT];
	float scale[BLOCK_M * MOST_CHAINS];
	int32_t start[BLOCK_M * MOST_CHAINS];
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

static inline __attribute__((always_inline)) void
tile_store(float *out, vec y, const bool add)
{
	vec_store(out, add ? y + vec_load(out) : y);
}

#endif
