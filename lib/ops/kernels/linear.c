/*
 * Products for training: the weights change at every step, so both sides are
 * packed as they are used, the right side by blocks of BLOCK_K x RIGHT into
 * 256 KiB of stack. The sum over k is one of block sums, in order; so the bits
 * of a result depend on its row and column alone, here too.
 *
 * Part of kernels.c, behind product.c.
 */

enum { RIGHT = 256 }; /* columns of the right side at once */

struct right {
	_Alignas(64) float panels[BLOCK_K * RIGHT]; /* (n, k, PANEL) */
};

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

/* panels from w (k, n), row by row; zeros fill the last one. */
static void
right_copy(
    struct right *right, const float *w, size_t stride, size_t k, size_t n)
{
	for (size_t i = 0; i < k; i++) {
		const float *from = w + i * stride;
		float *to = right->panels + i * PANEL;
		size_t j = 0;

		for (; j + PANEL <= n; j += PANEL, to += k * PANEL) {
			fetch_row(from + j, stride, k - i);
			vec_store(to, vec_load(from + j));
			vec_store(to + LANES, vec_load(from + j + LANES));
		}
		if (j < n) {
			memcpy(to, from + j, (n - j) * sizeof(float));
			memset(
			    to + n - j, 0, (PANEL - (n - j)) * sizeof(float));
		}
	}
}

/*
 * to (columns, LANES) at to_stride = the transpose of from (rows, columns),
 * rows <= LANES; zeros stand for the rows that are missing.
 */
static void
transpose(float *to, size_t to_stride, const float *from, size_t from_stride,
    size_t rows, size_t columns)
{
	for (size_t j = 0; j < columns; j += LANES) {
		size_t n = num_min(LANES, columns - j);
		vec a[LANES];

		for (size_t i = 0; i < LANES; i++) {
			const float *p = from + i * from_stride + j;

			if (i >= rows)
				a[i] = vec_all(0);
			else
				a[i] = n < LANES ? vec_load_part(p, n)
						 : vec_load(p);
		}
		vec_transpose(a);
		for (size_t i = 0; i < n; i++, to += to_stride)
			vec_store(to, a[i]);
	}
}

/* panels from the transpose of w (n, k). */
static void
right_transpose(
    struct right *right, const float *w, size_t stride, size_t k, size_t n)
{
	for (size_t j = 0; j < num_round(n, PANEL); j += LANES) {
		float *to = right->panels + j / PANEL * k * PANEL + j % PANEL;
		size_t rows = j < n ? num_min(LANES, n - j) : 0;

		transpose(to, PANEL, w + j * stride, stride, rows, k);
	}
}

/* Copies x (k, M) to the left side, for the cross tiles. */
static void
rows_cross(struct rows *g, const float *x, size_t stride, size_t k)
{
	for (size_t i = 0; i < k; i++, x += stride) {
		for (size_t j = 0; j < g->M; j += 2 * LANES)
			fetch_row(x + j, stride, k - i);
		memcpy(g->left + i * BLOCK_M, x, g->M * sizeof(float));
	}
}

/* out (rows, n) += edge (rows, PANEL), or = where mode is TILE_START. */
static void
edge_finish(float *out, size_t out_stride, const float *edge,
    enum tile_mode mode, size_t rows, size_t n)
{
	for (size_t r = 0; r < rows; r++, out += out_stride, edge += PANEL)
		for (size_t i = 0; i < n; i++)
			out[i] = mode == TILE_ADD ? out[i] + edge[i] : edge[i];
}

/*
 * The columns from the first of t on, n of them, for all rows; the last panel
 * goes by way of edge where it is not whole.
 */
