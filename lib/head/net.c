/* A head at work; see net.h. */
#include "head/net.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "gpt2/forward.h"
#include "ops/ops.h"
#include "sys/num.h"
#include "sys/why.h"

struct head_net {
	struct gpt2_shape shape;
	size_t cut, K;
	enum head_pool pool;
	float temperature;
	struct gpt2_block **blocks; /* (L - cut) */
	float *norm;		    /* (2, C): weight and bias of ln_f */
	float *score;		    /* packed (C, K) */
};

static size_t
blocks(const struct head_net *n)
{
	return n->shape.L - n->cut;
}

/* score.weight is (K, C); the product wants (C, K). */
static int
pack_score(struct head_net *n, const float *score, char *why)
{
	size_t C = n->shape.C, K = n->K;

	n->score = gpt2_floats(ops_packed_size(OPS_F32, C, K), why);
	if (n->score == NULL)
		return -1;
	ops_pack_transposed(n->score, score, C, OPS_F32, C, K);
	return 0;
}

static int
pack(struct head_net *n, const struct head *h, char *why)
{
	size_t C = n->shape.C;

	n->blocks = calloc(blocks(n) + 1, sizeof(struct gpt2_block *));
	n->norm = gpt2_floats(2 * C, why);
	if (!n->blocks || !n->norm) {
		why_memory(why);
		return -1;
	}
	for (size_t i = 0; i < blocks(n); i++) {
		n->blocks[i] = gpt2_block_open(&n->shape,
		    h->top + i * gpt2_block_size(&n->shape), OPS_F32, why);
		if (n->blocks[i] == NULL)
			return -1;
	}
	memcpy(n->norm, h->top + gpt2_top_norm(&n->shape, n->cut),
	    2 * C * sizeof(float));
	return pack_score(n, h->top + gpt2_top_score(&n->shape, n->cut), why);
}

struct head_net *
head_net_open(const struct head *h, char *why)
{
	struct head_net *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return why_memory(why);
	n->shape = h->shape;
	n->cut = h->stream.cut;
	n->K = h->K;
	n->pool = h->pool;
	n->temperature = h->temperature;
	if (pack(n, h, why) < 0) {
		head_net_free(n);
		return NULL;
	}
	return n;
}

void
head_net_free(struct head_net *n)
{
	if (n == NULL)
		return;
	for (size_t i = 0; n->blocks && i < blocks(n); i++)
		gpt2_block_free(n->blocks[i]);
	free(n->blocks);
	free(n->norm);
	free(n->score);
	free(n);
}

/* x (M, C); pooled (B, C); starts (B + 1) as size_t; the blocks' own. */
size_t
head_net_scratch(const struct head_net *n, size_t M, size_t B)
{
	size_t C = n->shape.C;

	return num_round(M * C, 16) + num_round(B * C, 16) +
	       num_round(2 * (B + 1), 16) +
	       gpt2_scratch_size(&n->shape, M, M, false);
}

/* Copies one record's vectors, or only the last of them, as float32. */
static void
copy_vectors(float *to, const struct record *r, bool last, size_t C,
    enum stream_dtype dtype)
{
	size_t skip = last ? (r->n_vectors - 1) * C : 0;
	size_t count = r->n_vectors * C - skip;

	if (dtype == DTYPE_F16)
		ops_from_half(to, (const uint16_t *)r->vectors + skip, count);
	else
		memcpy(
		    to, (const float *)r->vectors + skip, count * sizeof(*to));
}

/* pooled (B, C) of ln_f's outputs: the means of the rows of x (M, C). */
static void
pool_means(const struct head_net *n, float *pooled, float *x,
    const size_t *starts, size_t B)
{
	size_t C = n->shape.C;

	ops_norm(x, NULL, NULL, x, n->norm, n->norm + C, n->shape.epsilon,
	    starts[B], C);
	memset(pooled, 0, B * C * sizeof(*pooled));
	for (size_t b = 0; b < B; b++) {
		float T = (float)(starts[b + 1] - starts[b]);

		for (size_t m = starts[b]; m < starts[b + 1]; m++) {
			for (size_t i = 0; i < C; i++)
				pooled[b * C + i] += x[m * C + i];
		}
		for (size_t i = 0; i < C; i++)
			pooled[b * C + i] /= T;
	}
}

/* The blocks above the cut, the final norm and the pooling. */
static void
run_blocks(const struct head_net *n, float *pooled, float *x,
    const size_t *starts, size_t B, float *scratch)
{
	size_t C = n->shape.C, full = blocks(n);

	if (n->pool == HEAD_LAST && full > 0)
		full--;
	for (size_t i = 0; i < full; i++)
		gpt2_block_run(n->blocks[i], x, starts, NULL, B, scratch);
	if (n->pool == HEAD_MEAN) {
		pool_means(n, pooled, x, starts, B);
		return;
	}
	if (blocks(n) > 0)
		gpt2_block_run_last(
		    n->blocks[full], pooled, x, starts, B, scratch);
	ops_norm(pooled, NULL, NULL, pooled, n->norm, n->norm + C,
	    n->shape.epsilon, B, C);
}

static void
log_softmax(float *z, size_t K, float temperature)
{
	double most = -INFINITY, sum = 0;

	for (size_t k = 0; k < K; k++)
		most = fmax(most, (double)(z[k] /= temperature));
	for (size_t k = 0; k < K; k++)
		sum += exp((double)z[k] - most);
	for (size_t k = 0; k < K; k++)
		z[k] = (float)((double)z[k] - most - log(sum));
}

void
head_net_run(const struct head_net *n, float *logp,
    struct record *const *records, size_t B, size_t M, enum stream_dtype dtype,
    float *scratch)
{
	size_t C = n->shape.C, K = n->K;
	bool probe = blocks(n) == 0 && n->pool == HEAD_LAST;
	float *x = scratch;			  /* (M, C) */
	float *pooled = x + num_round(M * C, 16); /* (B, C) */
	float *rest = pooled + num_round(B * C, 16);
	size_t *starts = (size_t *)(void *)rest; /* (B + 1) */

	starts[0] = 0;
	for (size_t b = 0; b < B; b++) {
		starts[b + 1] = starts[b] + records[b]->n_tokens;
		copy_vectors(probe ? pooled + b * C : x + starts[b] * C,
		    records[b], probe, C, dtype);
	}
	run_blocks(n, pooled, x, starts, B, rest + num_round(2 * (B + 1), 16));
	ops_product(
	    logp, K, pooled, C, n->score, NULL, OPS_F32, OPS_SET, B, C, K);
	for (size_t b = 0; b < B; b++)
		log_softmax(logp + b * K, K, n->temperature);
}

void
head_join_add(struct head_join *j, const float *logp)
{
	if (j->parts++ == 0)
		memset(j->sum, 0, j->K * sizeof(*j->sum));
	for (size_t k = 0; k < j->K; k++)
		j->sum[k] += (double)logp[k];
}

void
head_join_end(struct head_join *j, double *p)
{
	double most = -INFINITY, sum = 0;

	for (size_t k = 0; k < j->K; k++)
		most = fmax(most, j->sum[k] /= (double)j->parts);
	for (size_t k = 0; k < j->K; k++)
		sum += p[k] = exp(j->sum[k] - most);
	for (size_t k = 0; k < j->K; k++)
		p[k] /= sum;
	j->parts = 0;
}

size_t
head_best(const double *p, size_t K)
{
	size_t best = 0;

	for (size_t k = 1; k < K; k++) {
		if (p[k] > p[best])
			best = k;
	}
	return best;
}
