/* The next token; see sample.h. */
#include "gpt2/sample.h"

#include <math.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "ops/ops.h"
#include "sys/why.h"

struct candidate {
	uint32_t token;
	double p; /* relative to the most probable */
};

struct sampler {
	size_t V;
	struct candidate lists[]; /* (workers, V) */
};

struct sampler *
sampler_open(size_t V, size_t workers, char *why)
{
	struct sampler *s =
	    malloc(sizeof(*s) + workers * V * sizeof(s->lists[0]));

	if (s == NULL)
		return why_memory(why);
	s->V = V;
	return s;
}

void
sampler_free(struct sampler *s)
{
	free(s);
}

static int
compare(const void *a, const void *b)
{
	const struct candidate *x = a, *y = b;

	if (x->p != y->p)
		return x->p > y->p ? -1 : 1;
	return x->token < y->token ? -1 : x->token > y->token;
}

/* A number in [0, 1) of 53 bits. */
static double
uniform(uint64_t seed, uint64_t record, uint64_t position)
{
	uint64_t place[2] = { record, position };

	return (double)(XXH64(place, sizeof(place), seed) >> 11) * 0x1p-53;
}

/* How many of the n candidates, in falling order, top_p leaves. */
static size_t
nucleus(const struct candidate *list, size_t n, double top_p)
{
	double all = 0, sum = 0;
	size_t i = 0;

	for (size_t k = 0; k < n; k++)
		all += list[k].p;
	while (i < n && sum < top_p * all)
		sum += list[i++].p;
	return i > 0 ? i : 1;
}

uint32_t
sample_token(struct sampler *s, size_t worker, const float *logits,
    const struct sample_options *o, uint64_t record, uint64_t position)
{
	struct candidate *list = s->lists + worker * s->V;
	size_t best = ops_greatest(logits, s->V), n = 0;
	double most = (double)logits[best], all = 0, u;

	if (o->temperature <= 0)
		return (uint32_t)best;
	for (size_t v = 0; v < s->V; v++) {
		double p = exp(((double)logits[v] - most) / o->temperature);

		/* What is less than 2^-53 of the best cannot come. */
		if (p > 0x1p-53)
			list[n++] = (struct candidate){ (uint32_t)v, p };
	}
	if (o->top_k > 0 || o->top_p < 1) {
		qsort(list, n, sizeof(list[0]), compare);
		if (o->top_k > 0 && o->top_k < n)
			n = o->top_k;
		if (o->top_p < 1)
			n = nucleus(list, n, o->top_p);
	}
	for (size_t i = 0; i < n; i++)
		all += list[i].p;
	u = uniform(o->seed, record, position) * all;
	for (size_t i = 0; i + 1 < n; i++) {
		if (u < list[i].p)
			return list[i].token;
		u -= list[i].p;
	}
	return list[n - 1].token;
}

double
sample_log_probability(const float *logits, size_t V, uint32_t token)
{
	double most = (double)logits[ops_greatest(logits, V)], sum = 0;

	for (size_t v = 0; v < V; v++)
		sum += exp((double)logits[v] - most);
	return (double)logits[token] - most - log(sum);
}
