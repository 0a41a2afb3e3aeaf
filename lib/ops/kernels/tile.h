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
 * Here is what all kinds of words share; tile.c, cross.c, product.c and
 * linear.c are templates, included once for each kind. KIND(name) is its name
 * for name, and f32.h, bf16.h and int8.h say what the words of a kind are.
 * amx.h stands for tile.c and cross.c where the processor has a matrix unit.
 */
#ifndef OPS_KERNELS_TILE_H
#define OPS_KERNELS_TILE_H

#include "ops/kernels/vector.h"
#include "sys/num.h"

/*
 * Rows of a tile, tiles of a group, what the rows of a tile and the words of a
 * sum are filled up to, and words of a block: with AMX, both sides of a tile
 * fit in the nearest cache.
 */
#if defined(OPS_AMX)
enum { ROWS = 32, GROUP = 10, UNIT = 16, BLOCK_K = 192 };
#elif defined(OPS_AVX512)
enum { ROWS = 14, GROUP = 4, UNIT = 1, BLOCK_K = 256 };
#else
enum { ROWS = 6, GROUP = 8, UNIT = 1, BLOCK_K = 256 };
#endif

enum {
	PANEL = 2 * LANES,
	BLOCK_M = GROUP * ROWS, /* GROUP tiles of rows at once */
	MOST_CHAINS = 8,	/* of a block, where rows have scales */
	LEFT = BLOCK_K + 16	/* from row to row of the left side */
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
	const float *next;  /* lines to fetch for a later tile, one a word */
	size_t lines;	    /* or so many in UNIT words: AMX only */
	size_t k;	    /* words */
	size_t rows;
	enum tile_mode mode;
};

typedef void tile_function(const struct tile *);

/*
 * How a tile of so many rows is computed. Few rows take several panels at
 * once, so that enough independent chains are under way.
 */
struct tiles {
	tile_function *one, *many;
	size_t panels; /* of many */
};

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

		g->count[t] =
		    num_min(left, num_round((left + n - 1) / n, UNIT));
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

/* Words of K inputs, so many a word, filled up. */
static inline size_t
words_count(size_t K, size_t per_word)
{
	return num_round((K + per_word - 1) / per_word, UNIT);
}

/* Of a tile's rows, filled up. */
static inline size_t
rows_units(size_t rows)
{
	return (rows + UNIT - 1) / UNIT;
}

#ifndef OPS_AMX

/* Before the first tile of a product with M rows, and after the last. */
static inline void
tiles_begin(size_t M)
{
	(void)M;
}

static inline void
tiles_end(void)
{
}

/* What tile i of a group fetches of the panel at ahead: half of it, k lines. */
static inline void
tile_ahead(struct tile *t, const float *ahead, size_t i, size_t tiles)
{
	t->next = ahead + i % 2 * t->k * LANES;
	(void)tiles;
}

#endif

/* Fetches the numbers some rows below p, where there are that many. */
static inline void
fetch_row(const float *p, size_t stride, size_t rows)
{
	enum { AHEAD = 6 };

	if (rows > AHEAD) {
		__builtin_prefetch(p + AHEAD * stride);
		__builtin_prefetch(p + AHEAD * stride + LANES);
	}
}

static inline __attribute__((always_inline)) void
tile_store(float *out, vec y, const bool add)
{
	vec_store(out, add ? y + vec_load(out) : y);
}

#endif
