/* Groups of prompts; see group.h. */
#include "gpt2/group.h"

#include <stdlib.h>
#include <string.h>

#include "gpt2/forward.h"
#include "gpt2/sample.h"
#include "sys/num.h"
#include "sys/why.h"

enum {
	RUN_TOKENS = 1024, /* of prompts run at once, unless one has more */
	SCORE_ROWS = 128   /* of logits at once */
};

void
gpt2_group_clear(struct gpt2_group *g)
{
	for (size_t b = 0; b < g->B; b++)
		free(g->prompts[b].tokens);
	g->B = 0;
}

void
gpt2_group_free(struct gpt2_group *g)
{
	gpt2_group_clear(g);
	free(g->logits);
	free(g->caches);
	*g = (struct gpt2_group){ .decoder = g->decoder, .V = g->V };
}

int
gpt2_group_add(struct gpt2_group *g, const uint32_t *tokens, size_t n,
    size_t room, char *why)
{
	struct gpt2_prompt *p = &g->prompts[g->B];

	*p = (struct gpt2_prompt){ .room = room, .n = n, .length = n };
	p->sequence.room = room;
	if ((p->tokens = calloc(room, sizeof(*p->tokens))) == NULL) {
		why_memory(why);
		return -1;
	}
	g->B++;
	memcpy(p->tokens, tokens, n * sizeof(*tokens));
	return 0;
}

/* Floats of a prompt's cache, to whole lines. */
static size_t
cache_floats(const struct gpt2_group *g, size_t b)
{
	size_t bytes = gpt2_decoder_cache(g->decoder, g->prompts[b].room);

	return num_round(bytes, 64) / sizeof(float);
}

/* Gives all sequences their caches, in one allocation. */
static int
make_caches(struct gpt2_group *g, char *why)
{
	size_t floats = 0;
	float *at;

	for (size_t b = 0; b < g->B; b++)
		floats += cache_floats(g, b);
	if (floats > g->floats) {
		free(g->caches);
		g->floats = 0;
		if ((g->caches = gpt2_floats(floats, why)) == NULL)
			return -1;
		g->floats = floats;
	}
	at = g->caches;
	for (size_t b = 0; b < g->B; b++) {
		g->prompts[b].sequence.cache = at;
		at += cache_floats(g, b);
	}
	return 0;
}

static int
make_rows(struct gpt2_group *g, size_t rows, char *why)
{
	float *logits;

	if (rows <= g->rows)
		return 0;
	if ((logits = gpt2_floats(rows * g->V, why)) == NULL)
		return -1;
	if (g->rows > 0)
		memcpy(logits, g->logits, g->rows * g->V * sizeof(float));
	free(g->logits);
	g->logits = logits;
	g->rows = rows;
	return 0;
}

/* Runs the prompts in a list; their logits are in order, from row on. */
static int
run_some(
    struct gpt2_group *g, const size_t *list, size_t n, size_t row, char *why)
{
	struct gpt2_turn turns[GROUP_MOST];

	for (size_t i = 0; i < n; i++) {
		struct gpt2_prompt *p = &g->prompts[list[i]];
		size_t done = p->sequence.length;

		turns[i] = (struct gpt2_turn){ &p->sequence, p->tokens + done,
			p->length - done, 1 };
		p->row = row + i;
	}
	return gpt2_decoder_run(
	    g->decoder, g->logits + row * g->V, turns, n, why);
}

int
gpt2_group_run(struct gpt2_group *g, const bool *marks, char *why)
{
	size_t row = 0;

	if (make_rows(g, g->B, why) < 0)
		return -1;
	if (g->B > 0 && !g->prompts[0].sequence.cache &&
	    make_caches(g, why) < 0)
		return -1;
	for (size_t b = 0; b < g->B;) {
		size_t list[GROUP_MOST], n = 0, tokens = 0;

		for (; b < g->B; b++) {
			const struct gpt2_prompt *p = &g->prompts[b];
			size_t more = p->length - p->sequence.length;

			if (!marks[b])
				continue;
			if (n > 0 && tokens + more > RUN_TOKENS)
				break;
			list[n++] = b;
			tokens += more;
		}
		if (n > 0 && run_some(g, list, n, row, why) < 0)
			return -1;
		row += n;
	}
	return 0;
}

/* The tokens behind the first, of n prompts from b on. */
static int
score_rest(struct gpt2_group *g, double *scores, const uint32_t *tokens,
    size_t m, size_t b, size_t n, char *why)
{
	struct gpt2_turn turns[GROUP_MOST] = { { 0 } };
	float *rows = g->logits + g->B * g->V;
	int rc;

	for (size_t i = 0; i < n; i++)
		turns[i] = (struct gpt2_turn){ &g->prompts[b + i].sequence,
			tokens, m - 1, m - 1 };
	rc = gpt2_decoder_run(g->decoder, rows, turns, n, why);
	for (size_t i = 0; i < n; i++) {
		g->prompts[b + i].sequence.length -= rc == 0 ? m - 1 : 0;
		for (size_t k = 1; rc == 0 && k < m; k++, rows += g->V)
			scores[b + i] +=
			    sample_log_probability(rows, g->V, tokens[k]);
	}
	return rc;
}

int
gpt2_group_score(struct gpt2_group *g, double *scores, const uint32_t *tokens,
    size_t m, char *why)
{
	size_t at_once = m > 1 ? num_max(SCORE_ROWS / (m - 1), 1) : g->B;

	at_once = num_min(at_once, g->B);
	for (size_t b = 0; b < g->B; b++)
		scores[b] += sample_log_probability(
		    g->logits + g->prompts[b].row * g->V, g->V, tokens[0]);
	if (m < 2)
		return 0;
	if (make_rows(g, g->B + at_once * (m - 1), why) < 0)
		return -1;
	for (size_t b = 0; b < g->B; b += at_once) {
		if (score_rest(g, scores, tokens, m, b,
			num_min(at_once, g->B - b), why) < 0)
			return -1;
	}
	return 0;
}
