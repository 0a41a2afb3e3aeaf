/* Records through threads, in order; see flow.h. */
#include "stream/flow.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { BATCHES_PER_WORKER = 2 };

/* A batch on its way. */
struct slot {
	struct task task;
	const struct flow *flow;
	struct flow_batch batch;
	size_t room; /* floats of the result */
};

/* Records that are given out together; used round and round. */
struct window {
	struct record **records; /* (n) as they came */
	struct record **order;	 /* (n) as they are computed */
	size_t *ends;		 /* (n_slots) of the batches, in order */
	size_t n, n_tokens, room;
	struct slot *slots; /* (n_slots) */
	size_t n_slots, slots_room;
	size_t given, finished; /* slots */
};

struct belt {
	const struct flow *flow;
	struct stream_reader *reader;
	struct team *team;
	struct window *windows; /* (n) */
	size_t n;
	size_t oldest, out; /* windows oldest … oldest + out - 1 are out */
	size_t tokens;	    /* a window with so many is full */
	size_t running;	    /* batches that were given and not yet waited for */
};

static struct window *
filling(const struct belt *b)
{
	return &b->windows[(b->oldest + b->out) % b->n];
}

static size_t
most_running(const struct belt *b)
{
	return b->n - 1;
}

static void
run_slot(struct task *task, size_t worker)
{
	struct slot *s = (struct slot *)(void *)task;

	s->flow->compute(s->flow->arg, &s->batch, worker);
}

static int
grow(struct window *w, char *why)
{
	size_t room = num_max(w->room * 2, 64);
	struct record **records =
	    realloc(w->records, room * sizeof(struct record *));
	struct record **order;
	size_t *ends;

	if (records)
		w->records = records;
	order = realloc(w->order, room * sizeof(struct record *));
	if (order)
		w->order = order;
	ends = realloc(w->ends, room * sizeof(*ends));
	if (ends)
		w->ends = ends;
	if (!records || !order || !ends) {
		why_memory(why);
		return -1;
	}
	w->room = room;
	return 0;
}

/* Adds a copy of the record to the window being filled. */
static int
add_record(struct belt *b, const struct record *r, char *why)
{
	const struct stream_header *h = stream_reader_header(b->reader);
	size_t vectors = r->n_vectors * h->n_embd * stream_dtype_size(h->dtype);
	struct window *w = filling(b);

	if (w->n == w->room && grow(w, why) < 0)
		return -1;
	w->records[w->n] = stream_record_copy(r, vectors, why);
	if (w->records[w->n] == NULL)
		return -1;
	w->n++;
	w->n_tokens += r->n_tokens;
	return 0;
}

/* Gives out a window of which all has been computed, and empties it. */
static int
emit_window(struct belt *b, char *why)
{
	struct window *w = &b->windows[b->oldest % b->n];
	struct flow_batch all = { w->records, w->n, w->n_tokens,
		b->flow->arrange ? NULL : w->slots[0].batch.result };
	int rc = b->flow->emit(b->flow->arg, &all, why);

	for (size_t i = 0; i < w->n; i++)
		free(w->records[i]);
	/* The memory of many results is not kept beside that of others. */
	for (size_t i = 0; w->n_slots > 1 && i < w->n_slots; i++) {
		free(w->slots[i].batch.result);
		w->slots[i].batch.result = NULL;
		w->slots[i].room = 0;
	}
	w->n = w->n_tokens = w->n_slots = w->given = w->finished = 0;
	b->oldest++;
	b->out--;
	return rc;
}

/* Waits for the oldest batch; with its window's last goes the window. */
static int
finish_oldest(struct belt *b, char *why)
{
	const struct flow *f = b->flow;
	struct window *w = &b->windows[b->oldest % b->n];
	struct slot *s = &w->slots[w->finished];

	team_wait(b->team, &s->task);
	w->finished++;
	b->running--;
	if (f->finish && f->finish(f->arg, &s->batch, why) < 0)
		return -1;
	return w->finished == w->n_slots ? emit_window(b, why) : 0;
}

static bool
oldest_finished(const struct belt *b)
{
	const struct window *w = &b->windows[b->oldest % b->n];

	return b->running > 0 && team_finished(&w->slots[w->finished].task);
}

/* Divides the window into batches. */
static int
arrange(struct belt *b, struct window *w, char *why)
{
	const struct flow *f = b->flow;

	memcpy(w->order, w->records, w->n * sizeof(struct record *));
	w->ends[0] = w->n;
	w->n_slots = f->arrange ? f->arrange(w->order, w->n, w->ends) : 1;
	if (w->n_slots > w->slots_room) {
		struct slot *slots =
		    realloc(w->slots, w->n_slots * sizeof(*slots));

		if (slots == NULL) {
			why_memory(why);
			return -1;
		}
		memset(slots + w->slots_room, 0,
		    (w->n_slots - w->slots_room) * sizeof(*slots));
		w->slots = slots;
		w->slots_room = w->n_slots;
	}
	return 0;
}

