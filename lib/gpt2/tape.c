/* One block in training; see tape.h. */
#include "gpt2/tape.h"

#include <string.h>

#include "sys/num.h"

/* Tensor i of the block. */
static const float *
tensor(const struct tape_block *k, size_t i)
{
	return k->w + gpt2_block_tensor(k->shape, 0, i).offset;
}

/* The range of rows above the attention that belongs to a chunk. */
static size_t
upper(const struct tape_block *k, const struct chunk *c, size_t b)
{
	return k->last_only ? b : c->starts[b];
}

/* y (n rows, C) dropped out, each row at the place of its token. */
static void
drop_rows(
    const struct tape_block *k, float *y, const struct chunk *c, uint32_t site)
{
	struct ops_dropout d = k->dropout;
	size_t C = k->shape->C, stride = num_round(C, 8);

	if (d.rate <= 0)
		return;
	d.site += site;
	for (size_t b = c->b0; b < c->b1; b++) {
		size_t T = c->starts[b + 1] - c->starts[b];
		size_t t = k->last_only ? T - 1 : 0;

		d.row = (uint32_t)(c->first_row + b);
		for (; t < T; t++, y += C)
			ops_dropout(y, &d, t * stride, C);
	}
}

static void
add_rows(float *restrict y, const float *restrict x, size_t n)
{
	for (size_t i = 0; i < n; i++)
		y[i] += x[i];
}

/* Dropout of the attention's weights in record b. */
static struct ops_dropout
attention_dropout(const struct tape_block *k, const struct chunk *c, size_t b)
{
	struct ops_dropout d = k->dropout;

	d.row = (uint32_t)(c->first_row + b);
	return d;
}

/* Queries, keys and values of the chunk. */
static void
forward_qkv(
    const struct tape_block *k, const struct tape *t, const struct chunk *c)
{
	size_t C = k->shape->C;
	size_t m0 = c->starts[c->b0], M = c->starts[c->b1] - m0;
	const float *bias = tensor(k, ATTN_BIAS);
	float *qkv = t->qkv + m0 * 3 * C;

	ops_norm(t->ln1 + m0 * C, t->mean1 + m0, t->rstd1 + m0, t->x + m0 * C,
	    tensor(k, LN_1_WEIGHT), tensor(k, LN_1_BIAS), k->shape->epsilon, M,
	    C);
	if (!k->last_only) {
		packed_forward(k->packed, PACKED_QKV, qkv, 3 * C,
		    t->ln1 + m0 * C, bias, M);
		return;
	}
	packed_forward(
	    k->packed, PACKED_KV, qkv + C, 3 * C, t->ln1 + m0 * C, bias + C, M);
	for (size_t b = c->b0; b < c->b1; b++)
		memcpy(t->last + b * C, t->ln1 + (c->starts[b + 1] - 1) * C,
		    C * sizeof(float));
	packed_forward(k->packed, PACKED_QKV, t->q + c->b0 * C, C,
	    t->last + c->b0 * C, bias, c->b1 - c->b0);
}

/* Where the queries of record b are, and how far apart. */
static float *
queries(const struct tape_block *k, float *q, float *qkv, size_t start,
    size_t b, size_t *stride)
{
	size_t C = k->shape->C;

	*stride = k->last_only ? C : 3 * C;
	return k->last_only ? q + b * C : qkv + start * 3 * C;
}

static void
forward_attention(
    const struct tape_block *k, const struct tape *t, const struct chunk *c)
{
	size_t C = k->shape->C, H = k->shape->H;

	forward_qkv(k, t, c);
	for (size_t b = c->b0; b < c->b1; b++) {
		size_t m = c->starts[b], T = c->starts[b + 1] - m, stride;
		const float *q = queries(k, t->q, t->qkv, m, b, &stride);
		const float *kv = t->qkv + m * 3 * C + C;
		struct ops_dropout d = attention_dropout(k, c, b);

		ops_attention(t->att + upper(k, c, b) * C, C, q, stride, kv,
		    kv + C, 3 * C, d.rate > 0 ? &d : NULL, c->scratch,
		    k->last_only ? T - 1 : 0, T, H, C / H);
	}
}

