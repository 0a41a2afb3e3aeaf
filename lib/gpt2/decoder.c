/* Decoding with cached keys and values; see decoder.h. */
#include "gpt2/decoder.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2/decoder_parts.h"
#include "gpt2/forward.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

size_t
gpt2_decoder_cache(const struct gpt2_decoder *d, size_t room)
{
	return d->shape.L * room * 2 * d->shape.C * (keeps_half(d) ? 2 : 4);
}

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
static const void *
head_keys(const struct gpt2_decoder *d, size_t layer, const struct gpt2_turn *t,
    size_t row, size_t head)
{
	const struct gpt2_sequence *s = t->sequence;
	size_t H = d->shape.H, D = d->shape.C / H;
	size_t place = 2 * D * (keeps_half(d) ? 2 : 4); /* bytes of a token */
	char *kept = (char *)s->cache + (layer * H + head) * s->room * place;

	if (head + 1 < H)
		fetch(kept + s->room * place, s->length * place);
	keep_keys(d, t, row, head * D, kept + s->length * place);
	return kept;
}

/* Attention of one head, whose new rows are from row on. */
static void
attend_head(const struct gpt2_decoder *d, const struct gpt2_turn *t, size_t row,
    size_t head, const void *kept, size_t worker)
{
	size_t C = d->shape.C, D = C / d->shape.H;
	size_t length = t->sequence->length, T = length + t->n;
	float *out = d->att + row * C + head * D;
	const float *q = d->qkv + row * 3 * C + head * D;
	const float *keys = kept;
	float *scores = d->scores + worker * d->n_positions;

	if (keeps_half(d) && t->n == 1) {
		const uint16_t *k = kept;

		ops_attention_half(out, q, k, k + D, 2 * D, scores, T, D);
		return;
	}
	if (keeps_half(d)) {
		float *whole = d->keys + worker * d->n_positions * 2 * D;

		ops_from_half(whole, kept, T * 2 * D);
		keys = whole;
	}
	ops_attention(out, C, q, 3 * C, keys, keys + D, 2 * D, NULL, scores,
	    length, T, 1, D);
}

static void
attend_heads(void *arg, size_t i, size_t worker)
{
	const struct attend *a = arg;
	const struct gpt2_decoder *d = a->d;
	size_t b = i / a->tasks, row = d->starts[b];
	size_t first = i % a->tasks * a->heads;
	size_t end = num_min(first + a->heads, d->shape.H);
	const struct gpt2_turn *t = &a->turns[b];

	for (size_t h = first; h < end; h++)
		attend_head(
		    d, t, row, h, head_keys(d, a->layer, t, row, h), worker);
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
