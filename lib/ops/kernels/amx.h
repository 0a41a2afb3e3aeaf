/*
 * Tiles by the matrix unit AMX, for tile.c and cross.c: two tile registers of
 * left rows and two of right columns give four of sums, 32 x 32. A row of a
 * register never meets another, so rows that are not there do no harm: of a
 * tile with up to 16 rows, or up to 32, so many are computed and stored.
 *
 * Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1,
 * chapter 18.
 */
#ifndef OPS_KERNELS_AMX_H
#define OPS_KERNELS_AMX_H

#include "ops/kernels/bf16.h"
#include "ops/kernels/int8.h"
#include "ops/kernels/tile.h"

enum {
	LEFT_ROW = LEFT * sizeof(float),  /* bytes from row to row */
	RIGHT_ROW = PANEL * sizeof(float) /* bytes from word to word */
};

/* What the registers hold: sums in 0 to 3, left in 4 and 5, right in 6, 7. */
struct amx_shape {
	uint8_t palette, start_row, reserved[14];
	uint16_t bytes[16]; /* of a row */
	uint8_t rows[16];
};

/* Before the first tile of a product with M rows, and after the last. */
static inline void
tiles_begin(size_t M)
{
	uint8_t m = (uint8_t)num_min(num_max(M, 1), UNIT);
	_Alignas(64) const struct amx_shape shape = {
		.palette = 1,
		.bytes = { 64, 64, 64, 64, 64, 64, 64, 64 },
		.rows = { m, m, m, m, m, m, UNIT, UNIT },
	};

	_tile_loadconfig(&shape);
}

static inline void
tiles_end(void)
{
	_tile_release();
}

/* What tile i of so many fetches of the panel at ahead: its share. */
static inline void
tile_ahead(struct tile *t, const float *ahead, size_t i, size_t tiles)
{
	t->lines = (2 * UNIT + tiles - 1) / tiles;
	t->next = ahead + i * t->lines * (t->k / UNIT) * LANES;
}

/* For gcc 12 a tile's load does not read memory. */
static inline void
amx_fence(void)
{
	__asm__ volatile("" ::: "memory");
}

static inline __attribute__((always_inline)) void
amx_zero(const bool both)
{
	_tile_zero(0);
	_tile_zero(1);
	if (both) {
		_tile_zero(2);
		_tile_zero(3);
	}
}

/* Stores the sums to out; both: 32 rows, not 16. */
static inline __attribute__((always_inline)) void
amx_store(float *out, size_t out_stride, const bool both)
{
	size_t bytes = out_stride * sizeof(float);

	_tile_stored(0, out, bytes);
	_tile_stored(1, out + LANES, bytes);
	if (both) {
		_tile_stored(2, out + UNIT * out_stride, bytes);
		_tile_stored(3, out + UNIT * out_stride + LANES, bytes);
	}
}

static inline __attribute__((always_inline)) void
amx_load(const float *out, size_t out_stride, const bool both)
{
	size_t bytes = out_stride * sizeof(float);

	_tile_loadd(0, out, bytes);
	_tile_loadd(1, out + LANES, bytes);
	if (both) {
		_tile_loadd(2, out + UNIT * out_stride, bytes);
		_tile_loadd(3, out + UNIT * out_stride + LANES, bytes);
	}
}

/*
 * Adds the products of UNIT words, by the instruction DOT; then is what the
 * vector units do after each, while it runs.
 */
#define AMX_STEP(DOT, left, right, both, then)                          \
	do {                                                            \
		_tile_loadd(4, left, LEFT_ROW);                         \
		_tile_loadd(6, right, RIGHT_ROW);                       \
		DOT(0, 4, 6);                                           \
		then;                                                   \
		_tile_loadd(7, (right) + LANES, RIGHT_ROW);             \
		DOT(1, 4, 7);                                           \
		then;                                                   \
		if (both) {                                             \
			_tile_loadd(5, (left) + UNIT * LEFT, LEFT_ROW); \
			DOT(2, 5, 6);                                   \
			then;                                           \
			DOT(3, 5, 7);                                   \
			then;                                           \
		}                                                       \
	} while (0)

/* Fetches lines, and returns where the next ones are. */
static inline const float *
amx_fetch(const float *next, size_t lines)
{
	for (size_t i = 0; i < lines; i++, next += LANES)
		__builtin_prefetch(next, 0, 2);
	return next;
}

