/* Decoding with cached keys and values; see decoder.h. */
#include "gpt2/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "gpt2/forward.h"
#include "gpt2/matrix.h"
#include "gpt2/model.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { MATRICES = 4, QKV = 0, PROJ, FC, MLP }; /* of a block */

struct layer {
	struct matrix matrices[MATRICES];
	float *packed;	      /* all of these, for the sake of large pages */
	float *norm1, *norm2; /* (2, C): weight, bias */
};

struct gpt2_decoder {
	struct gpt2_shape shape;
	size_t V, n_positions;
	enum ops_precision precision;
	struct team *team;
	struct layer *layers; /* (L) */
	struct matrix logits; /* (C, V), its bias zeros */
	float *wte, *wpe;     /* (V, C), (n_positions, C) */
	float *norm_f;	      /* (2, C) */

	/* For M tokens at once, R rows of logits. */
	size_t M, R;
	float *x, *y;	 /* (M, C) */
	float *qkv, *fc; /* (M, 3C), (M, 4C) */
	float *att;	 /* (M, C) */
	float *left;	 /* of a product, made ready */
	float *last;	 /* (R, C) */
	float *scores;	 /* (workers, n_positions) */
	float *keys;	 /* (workers, n_positions, 2D) where kept as float16 */
	size_t *starts;	 /* (turns + 1) first row of each */
	size_t starts_room;
};

static bool
keeps_half(const struct gpt2_decoder *d)
{
	return d->precision != OPS_F32;
}

/* ---- loading ---- */

/* The tensors of a block that matrix i is made of. */
static const size_t weight_of[MATRICES] = { [QKV] = ATTN_WEIGHT,
	[PROJ] = ATTN_PROJ_WEIGHT,
	[FC] = FC_WEIGHT,
	[MLP] = MLP_PROJ_WEIGHT };

static int
layer_open(const struct gpt2_decoder *d, size_t l, char *why)
{
	struct layer *layer = &d->layers[l];
	ptrdiff_t size = 0, at[MATRICES];

	layer->norm1 = gpt2_floats(2 * d->shape.C, why);
	layer->norm2 = gpt2_floats(2 * d->shape.C, why);
	if (layer->norm1 == NULL || layer->norm2 == NULL)
		return -1;
	for (size_t i = 0; i < MATRICES; i++) {
		struct gpt2_tensor t =
		    gpt2_block_tensor(&d->shape, l, weight_of[i]);
		ptrdiff_t n = matrix_open(&layer->matrices[i], t.rows, t.cols,
		    d->precision, team_size(d->team), why);

		if (n < 0)
			return -1;
		at[i] = size;
		size += n;
	}
	if ((layer->packed = gpt2_floats((size_t)size, why)) == NULL)
		return -1;
	for (size_t i = 0; i < MATRICES; i++)
		layer->matrices[i].packed = layer->packed + at[i];
	return 0;
}

static int
open_memory(struct gpt2_decoder *d, char *why)
{
	size_t C = d->shape.C;
	ptrdiff_t n;

	d->layers = calloc(d->shape.L, sizeof(*d->layers));
	d->wte = gpt2_floats(d->V * C, why);
	d->wpe = gpt2_floats(d->n_positions * C, why);
	d->norm_f = gpt2_floats(2 * C, why);
	d->scores = gpt2_floats(team_size(d->team) * d->n_positions, why);
	if (keeps_half(d))
		d->keys = gpt2_floats(
		    team_size(d->team) * d->n_positions * 2 * C / d->shape.H,
		    why);
	if (!d->layers || !d->wte || !d->wpe || !d->norm_f || !d->scores ||
	    (keeps_half(d) && !d->keys))
		return -1;
	for (size_t l = 0; l < d->shape.L; l++) {
		if (layer_open(d, l, why) < 0)
			return -1;
	}
	n = matrix_open(
	    &d->logits, C, d->V, d->precision, team_size(d->team), why);
	if (n < 0 || (d->logits.packed = gpt2_floats((size_t)n, why)) == NULL)
		return -1;
	return 0;
}

/* One reading of all tensors; tasks are layers, then slices of the logits. */
struct load {
	struct gpt2_decoder *d;
	const struct checkpoint *checkpoint;
	float **whole, **slice; /* (workers) a matrix, one of the logits */
	char (*whys)[WHYSZ];	/* (layers) "" where all went well */
};

