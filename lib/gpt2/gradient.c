/* Loss and gradient of everything above the cut; see gradient.h. */
#include "gpt2/gradient.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2/forward.h"
#include "gpt2/tape.h"
#include "ops/ops.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum {
	WAVE_TOKENS = 2048,
	CHUNK_TOKENS = 64, /* fewer are not worth a thread of their own */
	MOST_WAVE_BYTES = 400 << 20
};

struct gpt2_gradient {
	struct gpt2_top top;
	struct team *team;
	size_t tokens; /* room for in a wave */
	float *memory;
	struct tape *tapes; /* (L - cut) */
	struct slope slope;
	float *scratch;		/* (threads, 3 longest) */
	float *y, *mean, *rstd; /* what ln_f reads: (R, C), (R), (R) */
	float *ln_f;		/* (R, C) */
	float *pooled;		/* (B, C) */
	float *dpooled;		/* (B, C) */
	float *dln_f;		/* (R, C) */
	float *logits;		/* (B, K), then their gradient */
	float *score;		/* the classifier, packed (K, C) */
	float *score_back;	/* its transpose, packed (C, K) */
	size_t longest;

	/* The wave at work. */
	const float *w; /* all parameters */
	float *grad;
	const struct gpt2_row *rows;
	size_t B, first_row;
	size_t *starts;	      /* (B + 1) */
	struct chunk *chunks; /* as many as threads, or fewer */
	size_t n_chunks;
	size_t at; /* the block at work, from the cut */
	struct tape_block block;
	struct packed packed; /* its matrices, for one direction */
	float *packed_memory;
	bool back;
	struct ops_dropout dropout;
	double *losses; /* (B) */
};

/* Hands out pieces of one allocation; with memory NULL it only counts. */
struct pool {
	float *memory;
	size_t used;
};

static float *
take(struct pool *p, size_t n)
{
	size_t at = p->used;

	p->used += num_round(n, 16);
	return p->memory ? p->memory + at : NULL;
}

static size_t
blocks(const struct gpt2_gradient *g)
{
	return g->top.shape.L - g->top.cut;
}

static bool
last_only(const struct gpt2_gradient *g, size_t block)
{
	return !g->top.mean && block + 1 == blocks(g);
}

/* The tape of one block: R rows above the attention, R = M at most. */
static void
lay_tape(struct pool *p, struct tape *t, size_t M, size_t C, bool last)
{
	t->mean1 = take(p, M);
	t->rstd1 = take(p, M);
	t->ln1 = take(p, M * C);
	t->last = take(p, last ? M * C : 0);
	t->q = take(p, last ? M * C : 0);
	t->qkv = take(p, M * 3 * C);
	t->att = take(p, M * C);
	t->x2 = take(p, M * C);
	t->mean2 = take(p, M);
	t->rstd2 = take(p, M);
	t->ln2 = take(p, M * C);
	t->fc = take(p, M * 4 * C);
	t->act = take(p, M * 4 * C);
	t->out = take(p, M * C);
}

static void
lay_slope(struct pool *p, struct slope *s, size_t M, size_t C)
{
	s->x = take(p, M * C);
	s->out = take(p, M * C);
	s->mlp = take(p, M * C);
	s->fc = take(p, M * 4 * C);
	s->ln2 = take(p, M * C);
	s->proj = take(p, M * C);
	s->att = take(p, M * C);
	s->q = take(p, M * C);
	s->qkv = take(p, M * 3 * C);
	s->ln1 = take(p, M * C);
}

/* Points everything into the pool; a block's output is the next one's x. */
static void
lay_out(struct gpt2_gradient *g, struct pool *p)
{
	size_t M = g->tokens, C = g->top.shape.C;
	float *x = take(p, M * C);

	for (size_t i = 0; i < blocks(g); i++) {
		g->tapes[i].x = x;
		lay_tape(p, &g->tapes[i], M, C, last_only(g, i));
		x = g->tapes[i].out;
	}
	lay_slope(p, &g->slope, M, C);
	g->y = x;
	g->mean = take(p, M);
	g->rstd = take(p, M);
	g->ln_f = take(p, M * C);
	g->pooled = take(p, M * C);
	g->dpooled = take(p, M * C);
	g->dln_f = take(p, M * C);
	g->logits = take(p, M * g->top.K);
	g->score = take(p, ops_packed_size(OPS_F32, g->top.K, C));
	g->score_back = take(p, ops_packed_size(OPS_F32, C, g->top.K));
}

