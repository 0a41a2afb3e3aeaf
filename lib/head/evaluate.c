/* Probabilities of a whole set of examples; see train.h. */
#include <stdlib.h>

#include "gpt2/forward.h"
#include "head/net.h"
#include "head/train.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { BATCH_TOKENS = 256 };

struct evaluate {
	const struct examples *examples;
	struct head_net *net;
	enum stream_dtype dtype;
	size_t K;
	struct record *records;	  /* (parts) */
	struct record **pointers; /* (parts) */
	float *logp;		  /* (parts, K) */
	size_t *batches;	  /* first part of each batch, and the end */
	float **scratch;	  /* (workers) */
};

static void
run_batch(void *arg, size_t i, size_t worker)
{
	struct evaluate *v = arg;
	size_t first = v->batches[i], n = v->batches[i + 1] - first, M = 0;

	for (size_t k = first; k < first + n; k++)
		M += v->records[k].n_tokens;
	head_net_run(v->net, v->logp + first * v->K, v->pointers + first, n, M,
	    v->dtype, v->scratch[worker]);
}

/* Lists the parts and divides them into batches; returns how many. */
static size_t
divide(struct evaluate *v)
{
	const struct examples *e = v->examples;
	size_t n = 0, part = 0, tokens = 0;

	for (size_t i = 0; i < e->n; i++) {
		for (size_t k = 0; k < e->list[i].parts; k++, part++) {
			v->records[part] =
			    stream_cache_record(e->cache, e->list[i].first + k);
			v->pointers[part] = &v->records[part];
			if (tokens == 0)
				v->batches[n++] = part;
			tokens += v->records[part].n_tokens;
			if (tokens >= BATCH_TOKENS)
				tokens = 0;
		}
	}
	v->batches[n] = part;
	return n;
}

/* Joins the parts of each example. */
static void
join(const struct evaluate *v, double *sum, double *p)
{
	const struct examples *e = v->examples;
	struct head_join j = { sum, v->K, 0 };
	const float *logp = v->logp;

	for (size_t i = 0; i < e->n; i++) {
		for (size_t k = 0; k < e->list[i].parts; k++, logp += v->K)
			head_join_add(&j, logp);
		head_join_end(&j, p + i * v->K);
	}
}

static int
evaluate(struct evaluate *v, struct team *team, double *p, char *why)
{
	const struct examples *e = v->examples;
	size_t M = BATCH_TOKENS + e->longest;
	double *sum = calloc(v->K, sizeof(*sum));
	bool whole;

	v->records = calloc(e->parts + 1, sizeof(*v->records));
	v->pointers = calloc(e->parts + 1, sizeof(struct record *));
	v->logp = calloc((e->parts + 1) * v->K, sizeof(*v->logp));
	v->batches = calloc(e->parts + 2, sizeof(*v->batches));
	v->scratch = calloc(team_size(team), sizeof(float *));
	whole = v->records && v->pointers && v->logp && v->batches &&
		v->scratch && sum;
	for (size_t i = 0; whole && i < team_size(team); i++) {
		v->scratch[i] =
		    gpt2_floats(head_net_scratch(v->net, M, M), why);
		whole = v->scratch[i] != NULL;
	}
	if (whole) {
		team_each(team, divide(v), run_batch, v);
		join(v, sum, p);
	}
	free(sum);
	if (!whole)
		why_memory(why);
	return whole ? 0 : -1;
}

int
head_evaluate(const struct head *h, const struct examples *e, struct team *team,
    double *p, char *why)
{
	struct evaluate v = { .examples = e, .K = h->K };
	int rc = -1;

	v.dtype = stream_cache_header(e->cache)->dtype;
	if ((v.net = head_net_open(h, why)) != NULL)
		rc = evaluate(&v, team, p, why);
	for (size_t i = 0; v.scratch && i < team_size(team); i++)
		free(v.scratch[i]);
	free(v.scratch);
	free(v.batches);
	free(v.logp);
	free(v.pointers);
	free(v.records);
	head_net_free(v.net);
	return rc;
}