static int
load_vector(const struct load *l, float *out, struct gpt2_tensor t, char *why)
{
	return checkpoint_read(l->checkpoint, t.name, 1, t.cols, out, why);
}

static int
load_matrix(const struct load *l, struct matrix *m, size_t layer, size_t i,
    size_t worker, char *why)
{
	struct gpt2_tensor w = gpt2_block_tensor(&l->d->shape, layer, i);
	float *whole = l->whole[worker];

	if (checkpoint_read(l->checkpoint, w.name, w.rows, w.cols, whole, why) <
	    0)
		return -1;
	matrix_pack_all(m, whole, l->d->precision);
	return load_vector(
	    l, m->bias, gpt2_block_tensor(&l->d->shape, layer, i + 1), why);
}

static void
load_layer(void *arg, size_t i, size_t worker)
{
	const struct load *l = arg;
	const struct gpt2_shape *s = &l->d->shape;
	struct layer *layer = &l->d->layers[i];
	size_t C = s->C;
	char *why = l->whys[i];

	for (size_t k = 0; k < MATRICES; k++) {
		if (load_matrix(l, &layer->matrices[k], i, weight_of[k], worker,
			why) < 0)
			return;
	}
	if (load_vector(l, layer->norm1, gpt2_block_tensor(s, i, LN_1_WEIGHT),
		why) == 0 &&
	    load_vector(l, layer->norm1 + C, gpt2_block_tensor(s, i, LN_1_BIAS),
		why) == 0 &&
	    load_vector(l, layer->norm2, gpt2_block_tensor(s, i, LN_2_WEIGHT),
		why) == 0)
		load_vector(l, layer->norm2 + C,
		    gpt2_block_tensor(s, i, LN_2_BIAS), why);
}

/* logits = wte h: the slice's columns are wte's rows. */
static void
load_logits(void *arg, size_t i, size_t worker)
{
	const struct load *l = arg;
	const struct matrix *m = &l->d->logits;
	size_t j = i * m->width, n = matrix_columns(m, i);
	float *slice = l->slice[worker];

	for (size_t v = 0; v < n; v++) {
		const float *row = l->d->wte + (j + v) * m->K;

		for (size_t k = 0; k < m->K; k++)
			slice[k * n + v] = row[k];
	}
	matrix_pack(m, i, slice, n, l->d->precision);
}

static int
load_all(struct load *l, char *why)
{
	struct gpt2_decoder *d = l->d;
	size_t C = d->shape.C, L = d->shape.L;

	for (size_t i = 0; i < team_size(d->team); i++) {
		l->whole[i] = gpt2_floats(4 * C * C, why);
		l->slice[i] = gpt2_floats(C * MATRIX_COLUMNS, why);
		if (l->whole[i] == NULL || l->slice[i] == NULL)
			return -1;
	}
	if (checkpoint_read(l->checkpoint, "wte.weight", d->V, C, d->wte, why) <
		0 ||
	    checkpoint_read(l->checkpoint, "wpe.weight", d->n_positions, C,
		d->wpe, why) < 0 ||
	    checkpoint_read(
		l->checkpoint, "ln_f.weight", 1, C, d->norm_f, why) < 0 ||
	    checkpoint_read(
		l->checkpoint, "ln_f.bias", 1, C, d->norm_f + C, why) < 0)
		return -1;
	team_each(d->team, L, load_layer, l);
	for (size_t i = 0; i < L; i++) {
		if (l->whys[i][0] != '\0')
			return why_set(why, "%s", l->whys[i]);
	}
	team_each(d->team, matrix_slices(&d->logits), load_logits, l);
	return 0;
}

static int
load(struct gpt2_decoder *d, const struct checkpoint *checkpoint, char *why)
{
	size_t n = team_size(d->team);
	struct load l = { d, checkpoint, calloc(n, sizeof(float *)),
		calloc(n, sizeof(float *)),
		calloc(d->shape.L, sizeof(*l.whys)) };
	int rc = -1;

	if (l.whole && l.slice && l.whys)
		rc = load_all(&l, why);
	else
		why_memory(why);
	for (size_t i = 0; l.whole && l.slice && i < n; i++) {
		free(l.whole[i]);
		free(l.slice[i]);
	}
	free(l.whole);
	free(l.slice);
	free(l.whys);
	return rc;
}

