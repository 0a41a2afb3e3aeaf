/*
 * The gradient against directional finite differences, on random networks;
 * or, as `gradient STREAM MODEL GOLDEN`, against float64 gradients that
 * PyTorch computed for the records of a stream (tests/gradient.t).
 */
#include "gpt2/gradient.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "head/examples.h"
#include "head/head.h"
#include "sys/team.h"
#include "sys/why.h"
#include "tap.h"

static char why[WHYSZ];

/* Uniform in -1 … 1, the same on every machine. */
static float
noise(void)
{
	static uint64_t state = 1;

	state = state * 6364136223846793005u + 1442695040888963407u;
	return (float)(state >> 40) / (float)(1 << 23) - 1;
}

static void
fill(float *x, size_t n, float mean, float spread)
{
	for (size_t i = 0; i < n; i++)
		x[i] = mean + spread * noise();
}

static void
fill_top(float *w, const struct gpt2_top *top)
{
	for (size_t i = 0; i < gpt2_top_count(&top->shape, top->cut); i++) {
		struct gpt2_tensor t =
		    gpt2_top_tensor(&top->shape, top->cut, top->K, i);
		bool norm = strstr(t.name, "ln_") && strstr(t.name, "weight");

		fill(w + t.offset, t.rows * t.cols, norm, 0.3f);
	}
}

enum { ROWS = 5, LONGEST = 11 };

struct sample {
	struct gpt2_top top;
	struct gpt2_row rows[ROWS];
	struct gpt2_gradient *gradient;
	struct team *team;
	float *w, *grad, *moved, *unused, *states;
	size_t size;
	float dropout;
};

static double
loss(struct sample *s, const float *w, float *grad)
{
	return gpt2_gradient_run(
	    s->gradient, grad, w, s->rows, ROWS, s->dropout, 42);
}

/* Along a direction near each tensor's gradient: analytic, then numeric. */
static void
check_tensor(struct sample *s, size_t i)
{
	struct gpt2_tensor t =
	    gpt2_top_tensor(&s->top.shape, s->top.cut, s->top.K, i);
	size_t n = t.rows * t.cols;
	const float *g = s->grad + t.offset;
	double norm = 0, want = 0, got, up, down, step;
	float *d = malloc(n * sizeof(*d));

	for (size_t k = 0; k < n; k++) {
		d[k] = g[k] * (1 + noise()) + 1e-7f * noise();
		norm += (double)d[k] * (double)d[k];
		want += (double)d[k] * (double)g[k];
	}
	norm = sqrt(norm);
	step = 2e-2;
	for (int sign = -1; sign <= 1; sign += 2) {
		memcpy(s->moved, s->w, s->size * sizeof(float));
		for (size_t k = 0; k < n; k++)
			s->moved[t.offset + k] +=
			    (float)(sign * step / norm) * d[k];
		*(sign < 0 ? &down : &up) = loss(s, s->moved, s->unused);
	}
	got = (up - down) / (2 * step);
	want /= norm;
	ok(fabs(got - want) <= 1e-2 * fabs(want) + 2e-5,
	    "%s: slope %.6f, difference %.6f", t.name, want, got);
	free(d);
}

static void
check_sample(size_t cut, int mean, float dropout)
{
	struct sample s = { .top = { { 3, 2, 16, 1e-5f }, cut, 3, mean, 0,
				OPS_F32 },
		.dropout = dropout };
	size_t at = 0;

	printf("# cut %zu of 3, %s, dropout %g\n", cut,
	    mean ? "mean" : "last token", (double)dropout);
	s.size = gpt2_top_size(&s.top.shape, cut, 3);
	s.w = gpt2_floats(s.size, why);
	s.moved = gpt2_floats(s.size, why);
	s.grad = calloc(s.size, sizeof(float));
	s.unused = calloc(s.size, sizeof(float));
	s.states = calloc(ROWS * LONGEST * 16, sizeof(float));
	s.team = team_open(2, why);
	s.gradient = gpt2_gradient_open(&s.top, LONGEST, s.team, why);
	fill_top(s.w, &s.top);
	fill(s.states, ROWS * LONGEST * 16, 0, 1);
	for (size_t b = 0; b < ROWS; b++) {
		s.rows[b] = (struct gpt2_row){ s.states + at, 1 + b * 5 / 2,
			b % 3, 1.0f / ROWS };
		at += s.rows[b].T * 16;
	}
	loss(&s, s.w, s.grad);
	for (size_t i = 0; i < gpt2_top_count(&s.top.shape, cut); i++)
		check_tensor(&s, i);
	gpt2_gradient_free(s.gradient);
	team_free(s.team);
	free(s.w);
	free(s.moved);
	free(s.grad);
	free(s.unused);
	free(s.states);
}