/* x2 = x + drop(att w + b), for the rows above the attention. */
static void
forward_residual(
    const struct tape_block *k, const struct tape *t, const struct chunk *c)
{
	size_t C = k->shape->C;
	size_t r0 = upper(k, c, c->b0), R = upper(k, c, c->b1) - r0;
	float *x2 = t->x2 + r0 * C;

	packed_forward(k->packed, PACKED_PROJ, x2, C, t->att + r0 * C,
	    tensor(k, ATTN_PROJ_BIAS), R);
	drop_rows(k, x2, c, 1);
	if (!k->last_only) {
		add_rows(x2, t->x + r0 * C, R * C);
		return;
	}
	for (size_t b = c->b0; b < c->b1; b++)
		add_rows(t->x2 + b * C, t->x + (c->starts[b + 1] - 1) * C, C);
}

void
tape_forward(
    const struct tape_block *k, const struct tape *t, const struct chunk *c)
{
	size_t C = k->shape->C;
	size_t r0 = upper(k, c, c->b0), R = upper(k, c, c->b1) - r0;
	float *out = t->out + r0 * C;

	forward_attention(k, t, c);
	forward_residual(k, t, c);
	ops_norm(t->ln2 + r0 * C, t->mean2 + r0, t->rstd2 + r0, t->x2 + r0 * C,
	    tensor(k, LN_2_WEIGHT), tensor(k, LN_2_BIAS), k->shape->epsilon, R,
	    C);
	packed_forward(k->packed, PACKED_FC, t->fc + r0 * 4 * C, 4 * C,
	    t->ln2 + r0 * C, tensor(k, FC_BIAS), R);
	ops_gelu(t->act + r0 * 4 * C, t->fc + r0 * 4 * C, R * 4 * C);
	packed_forward(k->packed, PACKED_MLP, out, C, t->act + r0 * 4 * C,
	    tensor(k, MLP_PROJ_BIAS), R);
	drop_rows(k, out, c, 2);
	add_rows(out, t->x2 + r0 * C, R * C);
}

/* From dout (R, C) back to the gradient of x2, in place. */
static void
backward_mlp(const struct tape_block *k, const struct tape *t,
    const struct slope *s, const struct chunk *c, float *dout)
{
	size_t C = k->shape->C;
	size_t r0 = upper(k, c, c->b0), R = upper(k, c, c->b1) - r0;
	float *dfc = s->fc + r0 * 4 * C;

	memcpy(s->mlp + r0 * C, dout, R * C * sizeof(float));
	drop_rows(k, s->mlp + r0 * C, c, 2);
	packed_back(k->packed, PACKED_MLP, dfc, s->mlp + r0 * C, C, R);
	ops_gelu_input(dfc, dfc, t->fc + r0 * 4 * C, R * 4 * C);
	packed_back(k->packed, PACKED_FC, s->ln2 + r0 * C, dfc, 4 * C, R);
	ops_norm_input(dout, s->ln2 + r0 * C, t->x2 + r0 * C, t->mean2 + r0,
	    t->rstd2 + r0, tensor(k, LN_2_WEIGHT), R, C);
}

/* From dx2 (R, C) to queries, keys and values. */
static void
backward_attention(const struct tape_block *k, const struct tape *t,
    const struct slope *s, const struct chunk *c, const float *dx2)
{
	size_t C = k->shape->C, H = k->shape->H;
	size_t r0 = upper(k, c, c->b0), R = upper(k, c, c->b1) - r0;

	memcpy(s->proj + r0 * C, dx2, R * C * sizeof(float));
	drop_rows(k, s->proj + r0 * C, c, 1);
	packed_back(
	    k->packed, PACKED_PROJ, s->att + r0 * C, s->proj + r0 * C, C, R);
	for (size_t b = c->b0; b < c->b1; b++) {
		size_t m = c->starts[b], T = c->starts[b + 1] - m, stride;
		const float *q = queries(k, t->q, t->qkv, m, b, &stride);
		float *dq = queries(k, s->q, s->qkv, m, b, &stride);
		const float *kv = t->qkv + m * 3 * C + C;
		float *dkv = s->qkv + m * 3 * C + C;
		struct ops_dropout d = attention_dropout(k, c, b);

		ops_attention_input(dq, dkv, dkv + C,
		    s->att + upper(k, c, b) * C, C, q, stride, kv, kv + C,
		    3 * C, d.rate > 0 ? &d : NULL, c->scratch,
		    k->last_only ? T - 1 : 0, T, H, C / H);
	}
}