/*
 * Tokens that a wave may have, so that its memory stays within bounds: the
 * same with any number of threads, since gradients are summed wave by wave.
 */
static size_t
wave_tokens(struct gpt2_gradient *g)
{
	struct pool p = { NULL, 0 };
	size_t fit;

	g->tokens = WAVE_TOKENS;
	lay_out(g, &p);
	fit = MOST_WAVE_BYTES / (p.used * sizeof(float) / WAVE_TOKENS + 1);
	return num_max(num_min(fit, WAVE_TOKENS), g->longest);
}

/* Floats for the packed matrices of any block. */
static size_t
packed_size(const struct gpt2_top *top)
{
	struct packed p;

	return num_max(packed_lay(&p, NULL, &top->shape, top->precision, false),
	    packed_lay(&p, NULL, &top->shape, top->precision, true));
}

struct gpt2_gradient *
gpt2_gradient_open(
    const struct gpt2_top *top, size_t longest, struct team *team, char *why)
{
	struct gpt2_gradient *g = calloc(1, sizeof(*g));
	struct pool p = { NULL, 0 };

	if (g == NULL)
		return why_memory(why);
	g->top = *top;
	g->team = team;
	g->longest = longest;
	g->tapes = calloc(blocks(g) + 1, sizeof(*g->tapes));
	if (g->tapes) {
		g->tokens = wave_tokens(g);
		lay_out(g, &p);
		g->memory = p.memory = gpt2_floats(p.used, why);
		g->packed_memory = gpt2_floats(packed_size(top), why);
		g->scratch =
		    gpt2_floats(team_size(team) * 3 * num_max(longest, 1), why);
		g->starts = calloc(g->tokens + 1, sizeof(*g->starts));
		g->losses = calloc(g->tokens, sizeof(*g->losses));
		g->chunks = calloc(team_size(team), sizeof(*g->chunks));
	}
	if (!g->memory || !g->packed_memory || !g->scratch || !g->starts ||
	    !g->losses || !g->chunks) {
		why_memory(why);
		gpt2_gradient_free(g);
		return NULL;
	}
	p.used = 0;
	lay_out(g, &p);
	return g;
}

void
gpt2_gradient_free(struct gpt2_gradient *g)
{
	if (g == NULL)
		return;
	free(g->tapes);
	free(g->memory);
	free(g->packed_memory);
	free(g->scratch);
	free(g->starts);
	free(g->losses);
	free(g->chunks);
	free(g);
}

/* Rows that the final norm sees: all tokens, or the last of each record. */
static size_t
final_rows(const struct gpt2_gradient *g, size_t b)
{
	return g->top.mean ? g->starts[b] : b;
}

/* The records' states become the first block's x. */
static void
gather_chunk(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;
	const struct chunk *c = &g->chunks[i];
	size_t C = g->top.shape.C;

	(void)worker;
	for (size_t b = c->b0; b < c->b1; b++) {
		const struct gpt2_row *row = &g->rows[b];
		const char *from = row->states;
		size_t n = row->T * C, size = g->top.half ? 2 : 4;
		float *to = g->y + final_rows(g, b) * C;

		if (blocks(g) > 0)
			to = g->tapes[0].x + g->starts[b] * C;
		else if (!g->top.mean) {
			from += (row->T - 1) * C * size;
			n = C;
		}
		if (g->top.half)
			ops_from_half(to, (const void *)from, n);
		else
			memcpy(to, from, n * sizeof(*to));
	}
}