/* ---- against PyTorch ---- */

static void
compare(const struct gpt2_top *top, const float *grad,
    const struct safetensors *golden)
{
	size_t n = gpt2_top_count(&top->shape, top->cut);

	for (size_t i = 0; i < n; i++) {
		struct gpt2_tensor t =
		    gpt2_top_tensor(&top->shape, top->cut, top->K, i);
		char name[GPT2_NAMESZ + 16] = "transformer.";
		const struct safetensor *g;
		double error = 0, norm = 0;
		float *want;

		if (i + 1 == n)
			name[0] = '\0';
		g = safetensors_find(golden, strcat(name, t.name));
		if (!ok(g && g->count == t.rows * t.cols, "%s is there", name))
			continue;
		want = malloc(g->count * sizeof(*want));
		safetensor_read(g, want, why);
		for (size_t k = 0; k < g->count; k++) {
			double d = (double)grad[t.offset + k] - (double)want[k];

			error += d * d;
			norm += (double)want[k] * (double)want[k];
		}
		ok(sqrt(error) <= 1e-4 * sqrt(norm), "%s: %.2e of its norm",
		    name, sqrt(error / norm));
		free(want);
	}
}

static int
against_golden(char **argv)
{
	const char *files[] = { argv[1] };
	struct stream_cache *cache =
	    stream_cache_open(files, 1, STREAM_HIDDEN, why);
	struct checkpoint *checkpoint = checkpoint_open(argv[2], why);
	struct safetensors *golden = safetensors_open(argv[3], why);
	struct head *head = head_new(why);
	struct team *team = team_open(2, why);
	struct examples *e;
	struct gpt2_gradient *gradient;
	struct gpt2_row *rows;
	struct gpt2_top top;
	size_t *counts, size;
	float *w, *grad;

	if (!ok(cache && checkpoint && golden, "opened: %s", why))
		return done_testing();
	e = examples_learn(cache, head, &counts, why);
	top = (struct gpt2_top){ gpt2_shape(checkpoint_config(checkpoint)),
		stream_cache_header(cache)->cut, head->K, 0, 0, OPS_F32 };
	size = gpt2_top_size(&top.shape, top.cut, top.K);
	w = gpt2_floats(size, why);
	grad = calloc(size, sizeof(*grad));
	gpt2_read_top(w, checkpoint, top.cut, top.K, why);
	for (size_t i = 0; i < top.K * top.shape.C; i++)
		w[gpt2_top_score(&top.shape, top.cut) + i] =
		    (float)(0.02 * sin(1 + (double)i));
	rows = calloc(e->n, sizeof(*rows));
	for (size_t i = 0; i < e->n; i++) {
		struct record r = stream_cache_record(cache, e->list[i].first);

		rows[i] = (struct gpt2_row){ r.vectors, r.n_tokens,
			e->list[i].class, 1 / (float)e->n };
	}
	gradient = gpt2_gradient_open(&top, e->longest, team, why);
	printf("# loss %.9f\n",
	    gpt2_gradient_run(gradient, grad, w, rows, e->n, 0, 0));
	compare(&top, grad, golden);
	gpt2_gradient_free(gradient);
	free(rows);
	free(grad);
	free(w);
	free(counts);
	examples_free(e);
	team_free(team);
	head_free(head);
	safetensors_free(golden);
	checkpoint_free(checkpoint);
	stream_cache_free(cache);
	return done_testing();
}

int
main(int argc, char **argv)
{
	if (argc == 4)
		return against_golden(argv);
	for (size_t cut = 0; cut <= 3; cut++)
		check_sample(cut, 0, 0);
	check_sample(1, 0, 0.3f);
	check_sample(1, 1, 0);
	check_sample(3, 1, 0);
	return done_testing();
}