/* Gives the window's next batch to the team. */
static int
give_batch(struct belt *b, struct window *w, char *why)
{
	const struct flow *f = b->flow;
	struct slot *s = &w->slots[w->given];
	size_t from = w->given > 0 ? w->ends[w->given - 1] : 0, need;

	s->batch.records = w->order + from;
	s->batch.n = w->ends[w->given] - from;
	s->batch.n_tokens = 0;
	for (size_t i = 0; i < s->batch.n; i++)
		s->batch.n_tokens += s->batch.records[i]->n_tokens;
	need = f->floats_per_token * s->batch.n_tokens +
	       f->floats_per_record * s->batch.n;
	if (need > s->room) {
		free(s->batch.result);
		s->room = 0;
		s->batch.result = malloc(need * sizeof(float));
		if (s->batch.result == NULL) {
			why_memory(why);
			return -1;
		}
		s->room = need;
	}
	s->task.run = run_slot;
	s->flow = f;
	team_give(b->team, &s->task);
	w->given++;
	b->running++;
	return 0;
}

/* Gives the window being filled to the team; the next may be larger. */
static int
give_window(struct belt *b, char *why)
{
	struct window *w = filling(b);

	if (arrange(b, w, why) < 0)
		return -1;
	b->out++;
	while (w->given < w->n_slots) {
		if (b->running == most_running(b) && finish_oldest(b, why) < 0)
			return -1;
		if (give_batch(b, w, why) < 0)
			return -1;
	}
	if (b->flow->arrange)
		b->tokens = num_min(2 * b->tokens,
		    num_max(b->flow->window_tokens, b->flow->batch_tokens));
	return 0;
}

/* Everything that was read is computed, given out and flushed. */
static int
drain(struct belt *b, char *why)
{
	if (filling(b)->n > 0 && give_window(b, why) < 0)
		return -1;
	while (b->running > 0) {
		if (finish_oldest(b, why) < 0)
			return -1;
	}
	return b->flow->flush(b->flow->arg, why);
}

/* Reads one record: 1; 0: end; -1: bad input; -2: our fault. */
static int
read_one(struct belt *b, char *why)
{
	const struct flow *f = b->flow;
	struct record record;
	int rc = stream_read(b->reader, &record, why);

	if (rc <= 0)
		return rc;
	if (f->admit && f->admit(f->arg, &record, why) < 0)
		return -1;
	if (add_record(b, &record, why) < 0)
		return -2;
	if (filling(b)->n_tokens < b->tokens)
		return 1;
	if (give_window(b, why) < 0)
		return -2;
	while (oldest_finished(b)) {
		if (finish_oldest(b, why) < 0)
			return -2;
	}
	return 1;
}

static int
run(struct belt *b, char *why)
{
	char reason[WHYSZ];
	int rc;

	do {
		if (!stream_reader_ready(b->reader) && drain(b, why) < 0)
			return -1;
		rc = read_one(b, why);
	} while (rc > 0);
	if (rc == -2)
		return -1;
	if (drain(b, reason) < 0) {
		memcpy(why, reason, sizeof(reason));
		return -1;
	}
	return rc;
}

static void
free_window(struct belt *b, struct window *w)
{
	for (size_t i = w->finished; i < w->given; i++)
		team_wait(b->team, &w->slots[i].task);
	for (size_t i = 0; i < w->n; i++)
		free(w->records[i]);
	for (size_t i = 0; i < w->slots_room; i++)
		free(w->slots[i].batch.result);
	free(w->slots);
	free(w->records);
	free(w->order);
	free(w->ends);
}

int
flow_run(const struct flow *flow, struct stream_reader *reader,
    struct team *team, char *why)
{
	struct belt b = { .flow = flow,
		.reader = reader,
		.team = team,
		.tokens = flow->batch_tokens };
	int rc = -1;

	/* Of the windows that are out, each has a batch that runs. */
	b.n = BATCHES_PER_WORKER * team_size(team) + 1;
	if ((b.windows = calloc(b.n, sizeof(*b.windows))) == NULL)
		why_memory(why);
	else
		rc = run(&b, why);
	for (size_t i = 0; b.windows && i < b.n; i++)
		free_window(&b, &b.windows[i]);
	free(b.windows);
	return rc;
}
