/*
 * A template, see tile.h: right sides without scales, packed for the tiles in
 * panels (panels, words, PANEL); zeros fill them up.
 */
#include "ops/kernels/tile.h"

/* n <= PANEL columns of word i of a panel, from rows of w; rows may be 0. */
static inline void
KIND(pack_word)(float *to, const float *w, size_t stride, size_t rows, size_t n)
{
	vec lower = vec_all(0), upper = vec_all(0);

	for (size_t r = 0; r < KIND(PER_WORD); r++)
		fetch_row(w + r * stride, KIND(PER_WORD) * stride, rows);
	if (rows > 0)
		lower = KIND(across)(w, stride, rows, num_min(LANES, n));
	if (rows > 0 && n > LANES)
		upper = KIND(across)(w + LANES, stride, rows, n - LANES);
	vec_store(to, lower);
	vec_store(to + LANES, upper);
}

/* From w (K, N): so many columns at a time that whole pages are read. */
static void
KIND(pack)(float *packed, const float *w, size_t stride, size_t K, size_t N)
{
	enum { COLUMNS = 8 * PANEL };
	size_t words = KIND(count)(K);

	for (size_t j = 0; j < N; j += COLUMNS) {
		for (size_t i = 0; i < words; i++) {
			size_t k = i * KIND(PER_WORD);
			const float *row = w + num_min(k, K) * stride;
			size_t end = num_min(j + COLUMNS, N);

			for (size_t n = j; n < end; n += PANEL)
				KIND(pack_word)
			(packed + (n * words + i * PANEL), row + n, stride,
			    K - num_min(k, K), num_min(PANEL, N - n));
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

/* From the transpose of w (N, K). */
static void
KIND(pack_transposed)(
    float *packed, const float *w, size_t stride, size_t K, size_t N)
{
	size_t panel = KIND(count)(K) * PANEL;

	for (size_t j = 0; j < num_round(N, PANEL); j += LANES) {
		float *to = packed + j / PANEL * panel + j % PANEL;
		size_t rows = j < N ? num_min(LANES, N - j) : 0;

		KIND(transpose)(to, PANEL, w + j * stride, stride, rows, K);
	}
}
