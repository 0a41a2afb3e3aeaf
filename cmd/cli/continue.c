/* Continuations; see continue.h. */
#include "cli/continue.h"

#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "stream/stream.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/team.h"

/* A prompt and its continuation on their way out. */
struct text {
	const struct prompt_item *item;
	struct gpt2_prompt *prompt;
	size_t written;	     /* tokens, of prompt and continuation */
	uint32_t part;	     /* written last */
	struct buffer bytes; /* new ones, where a text is to stop it */
	bool ended, closed;
	bool by_itself; /* it ended with <|endoftext|> */
};

static void
write_part(
    struct continuing *c, struct text *t, const uint32_t *tokens, size_t n)
{
	const struct record *from = t->item->record;
	struct record r = { .id = from->id,
		.id_len = from->id_len,
		.label = from->label,
		.label_len = from->label_len,
		.part = ++t->part,
		.was_cut = t->item->was_cut,
		.n_tokens = n,
		.tokens = tokens };
	char why[WHYSZ];

	t->written += n;
	r.length = (uint32_t)t->written;
	/*
	 * Where it ended by itself, a part without tokens follows the last, as
	 * if that had been written before this was known.
	 */
	t->closed = t->ended && (!t->by_itself || n == 0) &&
		    t->written == t->prompt->length;
	if (t->closed)
		r.parts = r.part;
	if (stream_write(c->out, &r, why) < 0)
		cli_fail(file_name(c->file), why);
}

/* The prompt is the first part; of an empty one only its being there. */
static void
write_prompt(struct continuing *c, struct text *t)
{
	size_t n = t->prompt->n;

	if (c->only_new || t->item->record->n_tokens == 0) {
		t->written = n;
		n = 0;
	}
	if (n > 0 || !c->only_new)
		write_part(c, t, t->prompt->tokens, n);
}

/*
 * Writes what there is, a token a part, in the order of the prompts: of the
 * first that has not ended as it comes.
 */
static void
write_ready(struct continuing *c, struct text *texts, size_t B, size_t *first)
{
	char why[WHYSZ];

	for (; *first < B; ++*first) {
		struct text *t = &texts[*first];

		if (t->part == 0 && t->written == 0)
			write_prompt(c, t);
		while (t->written < t->prompt->length)
			write_part(c, t, t->prompt->tokens + t->written, 1);
		if (!t->ended)
			break;
		if (!t->closed)
			write_part(c, t, NULL, 0);
	}
	if (stream_flush(c->out, why) < 0)
		cli_fail(file_name(c->file), why);
}

/* Whether one of the stop texts stands at the end of the new text. */
static bool
is_stopped(const struct continuing *c, struct text *t, uint32_t token)
{
	size_t len, before = t->bytes.len;
	const uint8_t *bytes = bpe_token_bytes(c->bpe, token, &len);
	char why[WHYSZ];

	if (c->n_stops == 0)
		return false;
	if (buffer_append(&t->bytes, bytes, len, why) < 0)
		cli_die(why);
	for (size_t i = 0; i < c->n_stops; i++) {
		size_t n = strlen(c->stops[i]);
		size_t from = before >= n ? before - n + 1 : 0;

		if (memmem(t->bytes.data + from, t->bytes.len - from,
			c->stops[i], n))
			return true;
	}
	return false;
}

/* The group at work; the next tokens are chosen by all threads. */
struct run {
	struct continuing *c;
	struct gpt2_group *group;
	struct text texts[GROUP_MOST];
	bool marks[GROUP_MOST];	     /* those that have not ended */
	uint32_t chosen[GROUP_MOST]; /* for these */
};

static void
choose(void *arg, size_t b, size_t worker)
{
	struct run *run = arg;
	const struct text *t = &run->texts[b];
	const float *logits =
	    run->group->logits + t->prompt->row * run->group->V;

	if (run->marks[b])
		run->chosen[b] = sample_token(run->c->sampler, worker, logits,
		    &run->c->sample, t->item->number, t->prompt->length);
}

/* Adds what was chosen, and finds whether it is the last. */
static void
add_token(struct continuing *c, struct text *t, uint32_t token)
{
	struct gpt2_prompt *p = t->prompt;

	if (token == bpe_end_of_text(c->bpe)) {
		t->ended = t->by_itself = true;
		return;
	}
	p->tokens[p->length++] = token;
	t->ended = is_stopped(c, t, token) ||
		   p->length - p->n == c->new_tokens || p->length == p->room;
	if (p->length == c->n_positions && p->length - p->n < c->new_tokens)
		c->full++;
	progress_step(c->progress, 1, 0, 0);
}

void
continue_group(
    struct continuing *c, struct gpt2_group *g, const struct prompt_item *items)
{
	struct run run = { .c = c, .group = g };
	size_t first = 0, running = g->B;
	char why[WHYSZ];

	for (size_t b = 0; b < g->B; b++) {
		run.texts[b].item = &items[b];
		run.texts[b].prompt = &g->prompts[b];
		run.marks[b] = true;
	}
	while (running > 0) {
		if (gpt2_group_run(g, run.marks, why) < 0)
			cli_die(why);
		team_each(c->team, g->B, choose, &run);
		for (size_t b = 0; b < g->B; b++) {
			if (!run.marks[b])
				continue;
			add_token(c, &run.texts[b], run.chosen[b]);
			run.marks[b] = !run.texts[b].ended;
			running -= !run.marks[b];
		}
		write_ready(c, run.texts, g->B, &first);
	}
	for (size_t b = 0; b < g->B; b++)
		free(run.texts[b].bytes.data);
}