/* The sums of a block of k are one chain. */
static inline __attribute__((always_inline)) void
bf16_tile(const struct tile *t, const bool both)
{
	const float *next = t->next;

	amx_fence();
	if (t->mode == TILE_ADD)
		amx_load(t->out, t->out_stride, both);
	else
		amx_zero(both);
	for (size_t i = 0; i < t->k; i += UNIT) {
		AMX_STEP(_tile_dpbf16ps, t->left + i, t->right + i * PANEL,
		    both, (void)0);
		next = amx_fetch(next, t->lines);
	}
	amx_store(t->out, t->out_stride, both);
}

/* The sums of a chain, (rows, PANEL), on their way to out. */
struct chain {
	const int32_t *sums;
	const float *scale; /* of the first row */
	size_t row;	    /* the next one */
	bool add;
};

/* Up to so many rows of out =, or += theirs. */
static inline __attribute__((always_inline)) void
int8_add(const struct tile *t, struct chain *c, size_t rows)
{
	size_t end = num_min(c->row + rows, t->rows);

	for (; c->row < end; c->row++) {
		const int32_t *sums = c->sums + c->row * PANEL;
		float *out = t->out + c->row * t->out_stride;
		vec scale = vec_all(c->scale[c->row * MOST_CHAINS]);

		for (size_t j = 0; j < PANEL; j += LANES) {
			veci sum;

			memcpy(&sum, sums + j, sizeof(sum));
			tile_store(out + j,
			    __builtin_convertvector(sum, vec) * scale, c->add);
		}
	}
}

/* While a chain is multiplied, the one before is scaled and added. */
static inline __attribute__((always_inline)) void
int8_tile(const struct tile *t, const bool both)
{
	enum { SOME = 4 }; /* rows for each instruction of a chain */
	_Alignas(64) int32_t sums[2][ROWS * PANEL];
	struct chain last = { .row = t->rows };
	const float *next = t->next;

	amx_fence();
	for (size_t i = 0, c = 0; i < t->k; c++) {
		size_t end = num_min(i + int8_CHAIN, t->k);

		amx_zero(both);
		for (; i < end; i += UNIT) {
			AMX_STEP(_tile_dpbssd, t->left + i,
			    t->right + i * PANEL, both,
			    int8_add(t, &last, SOME));
			next = amx_fetch(next, t->lines);
		}
		int8_add(t, &last, ROWS);
		amx_store((float *)sums[c % 2], PANEL, both);
		last = (struct chain){ sums[c % 2], t->scale + c, 0,
			c > 0 || t->mode == TILE_ADD };
	}
	int8_add(t, &last, ROWS);
}

static void
bf16_tile_16(const struct tile *t)
{
	bf16_tile(t, false);
}

static void
bf16_tile_32(const struct tile *t)
{
	bf16_tile(t, true);
}

static void
int8_tile_16(const struct tile *t)
{
	int8_tile(t, false);
}

static void
int8_tile_32(const struct tile *t)
{
	int8_tile(t, true);
}

static const struct tiles bf16_tiles[] = {
	[1] = { bf16_tile_16, bf16_tile_16, 1 },
	[2] = { bf16_tile_32, bf16_tile_32, 1 },
};
static const struct tiles int8_tiles[] = {
	[1] = { int8_tile_16, int8_tile_16, 1 },
	[2] = { int8_tile_32, int8_tile_32, 1 },
};

enum { CROSS_LEFT = LEFT }; /* a transposed left side is as any other */

static tile_function *
bf16_cross(size_t rows)
{
	return bf16_tiles[rows_units(rows)].one;
}

/* The rows of the transpose of x (k, M) to the left side. */
static void
bf16_rows_cross(struct rows *g, const float *x, size_t stride, size_t k)
{
	size_t words = words_count(k, bf16_PER_WORD);

	for (size_t i = 0; i < words; i += LANES)
		for (size_t j = 0; j < g->M; j += LANES) {
			size_t n = num_min(LANES, g->M - j);
			vec a[LANES];

			for (size_t w = 0; w < LANES; w++) {
				size_t at = (i + w) * bf16_PER_WORD;

				a[w] = at < k ? bf16_across(x + at * stride + j,
						    stride, k - at, n)
					      : vec_all(0);
			}
			vec_transpose(a);
			for (size_t r = 0; r < LANES; r++)
				vec_store(g->left + (j + r) * LEFT + i, a[r]);
		}
}

#endif
