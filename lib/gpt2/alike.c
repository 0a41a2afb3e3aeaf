/* Records that begin alike; see alike.h. */
#include "gpt2/alike.h"

#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"
#include "sys/num.h"

/* How many tokens two records have in common before they differ. */
static size_t
common(const struct record *a, const struct record *b)
{
	size_t n = num_min(a->n_tokens, b->n_tokens), i = 0;

	while (i < n && a->tokens[i] == b->tokens[i])
		i++;
	return i;
}

static int
compare(const void *a, const void *b)
{
	const struct record *x = *(struct record *const *)a;
	const struct record *y = *(struct record *const *)b;
	size_t i = common(x, y);

	if (i == x->n_tokens || i == y->n_tokens)
		return (x->n_tokens > y->n_tokens) -
		       (x->n_tokens < y->n_tokens);
	return x->tokens[i] < y->tokens[i] ? -1 : 1;
}

size_t
alike_arrange(struct record **records, size_t n, size_t *ends)
{
	size_t batches = 0, begin = 0, rows = 0, tokens = 0;

	qsort(records, n, sizeof(struct record *), compare);
	for (size_t i = 0; i < n; i++) {
		rows += records[i]->n_tokens;
		if (i > begin)
			rows -= common(records[i - 1], records[i]);
		tokens += records[i]->n_tokens;
		if (i + 1 < n && rows < ALIKE_ROWS && tokens < ALIKE_TOKENS)
			continue;
		ends[batches++] = begin = i + 1;
		rows = tokens = 0;
	}
	return batches;
}

void
alike_lay(struct alike *a, struct record *const *records, size_t B, bool share)
{
	size_t M = 0;

	for (size_t b = 0; b < B; b++) {
		const struct record *r = records[b];
		size_t k = share && b > 0 ? common(records[b - 1], r) : 0;

		a->starts[b] = M;
		a->shared[b] = k;
		memcpy(a->tokens + M, r->tokens + k,
		    (r->n_tokens - k) * sizeof(uint32_t));
		M += r->n_tokens - k;
	}
	a->starts[B] = M;
	a->B = B;
}

size_t
alike_saved(const struct alike *a)
{
	size_t n = 0;

	for (size_t b = 0; b < a->B; b++)
		n += a->shared[b];
	return n;
}

size_t
alike_spread(const struct alike *a, float *out, const float *x, size_t C)
{
	size_t N = 0, before = 0;

	for (size_t b = 0; b < a->B; b++) {
		size_t k = a->shared[b], own = a->starts[b + 1] - a->starts[b];

		memcpy(out + N * C, out + before * C, k * C * sizeof(*out));
		memcpy(out + (N + k) * C, x + a->starts[b] * C,
		    own * C * sizeof(*out));
		before = N;
		N += k + own;
	}
	return N;
}