/* pooled (B, C): the only row of a record, or the mean of its rows. */
static void
pool_rows(struct gpt2_gradient *g, const struct chunk *c)
{
	size_t C = g->top.shape.C;

	for (size_t b = c->b0; b < c->b1; b++) {
		size_t T = g->top.mean ? g->rows[b].T : 1;
		const float *x = g->ln_f + final_rows(g, b) * C;
		float *out = g->pooled + b * C;

		memset(out, 0, C * sizeof(*out));
		for (size_t t = 0; t < T; t++) {
			for (size_t i = 0; i < C; i++)
				out[i] += x[t * C + i];
		}
		for (size_t i = 0; T > 1 && i < C; i++)
			out[i] /= (float)T;
	}
}

/* The gradient of pooled spread over the rows it came from. */
static void
unpool_rows(struct gpt2_gradient *g, const struct chunk *c)
{
	size_t C = g->top.shape.C;

	for (size_t b = c->b0; b < c->b1; b++) {
		size_t T = g->top.mean ? g->rows[b].T : 1;
		float *x = g->dln_f + final_rows(g, b) * C;

		for (size_t t = 0; t < T; t++) {
			for (size_t i = 0; i < C; i++)
				x[t * C + i] = g->dpooled[b * C + i] / (float)T;
		}
	}
}

/* Cross entropy of each record; the logits (K) become their gradient. */
static void
score_rows(struct gpt2_gradient *g, const struct chunk *c)
{
	size_t K = g->top.K;

	for (size_t b = c->b0; b < c->b1; b++) {
		const struct gpt2_row *row = &g->rows[b];
		float *z = g->logits + b * K;
		double hit = (double)z[row->class];
		double sum = ops_softmax(z, z, K);

		g->losses[b] = (double)row->weight * (sum - hit);
		z[row->class] -= 1;
		for (size_t k = 0; k < K; k++)
			z[k] *= row->weight;
	}
}

/* Final norm, pooling, classifier, loss, and back to the last block. */
static void
final_chunk(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;
	const struct chunk *c = &g->chunks[i];
	const struct gpt2_shape *s = &g->top.shape;
	size_t C = s->C, K = g->top.K, B = c->b1 - c->b0;
	size_t r0 = final_rows(g, c->b0), R = final_rows(g, c->b1) - r0;
	const float *norm = g->w + gpt2_top_norm(s, g->top.cut);
	float *dy = (g->top.mean ? g->slope.x : g->slope.out) + r0 * C;

	(void)worker;
	ops_norm(g->ln_f + r0 * C, g->mean + r0, g->rstd + r0, g->y + r0 * C,
	    norm, norm + C, s->epsilon, R, C);
	pool_rows(g, c);
	ops_product(g->logits + c->b0 * K, K, g->pooled + c->b0 * C, C,
	    g->score_back, NULL, OPS_F32, OPS_SET, B, C, K);
	score_rows(g, c);
	ops_product(g->dpooled + c->b0 * C, C, g->logits + c->b0 * K, K,
	    g->score, NULL, OPS_F32, OPS_SET, B, K, C);
	unpool_rows(g, c);
	memset(dy, 0, R * C * sizeof(float));
	ops_norm_input(dy, g->dln_f + r0 * C, g->y + r0 * C, g->mean + r0,
	    g->rstd + r0, norm, R, C);
}

static void
pack_item(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;

	(void)worker;
	packed_make(&g->packed, g->block.w, g->back, i);
}

/* Goes to block i, its matrices packed for the one or the other direction. */
static void
go_to_block(struct gpt2_gradient *g, size_t i, bool back)
{
	const struct gpt2_shape *s = &g->top.shape;

	g->at = i;
	g->back = back;
	g->block = (struct tape_block){ s, g->w + i * gpt2_block_size(s),
		last_only(g, i), team_size(g->team), g->top.precision,
		&g->packed, g->dropout };
	g->block.dropout.site = (uint32_t)(3 * (g->top.cut + i));
	packed_lay(
	    &g->packed, g->packed_memory, s, g->top.precision, last_only(g, i));
	team_each(g->team, packed_items(&g->packed, back), pack_item, g);
}

static void
forward_chunk(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;

	(void)worker;
	tape_forward(&g->block, &g->tapes[g->at], &g->chunks[i]);
}

