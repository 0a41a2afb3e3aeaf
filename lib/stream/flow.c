/* Records through threads, in order; see flow.h. */
#include "stream/flow.h"

#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { BATCHES_PER_WORKER = 2 };

/* A batch on its way; slots are used round and round. */
struct slot {
	struct task task;
	const struct flow *flow;
	struct flow_batch batch;
	size_t room;	    /* records that fit */
	size_t result_room; /* floats */
};

struct belt {
	const struct flow *flow;
	struct stream_reader *reader;
	struct team *team;
	struct slot *slots; /* (n) */
	size_t n;
	size_t oldest, given; /* slots oldest … oldest + given - 1 are out */
};

static struct slot *
next_slot(struct belt *b)
{
	return &b->slots[(b->oldest + b->given) % b->n];
}

static void
run_slot(struct task *task, size_t worker)
{
	struct slot *s = (struct slot *)(void *)task;

	s->flow->compute(s->flow->arg, &s->batch, worker);
}

static void
empty_slot(struct slot *s)
{
	for (size_t i = 0; i < s->batch.n; i++)
		free(s->batch.records[i]);
	s->batch.n = s->batch.n_tokens = 0;
}

/* Adds a copy of the record to the batch being filled. */
static int
add_record(struct belt *b, const struct record *r, char *why)
{
	const struct stream_header *h = stream_reader_header(b->reader);
	size_t vectors = r->n_vectors * h->n_embd * stream_dtype_size(h->dtype);
	struct slot *s = next_slot(b);

	if (s->batch.n == s->room) {
		size_t room = num_max(s->room * 2, 64);
		struct record **records =
		    realloc(s->batch.records, room * sizeof(struct record *));

		if (records == NULL) {
			why_memory(why);
			return -1;
		}
		s->batch.records = records;
		s->room = room;
	}
	s->batch.records[s->batch.n] = stream_record_copy(r, vectors, why);
	if (s->batch.records[s->batch.n] == NULL)
		return -1;
	s->batch.n++;
	s->batch.n_tokens += r->n_tokens;
	return 0;
}

/* Gives the batch being filled to the team. */
static int
give_batch(struct belt *b, char *why)
{
	const struct flow *f = b->flow;
	struct slot *s = next_slot(b);
	size_t need = f->floats_per_token * s->batch.n_tokens +
		      f->floats_per_record * s->batch.n;

	if (need > s->result_room) {
		free(s->batch.result);
		s->result_room = 0;
		s->batch.result = malloc(need * sizeof(float));
		if (s->batch.result == NULL) {
			why_memory(why);
			return -1;
		}
		s->result_room = need;
	}
	s->task.run = run_slot;
	s->flow = f;
	team_give(b->team, &s->task);
	b->given++;
	return 0;
}

/* Waits for the oldest batch and gives it out. */
static int
emit_oldest(struct belt *b, char *why)
{
	struct slot *s = &b->slots[b->oldest % b->n];
	int rc;

	team_wait(b->team, &s->task);
	rc = b->flow->emit(b->flow->arg, &s->batch, why);
	empty_slot(s);
	b->oldest++;
	b->given--;
	return rc;
}

/* Everything that was read is computed, given out and flushed. */
static int
drain(struct belt *b, char *why)
{
	if (next_slot(b)->batch.n > 0 && give_batch(b, why) < 0)
		return -1;
	while (b->given > 0) {
		if (emit_oldest(b, why) < 0)
			return -1;
	}
	return b->flow->flush(b->flow->arg, why);
}

/* Reads one record into the batch: 1; 0: end; -1: bad input; -2: our fault. */
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
	if (next_slot(b)->batch.n_tokens < f->batch_tokens)
		return 1;
	if (give_batch(b, why) < 0)
		return -2;
	while (
	    b->given == b->n ||
	    (b->given > 0 && team_finished(&b->slots[b->oldest % b->n].task))) {
		if (emit_oldest(b, why) < 0)
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

int
flow_run(const struct flow *flow, struct stream_reader *reader,
    struct team *team, char *why)
{
	struct belt b = { flow, reader, team, NULL, 0, 0, 0 };
	int rc = -1;

	b.n = BATCHES_PER_WORKER * team_size(team) + 1;
	if ((b.slots = calloc(b.n, sizeof(struct slot))) == NULL)
		why_memory(why);
	else
		rc = run(&b, why);
	for (size_t i = 0; b.slots && i < b.n; i++) {
		struct slot *s = &b.slots[i];

		if (s->task.run)
			team_wait(team, &s->task);
		empty_slot(s);
		free(s->batch.records);
		free(s->batch.result);
	}
	free(b.slots);
	return rc;
}
