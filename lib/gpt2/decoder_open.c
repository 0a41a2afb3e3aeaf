/* Reading and packing a decoder's model; see decoder.h. */
#include <stdlib.h>

#include "checkpoint/checkpoint.h"
#include "gpt2/decoder.h"
#include "gpt2/decoder_parts.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "sys/team.h"
#include "sys/why.h"

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