static void
rows_train(const struct rows *g, struct tile t, size_t n, int cross)
{
	_Alignas(64) float edge[ROWS * PANEL];
	float *out = t.out;

	for (size_t j = 0; j < n; j += PANEL) {
		struct tile now = t;

		now.left = g->left;
		now.out = out + j;
		now.next = t.right + t.right_panel;
		for (size_t i = 0; i < g->tiles; i++) {
			size_t rows = g->count[i];
			float *to = now.out;

			if (n - j < PANEL) {
				now.out = edge;
				now.out_stride = PANEL;
				now.mode = TILE_START;
			}
			(cross ? tiles[rows].cross : tiles[rows].one)(&now);
			if (n - j < PANEL)
				edge_finish(to, t.out_stride, edge, t.mode,
				    rows, n - j);
			now.out = to + rows * t.out_stride;
			now.left += cross ? rows : rows * LEFT;
		}
		t.right += t.right_panel;
	}
}

/* out (M, N) = bias (N) in every row, to be added to. */
static void
linear_start(
    float *out, size_t out_stride, const float *bias, size_t M, size_t N)
{
	for (size_t r = 0; r < M; r++)
		memcpy(out + r * out_stride, bias, N * sizeof(float));
}

static void
linear(float *out, size_t out_stride, const float *x, size_t x_stride,
    const float *w, size_t w_stride, const float *bias, size_t M, size_t K,
    size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = out_stride, .mode = TILE_ADD };

	linear_start(out, out_stride, bias, M, N);
	for (size_t j = 0; j < N; j += RIGHT) {
		size_t n = num_min(RIGHT, N - j);

		for (size_t k = 0; k < K; k += t.k) {
			t.k = num_min(BLOCK_K, K - k);
			t.right = right.panels;
			t.right_panel = t.k * PANEL;
			right_copy(
			    &right, w + k * w_stride + j, w_stride, t.k, n);
			for (size_t i = 0; i < M; i += g.M) {
				rows_take(&g, M - i);
				rows_copy(
				    &g, x + i * x_stride + k, x_stride, t.k);
				t.out = out + i * out_stride + j;
				rows_train(&g, t, n, 0);
			}
		}
	}
}

/* dx's columns are w's rows; the sum runs over w's columns. */
static void
linear_input(float *dx, size_t dx_stride, const float *dy, size_t dy_stride,
    const float *w, size_t w_stride, int add, size_t M, size_t K, size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = dx_stride };

	for (size_t j = 0; j < K; j += RIGHT) {
		size_t n = num_min(RIGHT, K - j);

		for (size_t k = 0; k < N; k += t.k) {
			t.k = num_min(BLOCK_K, N - k);
			t.right = right.panels;
			t.right_panel = t.k * PANEL;
			t.mode = k > 0 || add ? TILE_ADD : TILE_START;
			right_transpose(
			    &right, w + j * w_stride + k, w_stride, t.k, n);
			for (size_t i = 0; i < M; i += g.M) {
				rows_take(&g, M - i);
				rows_copy(
				    &g, dy + i * dy_stride + k, dy_stride, t.k);
				t.out = dx + i * dx_stride + j;
				rows_train(&g, t, n, 0);
			}
		}
	}
}

/* The sum runs over the rows of x and dy. */
static void
linear_weight(float *dw, size_t dw_stride, const float *x, size_t x_stride,
    const float *dy, size_t dy_stride, size_t M, size_t K, size_t N)
{
	struct right right;
	struct rows g;
	struct tile t = { .out_stride = dw_stride, .mode = TILE_ADD };

	for (size_t j = 0; j < N; j += RIGHT) {
		size_t n = num_min(RIGHT, N - j);

		for (size_t k = 0; k < M; k += t.k) {
			t.k = num_min(BLOCK_K, M - k);
			t.right = right.panels;
			t.right_panel = t.k * PANEL;
			right_copy(
			    &right, dy + k * dy_stride + j, dy_stride, t.k, n);
			for (size_t i = 0; i < K; i += g.M) {
				rows_take(&g, K - i);
				rows_cross(
				    &g, x + k * x_stride + i, x_stride, t.k);
				t.out = dw + i * dw_stride + j;
				rows_train(&g, t, n, 1);
			}
		}
	}
}