/* From queries, keys and values to the output of ln_1. */
static void
backward_qkv(
    const struct tape_block *k, const struct slope *s, const struct chunk *c)
{
	size_t C = k->shape->C;
	size_t m0 = c->starts[c->b0], M = c->starts[c->b1] - m0;
	const float *qkv = s->qkv + m0 * 3 * C;
	float *ln1 = s->ln1 + m0 * C;

	if (!k->last_only) {
		packed_back(k->packed, PACKED_QKV, ln1, qkv, 3 * C, M);
		return;
	}
	packed_back(k->packed, PACKED_KV, ln1, qkv + C, 3 * C, M);
	/* s->att is free again: (B, C) for what the queries add. */
	packed_back(k->packed, PACKED_QKV, s->att + c->b0 * C, s->q + c->b0 * C,
	    C, c->b1 - c->b0);
	for (size_t b = c->b0; b < c->b1; b++)
		add_rows(
		    s->ln1 + (c->starts[b + 1] - 1) * C, s->att + b * C, C);
}

void
tape_backward(const struct tape_block *k, const struct tape *t,
    const struct slope *s, const struct chunk *c, bool want_input)
{
	size_t C = k->shape->C;
	size_t m0 = c->starts[c->b0], M = c->starts[c->b1] - m0;
	float *d = k->last_only ? s->out + c->b0 * C : s->x + m0 * C;

	backward_mlp(k, t, s, c, d);
	backward_attention(k, t, s, c, d);
	backward_qkv(k, s, c);
	if (!want_input)
		return;
	if (k->last_only) {
		memset(s->x + m0 * C, 0, M * C * sizeof(float));
		for (size_t b = c->b0; b < c->b1; b++)
			memcpy(s->x + (c->starts[b + 1] - 1) * C,
			    s->out + b * C, C * sizeof(float));
	}
	ops_norm_input(s->x + m0 * C, s->ln1 + m0 * C, t->x + m0 * C,
	    t->mean1 + m0, t->rstd1 + m0, tensor(k, LN_1_WEIGHT), M, C);
}

/*
 * The matrices are cut into pieces, a work item each, so large that copying x
 * and dy for the product hardly counts, larger where few threads share them;
 * the last item has all the vectors.
 */
enum { PIECE_ROWS = 384, PIECE_COLS = 256, FEW_THREADS = 4 };

static const int matrices[] = { ATTN_WEIGHT, ATTN_PROJ_WEIGHT, FC_WEIGHT,
	MLP_PROJ_WEIGHT };

/* Of the gradient of a matrix: rows r0 … r1 - 1 and columns c0 … c1 - 1. */
struct piece {
	float *dw; /* (K, N) all of it */
	size_t K, N;
	size_t r0, r1, c0, c1;
};

static size_t
pieces(size_t n, size_t size)
{
	return (n + size - 1) / size;
}

/* How many times a piece is as long and wide. */
static size_t
piece_scale(const struct tape_block *k)
{
	return k->threads <= FEW_THREADS ? 2 : 1;
}

static size_t
matrix_items(const struct tape_block *k, int index)
{
	struct gpt2_tensor t = gpt2_block_tensor(k->shape, 0, (size_t)index);
	size_t scale = piece_scale(k);

	return pieces(t.rows, scale * PIECE_ROWS) *
	       pieces(t.cols, scale * PIECE_COLS);
}

size_t
tape_weight_items(const struct tape_block *k)
{
	size_t n = 1;

	for (size_t i = 0; i < 4; i++)
		n += matrix_items(k, matrices[i]);
	return n;
}