struct gpt2_decoder *
gpt2_decoder_open(const struct checkpoint *checkpoint,
    enum ops_precision precision, struct team *team, char *why)
{
	const struct checkpoint_config *c = checkpoint_config(checkpoint);
	struct gpt2_decoder *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return why_memory(why);
	d->shape = gpt2_shape(c);
	d->V = c->vocab_size;
	d->n_positions = c->n_positions;
	d->precision = precision;
	d->team = team;
	why_memory(why);
	if (open_memory(d, why) == 0 && load(d, checkpoint, why) == 0)
		return d;
	gpt2_decoder_free(d);
	return NULL;
}

void
gpt2_decoder_free(struct gpt2_decoder *d)
{
	if (d == NULL)
		return;
	for (size_t l = 0; d->layers && l < d->shape.L; l++) {
		for (size_t i = 0; i < MATRICES; i++)
			free(d->layers[l].matrices[i].bias);
		free(d->layers[l].packed);
		free(d->layers[l].norm1);
		free(d->layers[l].norm2);
	}
	free(d->layers);
	free(d->logits.packed);
	free(d->logits.bias);
	free(d->wte);
	free(d->wpe);
	free(d->norm_f);
	free(d->scores);
	free(d->keys);
	free(d->left);
	free(d->x);
	free(d->starts);
	free(d->last);
	free(d);
}

size_t
gpt2_decoder_cache(const struct gpt2_decoder *d, size_t room)
{
	return d->shape.L * room * 2 * d->shape.C * (keeps_half(d) ? 2 : 4);
}

/* ---- running ---- */

/* Rows for M tokens and R wanted ones; x heads one allocation. */
static int
make_room(struct gpt2_decoder *d, size_t M, size_t R, size_t B, char *why)
{
	size_t C = d->shape.C;

	if (M > d->M) {
		free(d->x);
		free(d->left);
		d->M = 0;
		d->x = gpt2_floats(10 * M * C, why);
		d->left =
		    gpt2_floats(ops_left_size(d->precision, M, 4 * C), why);
		if (d->x == NULL || d->left == NULL)
			return -1;
		d->y = d->x + M * C;
		d->qkv = d->y + M * C;
		d->fc = d->qkv + 3 * M * C;
		d->att = d->fc + 4 * M * C;
		d->M = M;
	}
	if (R > d->R) {
		free(d->last);
		d->R = 0;
		if ((d->last = gpt2_floats(R * C, why)) == NULL)
			return -1;
		d->R = R;
	}
	if (B + 1 > d->starts_room) {
		free(d->starts);
		d->starts_room = 0;
		if ((d->starts = calloc(B + 1, sizeof(*d->starts))) == NULL) {
			why_memory(why);
			return -1;
		}
		d->starts_room = B + 1;
	}
	return 0;
}

/* out (M, N) = x m, or where norm (2, C) is given, of x normalised. */
static void
multiply(struct gpt2_decoder *d, float *out, const float *x, const float *norm,
    const struct matrix *m, enum ops_after after, size_t M)
{
	struct matrix_worker worker = { d->team, d->precision, d->left };
	struct matrix_norm n = { norm, d->y, d->shape.epsilon };

	matrix_multiply(&worker, out, x, norm ? &n : NULL, m, after, M);
}

/* Attention of all turns in one layer; a task is some heads of a turn. */
struct attend {
	struct gpt2_decoder *d;
	const struct gpt2_turn *turns;
	size_t layer;
	size_t heads, tasks; /* of a task, of a turn */
};

/* The turn's new keys and values, each key with its value, to (n, 2D). */
static void
keep_keys(const struct gpt2_decoder *d, const struct gpt2_turn *t, size_t row,
    size_t at, void *to)
{
	size_t C = d->shape.C, D = C / d->shape.H;

	for (size_t i = 0; i < 2 * t->n; i++) {
		const float *from =
		    d->qkv + (row + i / 2) * 3 * C + (1 + i % 2) * C + at;

		if (keeps_half(d))
			ops_to_half((uint16_t *)to + i * D, from, D);
		else
			memcpy((float *)to + i * D, from, D * sizeof(float));
	}
}

static void
fetch(const char *p, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 64)
		__builtin_prefetch(p + i, 0, 2);
}

/*
 * All keys of a head with their values (length + n, 2D), the new ones kept.
 * Those of the next head are fetched meanwhile.
 */