static void
backward_chunk(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;

	(void)worker;
	tape_backward(
	    &g->block, &g->tapes[g->at], &g->slope, &g->chunks[i], g->at > 0);
}

static void
weight_item(void *arg, size_t i, size_t worker)
{
	struct gpt2_gradient *g = arg;

	(void)worker;
	tape_weight(&g->block, g->grad + g->at * gpt2_block_size(&g->top.shape),
	    &g->tapes[g->at], &g->slope, g->starts[g->B], g->B, i);
}

/* score.weight is (K, C). */
static void
pack_score(struct gpt2_gradient *g)
{
	size_t C = g->top.shape.C, K = g->top.K;
	const float *w = g->w + gpt2_top_score(&g->top.shape, g->top.cut);

	ops_pack(g->score, w, C, OPS_F32, K, C);
	ops_pack_transposed(g->score_back, w, C, OPS_F32, C, K);
}

/* The gradients of ln_f and of the classifier. */
static void
final_weights(struct gpt2_gradient *g)
{
	const struct gpt2_shape *s = &g->top.shape;
	size_t C = s->C;
	float *norm = g->grad + gpt2_top_norm(s, g->top.cut);

	ops_norm_weight(norm, norm + C, g->dln_f, g->y, g->mean, g->rstd,
	    final_rows(g, g->B), C);
	ops_linear_weight(g->grad + gpt2_top_score(s, g->top.cut), C, g->logits,
	    g->top.K, g->pooled, C, OPS_F32, g->B, g->top.K, C);
}

/*
 * Divides the wave's records into chunks of about as many tokens each, one a
 * thread, since each goes through all weights. A row's results are its own,
 * and the weights' gradients are summed over the whole wave: so the division
 * changes no bit.
 */
static void
divide(struct gpt2_gradient *g)
{
	size_t M = g->starts[g->B], b = 0;
	size_t n =
	    num_min((M + CHUNK_TOKENS - 1) / CHUNK_TOKENS, team_size(g->team));

	g->n_chunks = 0;
	for (size_t i = 0; i < n; i++) {
		struct chunk *c = &g->chunks[g->n_chunks];

		c->starts = g->starts;
		c->first_row = g->first_row;
		c->scratch = g->scratch + i * 3 * g->longest;
		c->b0 = b;
		while (b < g->B && g->starts[b] < M * (i + 1) / n)
			b++;
		c->b1 = b;
		g->n_chunks += c->b1 > c->b0;
	}
}

static double
run_wave(struct gpt2_gradient *g)
{
	double loss = 0;

	divide(g);
	team_each(g->team, g->n_chunks, gather_chunk, g);
	for (size_t i = 0; i < blocks(g); i++) {
		go_to_block(g, i, false);
		team_each(g->team, g->n_chunks, forward_chunk, g);
	}
	pack_score(g);
	team_each(g->team, g->n_chunks, final_chunk, g);
	final_weights(g);
	for (size_t i = blocks(g); i-- > 0;) {
		go_to_block(g, i, true);
		team_each(g->team, g->n_chunks, backward_chunk, g);
		team_each(
		    g->team, tape_weight_items(&g->block), weight_item, g);
	}
	for (size_t b = 0; b < g->B; b++)
		loss += g->losses[b];
	return loss;
}

double
gpt2_gradient_run(struct gpt2_gradient *g, float *grad, const float *top,
    const struct gpt2_row *rows, size_t B, float dropout, uint64_t key)
{
	double loss = 0;

	g->w = top;
	g->grad = grad;
	g->dropout = (struct ops_dropout){ .rate = dropout, .key = key };
	for (size_t b = 0; b < B; b += g->B) {
		size_t n = 0;

		g->rows = rows + b;
		g->first_row = b;
		while (b + n < B && g->starts[n] + rows[b + n].T <= g->tokens) {
			g->starts[n + 1] = g->starts[n] + rows[b + n].T;
			n++;
		}
		g->B = n;
		loss += run_wave(g);
	}
	return loss;
}