static struct piece
piece_at(const struct tape_block *k, float *grad, int index, size_t item)
{
	struct gpt2_tensor t = gpt2_block_tensor(k->shape, 0, (size_t)index);
	size_t rows = piece_scale(k) * PIECE_ROWS;
	size_t cols = piece_scale(k) * PIECE_COLS;
	size_t across = pieces(t.cols, cols);
	struct piece p = { .dw = grad + t.offset, .K = t.rows, .N = t.cols };

	p.r0 = item / across * rows;
	p.r1 = num_min(p.r0 + rows, p.K);
	p.c0 = item % across * cols;
	p.c1 = num_min(p.c0 + cols, p.N);
	return p;
}

/*
 * dw (K, N) += x^T dy, from x (M, K) and dy (M, .), where the piece and the
 * columns c0 … c1 - 1 meet.
 */
static void
add_weight(struct piece p, const float *x, const float *dy, size_t dy_stride,
    size_t M, size_t c0, size_t c1, enum ops_precision precision)
{
	c0 = num_max(c0, p.c0);
	c1 = num_min(c1, p.c1);
	if (c0 < c1)
		ops_linear_weight(p.dw + p.r0 * p.N + c0, p.N, x + p.r0, p.K,
		    dy + c0, dy_stride, precision, M, p.r1 - p.r0, c1 - c0);
}

/* Returns false past the last matrix. */
static bool
add_matrix(const struct tape_block *k, float *grad, const struct tape *t,
    const struct slope *s, size_t M, size_t B, size_t item)
{
	size_t C = k->shape->C, R = k->last_only ? B : M, m = 0;
	struct piece p;

	for (; m < 4 && item >= matrix_items(k, matrices[m]); m++)
		item -= matrix_items(k, matrices[m]);
	if (m == 4)
		return false;
	p = piece_at(k, grad, matrices[m], item);
	switch (matrices[m]) {
	case ATTN_WEIGHT:
		/* In the top block, queries come of other rows. */
		if (k->last_only)
			add_weight(p, t->last, s->q, C, B, 0, C, k->precision);
		add_weight(p, t->ln1, s->qkv, 3 * C, M, k->last_only ? C : 0,
		    3 * C, k->precision);
		break;
	case ATTN_PROJ_WEIGHT:
		add_weight(p, t->att, s->proj, C, R, 0, C, k->precision);
		break;
	case FC_WEIGHT:
		add_weight(p, t->ln2, s->fc, 4 * C, R, 0, 4 * C, k->precision);
		break;
	default:
		add_weight(p, t->act, s->mlp, C, R, 0, C, k->precision);
	}
	return true;
}

static void
add_vectors(const struct tape_block *k, float *grad, const struct tape *t,
    const struct slope *s, size_t M, size_t B)
{
	size_t C = k->shape->C, R = k->last_only ? B : M;
	size_t skip = k->last_only ? C : 0;
	float *g[BLOCK_TENSORS];

	for (size_t i = 0; i < BLOCK_TENSORS; i++)
		g[i] = grad + gpt2_block_tensor(k->shape, 0, i).offset;
	ops_norm_weight(g[LN_1_WEIGHT], g[LN_1_BIAS], s->ln1, t->x, t->mean1,
	    t->rstd1, M, C);
	ops_norm_weight(g[LN_2_WEIGHT], g[LN_2_BIAS], s->ln2, t->x2, t->mean2,
	    t->rstd2, R, C);
	ops_linear_bias(
	    g[ATTN_BIAS] + skip, s->qkv + skip, 3 * C, M, 3 * C - skip);
	if (k->last_only)
		ops_linear_bias(g[ATTN_BIAS], s->q, C, B, C);
	ops_linear_bias(g[ATTN_PROJ_BIAS], s->proj, C, R, C);
	ops_linear_bias(g[FC_BIAS], s->fc, 4 * C, R, 4 * C);
	ops_linear_bias(g[MLP_PROJ_BIAS], s->mlp, C, R, C);
}

void
tape_weight(const struct tape_block *k, float *grad, const struct tape *t,
    const struct slope *s, size_t M, size_t B, size_t i)
{
	if (!add_matrix(k, grad, t, s, M, B, i))
		add_vectors(k, grad, t, s, M, B);
}