static const float *
head_keys(struct gpt2_decoder *d, size_t layer, const struct gpt2_turn *t,
    size_t row, size_t head, size_t worker)
{
	const struct gpt2_sequence *s = t->sequence;
	size_t H = d->shape.H, D = d->shape.C / H;
	size_t place = 2 * D * (keeps_half(d) ? 2 : 4); /* bytes of a token */
	char *kept = (char *)s->cache + (layer * H + head) * s->room * place;
	float *keys;

	if (head + 1 < H)
		fetch(kept + s->room * place, s->length * place);
	keep_keys(d, t, row, head * D, kept + s->length * place);
	if (!keeps_half(d))
		return (const void *)kept;
	keys = d->keys + worker * d->n_positions * 2 * D;
	ops_from_half(keys, (const void *)kept, (s->length + t->n) * 2 * D);
	return keys;
}

static void
attend_heads(void *arg, size_t i, size_t worker)
{
	const struct attend *a = arg;
	struct gpt2_decoder *d = a->d;
	size_t H = d->shape.H, C = d->shape.C, D = C / H;
	size_t b = i / a->tasks, row = d->starts[b];
	size_t first = i % a->tasks * a->heads;
	const struct gpt2_turn *t = &a->turns[b];

	for (size_t h = first; h < num_min(first + a->heads, H); h++) {
		const float *k = head_keys(d, a->layer, t, row, h, worker);

		ops_attention(d->att + row * C + h * D, C,
		    d->qkv + row * 3 * C + h * D, 3 * C, k, k + D, 2 * D, NULL,
		    d->scores + worker * d->n_positions, t->sequence->length,
		    t->sequence->length + t->n, 1, D);
	}
}

/* Tasks of one head, or where there are many, of several. */
static void
attend(struct gpt2_decoder *d, size_t layer, const struct gpt2_turn *turns,
    size_t B)
{
	size_t H = d->shape.H, enough = 16 * team_size(d->team);
	struct attend a = { d, turns, layer,
		num_min(num_max(B * H / enough, 1), H), 0 };

	a.tasks = (H + a.heads - 1) / a.heads;
	team_each(d->team, B * a.tasks, attend_heads, &a);
}

static void
run_layer(struct gpt2_decoder *d, size_t l, const struct gpt2_turn *turns,
    size_t B, size_t M)
{
	const struct layer *layer = &d->layers[l];

	multiply(
	    d, d->qkv, d->x, layer->norm1, &layer->matrices[QKV], OPS_SET, M);
	attend(d, l, turns, B);
	multiply(d, d->x, d->att, NULL, &layer->matrices[PROJ], OPS_ADD, M);
	multiply(
	    d, d->fc, d->x, layer->norm2, &layer->matrices[FC], OPS_GELU, M);
	multiply(d, d->x, d->fc, NULL, &layer->matrices[MLP], OPS_ADD, M);
}

/* x (M, C) = wte[token] + wpe[position]. */
static void
embed(struct gpt2_decoder *d, const struct gpt2_turn *t, size_t row)
{
	size_t C = d->shape.C;

	for (size_t i = 0; i < t->n; i++) {
		const float *token = d->wte + t->tokens[i] * C;
		const float *place = d->wpe + (t->sequence->length + i) * C;
		float *x = d->x + (row + i) * C;

		for (size_t c = 0; c < C; c++)
			x[c] = token[c] + place[c];
	}
}

int
gpt2_decoder_run(struct gpt2_decoder *d, float *logits,
    const struct gpt2_turn *turns, size_t B, char *why)
{
	size_t C = d->shape.C, M = 0, R = 0;

	for (size_t b = 0; b < B; b++) {
		M += turns[b].n;
		R += turns[b].wanted;
	}
	if (make_room(d, M, R, B, why) < 0)
		return -1;
	d->starts[0] = 0;
	for (size_t b = 0; b < B; b++) {
		embed(d, &turns[b], d->starts[b]);
		d->starts[b + 1] = d->starts[b] + turns[b].n;
	}
	for (size_t l = 0; l < d->shape.L; l++)
		run_layer(d, l, turns, B, M);
	R = 0;
	for (size_t b = 0; b < B; b++) {
		const struct gpt2_turn *t = &turns[b];

		memcpy(d->last + R * C,
		    d->x + (d->starts[b + 1] - t->wanted) * C,
		    t->wanted * C * sizeof(float));
		R += t->wanted;
		t->sequence->length += t->n;
	}
	if (R > 0)
		multiply(d, logits, d->last, d->norm_f, &d->logits, OPS_SET, R);
	return 0;
}
