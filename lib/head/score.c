/* How well predictions agree with the labels; see score.h. */
#include "head/score.h"

#include <math.h>
#include <stdlib.h>

#include "head/net.h"
#include "sys/why.h"

enum { BINS = 10 };

struct score {
	size_t K;
	uint64_t *confusion; /* (K, K) rows: true class */
	struct score_part whole, cut;
	struct score_part bins[BINS]; /* by the probability of the answer */
	double confidence[BINS];      /* sums of it */
	double loss;
};

struct score *
score_new(size_t K, char *why)
{
	struct score *s = calloc(1, sizeof(*s));

	if (s &&
	    (s->confusion = calloc(K * K, sizeof(*s->confusion))) == NULL) {
		free(s);
		s = NULL;
	}
	if (s == NULL)
		return why_memory(why);
	s->K = K;
	return s;
}

void
score_free(struct score *s)
{
	if (s == NULL)
		return;
	free(s->confusion);
	free(s);
}

/* p is the probability of the answer, loss that of the class, as -ln. */
static void
add(struct score *s, size_t class, size_t answer, double p, double loss,
    struct score_part *part)
{
	size_t bin = (size_t)fmin(p * BINS, BINS - 1);
	bool right = answer == class;

	s->confusion[class * s->K + answer]++;
	part->n++;
	part->right += right;
	s->bins[bin].n++;
	s->bins[bin].right += right;
	s->confidence[bin] += p;
	s->loss += loss;
}

static double
loss_of(double p)
{
	return -log(fmax(p, 1e-300));
}

void
score_add(struct score *s, size_t class, const double *p, bool was_cut)
{
	size_t best = head_best(p, s->K);

	add(s, class, best, p[best], loss_of(p[class]),
	    was_cut ? &s->cut : &s->whole);
}

void
score_add_answer(struct score *s, size_t class, size_t answer, double p)
{
	double others = s->K > 1 ? (1 - p) / (double)(s->K - 1) : 0;

	add(s, class, answer, p, loss_of(answer == class ? p : others),
	    &s->whole);
}

uint64_t
score_confusion(const struct score *s, size_t k, size_t predicted)
{
	return s->confusion[k * s->K + predicted];
}

struct score_class
score_class(const struct score *s, size_t k)
{
	struct score_class c = { 0, 0, 0, 0, 0 };
	double right = (double)score_confusion(s, k, k);

	for (size_t i = 0; i < s->K; i++) {
		c.n += score_confusion(s, k, i);
		c.predicted += score_confusion(s, i, k);
	}
	if (c.predicted > 0)
		c.precision = right / (double)c.predicted;
	if (c.n > 0)
		c.recall = right / (double)c.n;
	if (c.precision + c.recall > 0)
		c.f1 = 2 * c.precision * c.recall / (c.precision + c.recall);
	return c;
}

/* Wilson's score interval for right of n at 95 %. */
static void
wilson(struct score_result *r)
{
	const double z = 1.959963984540054;
	double n = (double)r->all.n, p = r->accuracy;
	double mid = (p + z * z / (2 * n)) / (1 + z * z / n);
	double half =
	    z / (1 + z * z / n) * sqrt(p * (1 - p) / n + z * z / (4 * n * n));

	r->low = fmax(0, mid - half);
	r->high = fmin(1, mid + half);
}

struct score_result
score_result(const struct score *s)
{
	struct score_result r = { .whole = s->whole, .cut = s->cut };
	uint64_t most = 0, present = 0;
	double n;

	r.all.n = s->whole.n + s->cut.n;
	r.all.right = s->whole.right + s->cut.right;
	if (r.all.n == 0)
		return r;
	n = (double)r.all.n;
	r.accuracy = (double)r.all.right / n;
	wilson(&r);
	for (size_t k = 0; k < s->K; k++) {
		struct score_class c = score_class(s, k);

		if (c.n > most) {
			most = c.n;
			r.majority = k;
		}
		present += c.n > 0;
		r.macro_f1 += c.n > 0 ? c.f1 : 0;
	}
	r.majority_accuracy = (double)most / n;
	r.macro_f1 /= (double)present;
	r.log_loss = s->loss / n;
	for (size_t i = 0; i < BINS; i++)
		r.calibration +=
		    fabs(s->confidence[i] - (double)s->bins[i].right) / n;
	return r;
}
