/* Products in slices; see matrix.h. */
#include "gpt2/matrix.h"

#include <string.h>

#include "gpt2/forward.h"
#include "sys/num.h"
#include "sys/team.h"

enum {
	WIDTH_UNIT = 64, /* widths are multiples of it */
	ROWS_LEAST = 8	 /* to make ready for all slices at once */
};

size_t
matrix_slices(const struct matrix *m)
{
	return (m->N + m->width - 1) / m->width;
}

size_t
matrix_columns(const struct matrix *m, size_t i)
{
	return num_min(m->width, m->N - i * m->width);
}

/* Two slices for each thread, or more where they would be wider than that. */
static size_t
slice_width(size_t N, size_t threads)
{
	size_t n = 2 * threads;

	n *= (N + n * MATRIX_COLUMNS - 1) / (n * MATRIX_COLUMNS);
	return num_round((N + n - 1) / n, WIDTH_UNIT);
}

ptrdiff_t
matrix_open(struct matrix *m, size_t K, size_t N, enum ops_precision precision,
    size_t threads, char *why)
{
	m->K = K;
	m->N = N;
	m->width = slice_width(N, threads);
	m->stride = num_round(ops_packed_size(precision, K, m->width), 16);
	if ((m->bias = gpt2_floats(N, why)) == NULL)
		return -1;
	memset(m->bias, 0, N * sizeof(float));
	return (ptrdiff_t)(matrix_slices(m) * m->stride);
}

void
matrix_pack(const struct matrix *m, size_t i, const float *w, size_t w_stride,
    enum ops_precision precision)
{
	ops_pack(m->packed + i * m->stride, w, w_stride, precision, m->K,
	    matrix_columns(m, i));
}

void
matrix_pack_all(
    const struct matrix *m, const float *w, enum ops_precision precision)
{
	for (size_t i = 0; i < matrix_slices(m); i++)
		matrix_pack(m, i, w + i * m->width, m->N, precision);
}

/* One product. Where there are some rows, all threads make them ready first. */
struct work {
	const struct matrix_worker *worker;
	const struct matrix *m;
	const struct matrix_norm *norm; /* or NULL */
	float *out;
	const float *x;
	enum ops_after after;
	size_t M;
	size_t part; /* rows that a thread makes ready; 0: none */
};

/* Rows first ... end - 1 of x, or of its norm. */
static const float *
norm_rows(const struct work *w, size_t first, size_t end)
{
	size_t K = w->m->K;
	const struct matrix_norm *n = w->norm;

	if (n == NULL)
		return w->x;
	ops_norm(n->y + first * K, NULL, NULL, w->x + first * K, n->w, n->w + K,
	    n->epsilon, end - first, K);
	return n->y;
}

static void
make_ready(void *arg, size_t i, size_t worker)
{
	const struct work *w = arg;
	size_t first = i * w->part, end = num_min(first + w->part, w->M);

	(void)worker;
	if (first < end)
		ops_left(w->worker->left, norm_rows(w, first, end), w->m->K,
		    w->worker->precision, first, end, w->M, w->m->K);
}

static void
multiply_slice(void *arg, size_t i, size_t worker)
{
	const struct work *w = arg;
	const struct matrix *m = w->m;
	size_t j = i * m->width, n = matrix_columns(m, i);
	const float *packed = m->packed + i * m->stride;

	(void)worker;
	if (w->part > 0)
		ops_product_left(w->out + j, m->N, w->worker->left, packed,
		    m->bias + j, w->worker->precision, w->after, w->M, m->K, n);
	else
		ops_product(w->out + j, m->N, w->x, m->K, packed, m->bias + j,
		    w->worker->precision, w->after, w->M, m->K, n);
}

void
matrix_multiply(const struct matrix_worker *worker, float *out, const float *x,
    const struct matrix_norm *norm, const struct matrix *m,
    enum ops_after after, size_t M)
{
	struct work w = { worker, m, norm, out, x, after, M, 0 };
	size_t threads = team_size(worker->team);

	if (M >= ROWS_LEAST) {
		w.part = (M + threads - 1) / threads;
		team_each(worker->team, threads, make_ready, &w);
	} else {
		w.x = norm_rows(&w, 0, M);
	}
	team_each(worker->team, matrix_slices(m), multiply_slice, &w);
}
