/* Training a head; see train.h. */
#include "head/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "gpt2/forward.h"
#include "gpt2/gradient.h"
#include "head/net.h"
#include "ops/ops.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { PIECE = 1 << 15 }; /* floats that one task updates */

/* Neighbouring floats of one tensor. */
struct piece {
	size_t offset, n;
	bool decay, score;
};

struct train {
	struct head *head;
	const struct examples *examples;
	const struct train_options *options;
	const struct train_watch *watch;
	struct team *team;
	struct gpt2_gradient *gradient;
	float *grad, *m, *v; /* as head->top */
	struct piece *pieces;
	size_t n_pieces;
	double *squares;       /* (pieces) */
	size_t *order;	       /* (n) examples, shuffled */
	uint64_t *keys;	       /* (n) what they are sorted by */
	struct gpt2_row *rows; /* (parts of the largest batch) */
	size_t rows_room;
	size_t step, steps;
	struct ops_adamw update; /* of the blocks, at this step */
};

void
train_defaults(struct train_options *o, size_t n, size_t C)
{
	const size_t updates = 600, most = 30;

	if (o->batch == 0) {
		o->batch = n >= 10000 ? 32 : 16;
		while (
		    n < 10000 && o->batch > 1 && most * n / o->batch < updates)
			o->batch /= 2;
	}
	if (o->epochs == 0 && n >= 10000) {
		o->epochs = 3;
	} else if (o->epochs == 0) {
		size_t per_epoch = (n + o->batch - 1) / o->batch;

		o->epochs = (updates + per_epoch - 1) / per_epoch;
		o->epochs = num_min(num_max(o->epochs, 3), most);
	}
	if (o->rate <= 0)
		o->rate = 1e-4 * fmin(1, 768 / (double)C);
}

static size_t
list_pieces(const struct head *h, struct piece *pieces)
{
	size_t tensors = gpt2_top_count(&h->shape, h->stream.cut), n = 0;

	for (size_t i = 0; i < tensors; i++) {
		struct gpt2_tensor t =
		    gpt2_top_tensor(&h->shape, h->stream.cut, h->K, i);
		size_t size = t.rows * t.cols;

		for (size_t at = 0; at < size; at += PIECE, n++) {
			if (pieces)
				pieces[n] = (struct piece){ t.offset + at,
					num_min(PIECE, size - at), t.matrix,
					i + 1 == tensors };
		}
	}
	return n;
}

static int
train_open(struct train *t, char *why)
{
	const struct head *h = t->head;
	size_t size = gpt2_top_size(&h->shape, h->stream.cut, h->K);
	const struct stream_header *s = stream_cache_header(t->examples->cache);
	struct gpt2_top top = { h->shape, h->stream.cut, h->K,
		h->pool == HEAD_MEAN, s->dtype == DTYPE_F16,
		t->options->precision };

	t->n_pieces = list_pieces(h, NULL);
	t->pieces = calloc(t->n_pieces, sizeof(*t->pieces));
	t->squares = calloc(t->n_pieces, sizeof(*t->squares));
	t->order = calloc(t->examples->n, sizeof(*t->order));
	t->keys = calloc(t->examples->n, sizeof(*t->keys));
	t->grad = calloc(size, sizeof(float));
	t->m = calloc(size, sizeof(float));
	t->v = calloc(size, sizeof(float));
	if (!t->pieces || !t->squares || !t->order || !t->keys || !t->grad ||
	    !t->m || !t->v) {
		why_memory(why);
		return -1;
	}
	list_pieces(h, t->pieces);
	t->gradient =
	    gpt2_gradient_open(&top, t->examples->longest, t->team, why);
	return t->gradient ? 0 : -1;
}

static void
train_close(struct train *t)
{
	gpt2_gradient_free(t->gradient);
	free(t->pieces);
	free(t->squares);
	free(t->order);
	free(t->keys);
	free(t->grad);
	free(t->m);
	free(t->v);
	free(t->rows);
}

/* ---- one step ---- */

/* The parts of n examples as rows; returns how many, 0: no memory. */
static size_t
list_rows(struct train *t, const size_t *order, size_t n)
{
	const struct examples *e = t->examples;
	size_t parts = 0, k = 0;

	for (size_t i = 0; i < n; i++)
		parts += e->list[order[i]].parts;
	if (parts > t->rows_room) {
		free(t->rows);
		t->rows_room = parts;
		t->rows = calloc(parts, sizeof(*t->rows));
		if (t->rows == NULL)
			return 0;
	}
	for (size_t i = 0; i < n; i++) {
		const struct example *x = &e->list[order[i]];

		for (size_t p = 0; p < x->parts; p++, k++) {
			struct record r =
			    stream_cache_record(e->cache, x->first + p);

			/* A pooled record has one vector for all tokens. */
			t->rows[k] = (struct gpt2_row){ r.vectors, r.n_vectors,
				x->class,
				(float)(1 / ((double)n * (double)x->parts)) };
		}
	}
	return parts;
}

