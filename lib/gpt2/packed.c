/* Matrices of a block in training; see packed.h. */
#include "gpt2/packed.h"

#include "sys/num.h"

enum {
	ALIGN = 16,   /* floats in 64 bytes */
	COLUMNS = 256 /* packed by one work item */
};

/* Columns first ... first + N - 1 of tensor i. */
static struct packed_matrix
columns(const struct gpt2_shape *s, size_t i, size_t first, size_t N)
{
	struct gpt2_tensor t = gpt2_block_tensor(s, 0, i);

	return (
	    struct packed_matrix){ t.offset + first, t.cols, t.rows, N, NULL };
}

size_t
packed_lay(struct packed *p, float *memory, const struct gpt2_shape *s,
    enum ops_precision precision, bool top)
{
	size_t C = s->C, used = 0;
	struct packed_matrix *m = p->matrices;

	p->precision = precision;
	m[PACKED_QKV] = columns(s, ATTN_WEIGHT, 0, top ? C : 3 * C);
	m[PACKED_KV] = columns(s, ATTN_WEIGHT, C, top ? 2 * C : 0);
	m[PACKED_PROJ] = columns(s, ATTN_PROJ_WEIGHT, 0, C);
	m[PACKED_FC] = columns(s, FC_WEIGHT, 0, 4 * C);
	m[PACKED_MLP] = columns(s, MLP_PROJ_WEIGHT, 0, C);
	for (size_t i = 0; i < PACKED_MATRICES; i++) {
		size_t there = ops_packed_size(precision, m[i].K, m[i].N);
		size_t back = ops_packed_size(precision, m[i].N, m[i].K);

		m[i].weights = memory ? memory + used : NULL;
		used += num_round(num_max(there, back), ALIGN);
	}
	return used;
}

/* Results of a product with the matrix, or with its transpose. */
static size_t
outputs(const struct packed_matrix *m, bool back)
{
	return m->N == 0 ? 0 : back ? m->K : m->N;
}

static size_t
items(const struct packed_matrix *m, bool back)
{
	return (outputs(m, back) + COLUMNS - 1) / COLUMNS;
}

size_t
packed_items(const struct packed *p, bool back)
{
	size_t n = 0;

	for (size_t i = 0; i < PACKED_MATRICES; i++)
		n += items(&p->matrices[i], back);
	return n;
}

void
packed_make(const struct packed *p, const float *w, bool back, size_t i)
{
	const struct packed_matrix *m = p->matrices;
	size_t j, n;

	for (; i >= items(m, back); m++)
		i -= items(m, back);
	j = i * COLUMNS;
	n = num_min(COLUMNS, outputs(m, back) - j);
	w += m->offset;
	if (back)
		ops_pack_transposed(
		    m->weights + ops_packed_size(p->precision, m->N, j),
		    w + j * m->stride, m->stride, p->precision, m->N, n);
	else
		ops_pack(m->weights + ops_packed_size(p->precision, m->K, j),
		    w + j, m->stride, p->precision, m->K, n);
}

void
packed_forward(const struct packed *p, size_t matrix, float *out,
    size_t out_stride, const float *x, const float *bias, size_t M)
{
	const struct packed_matrix *m = &p->matrices[matrix];

	ops_product(out, out_stride, x, m->K, m->weights, bias, p->precision,
	    OPS_SET, M, m->K, m->N);
}

void
packed_back(const struct packed *p, size_t matrix, float *dx, const float *dy,
    size_t dy_stride, size_t M)
{
	const struct packed_matrix *m = &p->matrices[matrix];

	ops_product(dx, m->K, dy, dy_stride, m->weights, NULL, p->precision,
	    OPS_SET, M, m->N, m->K);
}