/* The states of n examples are read while the step before is computed. */
static void
want_rows(const struct examples *e, const size_t *order, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct example *x = &e->list[order[i]];

		for (size_t p = 0; p < x->parts; p++)
			stream_cache_want(e->cache, x->first + p);
	}
}

static void
sum_piece(void *arg, size_t i, size_t worker)
{
	struct train *t = arg;

	(void)worker;
	t->squares[i] =
	    ops_squares(t->grad + t->pieces[i].offset, t->pieces[i].n);
}

/* The gradient is zeroed on the way, for the next step. */
static void
update_piece(void *arg, size_t i, size_t worker)
{
	struct train *t = arg;
	const struct piece *p = &t->pieces[i];
	struct ops_adamw u = t->update;

	(void)worker;
	if (p->score)
		u.rate *= 10;
	if (!p->decay)
		u.decay = 0;
	ops_adamw(t->head->top + p->offset, t->m + p->offset, t->v + p->offset,
	    t->grad + p->offset, &u, p->n);
	memset(t->grad + p->offset, 0, p->n * sizeof(*t->grad));
}

/* Linear warm-up over 6 % or 10 steps, then linear decay to 0. */
static double
schedule(size_t step, size_t steps)
{
	double warm = fmax(10, floor(0.06 * (double)steps));
	double up = ((double)step + 1) / warm;
	double down = (double)(steps - step) / fmax(1, (double)steps - warm);

	return fmin(up, down);
}

static void
update(struct train *t)
{
	const double beta1 = 0.9, beta2 = 0.999, clip = 1;
	double norm = 0, time = (double)t->step + 1;

	team_each(t->team, t->n_pieces, sum_piece, t);
	for (size_t i = 0; i < t->n_pieces; i++)
		norm += t->squares[i];
	norm = sqrt(norm);
	t->update = (struct ops_adamw){ (float)beta1, (float)beta2, 1e-8f,
		(float)(1 - pow(beta1, time)), (float)(1 - pow(beta2, time)),
		(float)(t->options->rate * schedule(t->step, t->steps)),
		(float)t->options->decay,
		(float)(norm > clip ? clip / norm : 1) };
	team_each(t->team, t->n_pieces, update_piece, t);
}

/* The mask key of a step. */
static uint64_t
step_key(const struct train *t)
{
	uint64_t step = t->step;

	return XXH64(&step, sizeof(step), t->options->seed);
}

/* ---- one epoch ---- */

static int64_t
nanoseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static int
compare_keys(const void *a, const void *b, void *arg)
{
	const uint64_t *keys = arg;
	size_t i = *(const size_t *)a, j = *(const size_t *)b;

	if (keys[i] != keys[j])
		return keys[i] < keys[j] ? -1 : 1;
	return i < j ? -1 : i > j;
}

/* The order is that of a hash of seed, epoch and place. */
static void
shuffle(struct train *t, size_t epoch)
{
	for (size_t i = 0; i < t->examples->n; i++) {
		uint64_t place[2] = { epoch, i };

		t->order[i] = i;
		t->keys[i] = XXH64(place, sizeof(place), t->options->seed);
	}
	qsort_r(
	    t->order, t->examples->n, sizeof(*t->order), compare_keys, t->keys);
}

static int
run_epoch(struct train *t, struct train_epoch *e, char *why)
{
	size_t n = t->examples->n;
	int64_t start = nanoseconds();

	shuffle(t, e->epoch);
	e->loss = 0;
	for (size_t at = 0; at < n; at += t->options->batch) {
		size_t batch = num_min(t->options->batch, n - at);
		size_t rows = list_rows(t, t->order + at, batch), tokens = 0;
		size_t next = at + batch;
		double loss;

		if (rows == 0) {
			why_memory(why);
			return -1;
		}
		want_rows(t->examples, t->order + next,
		    num_min(t->options->batch, n - next));
		loss = gpt2_gradient_run(t->gradient, t->grad, t->head->top,
		    t->rows, rows, (float)t->options->dropout, step_key(t));
		if (!isfinite(loss))
			return why_set(
			    why, "step %zu: loss is not finite", t->step + 1);
		e->loss += loss * (double)batch / (double)n;
		update(t);
		t->step++;
		for (size_t i = 0; i < rows; i++)
			tokens += t->rows[i].T;
		t->watch->step(t->watch->arg, batch, tokens, t->step, t->steps);
	}
	e->tokens = t->examples->tokens;
	e->seconds = (double)(nanoseconds() - start) / 1e9;
	return 0;
}

/* ---- the dev set ---- */

static double
negative_log(double p)
{
	return -log(fmax(p, 1e-300));
}

static int
judge(struct train *t, const struct examples *dev, double *p,
    struct train_epoch *e, char *why)
{
	size_t K = t->head->K, hits = 0;

	e->has_dev = true;
	e->dev_loss = 0;
	if (head_evaluate(t->head, dev, t->team, p, why) < 0)
		return -1;
	for (size_t i = 0; i < dev->n; i++) {
		size_t class = dev->list[i].class;

		hits += head_best(p + i * K, K) == class;
		e->dev_loss += negative_log(p[i * K + class]);
	}
	e->dev_loss /= (double)dev->n;
	e->dev_accuracy = (double)hits / (double)dev->n;
	return 0;
}

/* The mean loss when probabilities p are those of temperature 1. */
static double
loss_at(const struct examples *dev, const double *p, size_t K, double T)
{
	double loss = 0;

	for (size_t i = 0; i < dev->n; i++) {
		double sum = 0, most = log(fmax(1e-300,
				    p[i * K + head_best(p + i * K, K)]));

		for (size_t k = 0; k < K; k++)
			sum += exp((-negative_log(p[i * K + k]) - most) / T);
		loss +=
		    log(sum) +
		    (most + negative_log(p[i * K + dev->list[i].class])) / T;
	}
	return loss / (double)dev->n;
}

/*
 * Golden section over log T: the loss has one minimum (Guo et al. 2017,
 * section 4.2).
 */
static double
fit_temperature(const struct examples *dev, const double *p, size_t K)
{
	const double ratio = 0.6180339887498949;
	double lo = log(0.1), hi = log(10);

	for (int i = 0; i < 40; i++) {
		double a = hi - ratio * (hi - lo), b = lo + ratio * (hi - lo);

		if (loss_at(dev, p, K, exp(a)) < loss_at(dev, p, K, exp(b)))
			hi = b;
		else
			lo = a;
	}
	return exp((lo + hi) / 2);
}

static bool
better(const struct train_epoch *a, const struct train_epoch *b)
{
	if (a->dev_accuracy != b->dev_accuracy)
		return a->dev_accuracy > b->dev_accuracy;
	return a->dev_loss < b->dev_loss;
}

/* All epochs; best (top_size) has room for the best weights, or is NULL. */
static int
run_epochs(struct train *t, const struct examples *dev, double *p, float *best,
    struct train_epoch *kept, char *why)
{
	struct head *h = t->head;
	size_t size = gpt2_top_size(&h->shape, h->stream.cut, h->K);

	for (size_t i = 1; i <= t->options->epochs; i++) {
		struct train_epoch e = { .epoch = i };

		if (run_epoch(t, &e, why) < 0 ||
		    (dev && judge(t, dev, p, &e, why) < 0))
			return -1;
		t->watch->epoch(t->watch->arg, &e);
		if (best == NULL || i == 1 || better(&e, kept)) {
			*kept = e;
			if (best)
				memcpy(best, h->top, size * sizeof(float));
		}
	}
	if (best)
		memcpy(h->top, best, size * sizeof(float));
	else if (dev) {
		double T = fit_temperature(dev, p, h->K);

		h->temperature = (float)T;
		kept->dev_loss = loss_at(dev, p, h->K, T);
	}
	return 0;
}

int
head_train(struct head *h, const struct examples *examples,
    const struct examples *dev, const struct train_options *options,
    struct team *team, const struct train_watch *watch,
    struct train_epoch *kept, char *why)
{
	struct train t = { .head = h,
		.examples = examples,
		.options = options,
		.watch = watch,
		.team = team };
	size_t size = gpt2_top_size(&h->shape, h->stream.cut, h->K);
	bool keep_best = dev && options->keep == KEEP_BEST;
	float *best = keep_best ? gpt2_floats(size, why) : NULL;
	double *p = dev ? calloc(dev->n * h->K + 1, sizeof(*p)) : NULL;
	int rc = -1;

	t.steps = options->epochs *
		  ((examples->n + options->batch - 1) / options->batch);
	if ((keep_best && !best) || (dev && !p))
		why_memory(why);
	else if (train_open(&t, why) == 0)
		rc = run_epochs(&t, dev, p, best, kept, why);
	train_close(&t);
	free(best);
	free(p);
	return rc;
}
