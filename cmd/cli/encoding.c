/* Rows to records; see encoding.h. */
#include "cli/encoding.h"

#include <stdlib.h>

#include "bpe/bpe.h"
#include "sys/buffer.h"
#include "sys/team.h"
#include "sys/why.h"

enum {
	BATCH_BYTES = 1 << 16, /* of text, or a text longer than that */
	BATCH_ROWS = 4096,
	PER_THREAD = 3 /* batches: at work, waiting, being written */
};

/* What a row has besides its text; label and id stand in names. */
struct entry {
	size_t at, label_len, id_len;
	bool has_label, has_id;
	uint64_t number, done;
};

struct batch {
	struct task task; /* first, so that a task is a batch */
	struct encoding *owner;
	struct prepared *prepared;
	struct entry *entries; /* (BATCH_ROWS) */
	struct buffer names;
	bool failed;
	char why[WHYSZ];
};

struct encoding {
	const struct preparer *preparer;
	const struct bpe *bpe;
	void (*write)(void *, const struct encoded *);
	void *arg;
	size_t jobs;
	struct team *team;	       /* NULL before it is needed */
	struct bpe_encoder **encoders; /* (jobs) NULL before first needed */
	struct batch *batches;	       /* (n) a ring */
	size_t n;
	size_t first, given; /* the oldest given out, and how many are */
};

static struct batch *
filling(struct encoding *e)
{
	return &e->batches[(e->first + e->given) % e->n];
}

static void
encode(struct batch *b, size_t worker)
{
	struct bpe_encoder **encoder = &b->owner->encoders[worker];

	if (*encoder == NULL)
		*encoder = bpe_encoder_open(b->owner->bpe, b->why);
	b->failed =
	    *encoder == NULL || prepared_run(b->prepared, *encoder, b->why) < 0;
}

static void
run_batch(struct task *task, size_t worker)
{
	encode((struct batch *)(void *)task, worker);
}

static int
open_batch(struct encoding *e, struct batch *b, char *why)
{
	b->owner = e;
	b->task.run = run_batch;
	b->entries = calloc(BATCH_ROWS, sizeof(*b->entries));
	if (b->entries == NULL) {
		why_memory(why);
		return -1;
	}
	/* Names are pointers into it, even of rows without any. */
	if (buffer_reserve(&b->names, 1, why) < 0)
		return -1;
	return (b->prepared = prepared_new(e->preparer, why)) ? 0 : -1;
}

struct encoding *
encoding_open(const struct preparer *preparer, const struct bpe *bpe,
    size_t jobs, void (*write)(void *arg, const struct encoded *), void *arg,
    char *why)
{
	struct encoding *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return why_memory(why);
	e->preparer = preparer;
	e->bpe = bpe;
	e->jobs = jobs;
	e->write = write;
	e->arg = arg;
	e->n = jobs > 1 ? PER_THREAD * jobs : 1;
	e->encoders = calloc(jobs, sizeof(struct bpe_encoder *));
	e->batches = calloc(e->n, sizeof(*e->batches));
	if (e->encoders == NULL || e->batches == NULL) {
		why_memory(why);
		goto fail;
	}
	for (size_t i = 0; i < e->n; i++) {
		if (open_batch(e, &e->batches[i], why) < 0)
			goto fail;
	}
	return e;
fail:
	encoding_free(e);
	return NULL;
}

void
encoding_free(struct encoding *e)
{
	if (e == NULL)
		return;
	team_free(e->team);
	for (size_t i = 0; e->encoders && i < e->jobs; i++)
		bpe_encoder_free(e->encoders[i]);
	for (size_t i = 0; e->batches && i < e->n; i++) {
		prepared_free(e->batches[i].prepared);
		free(e->batches[i].entries);
		free(e->batches[i].names.data);
	}
	free(e->encoders);
	free(e->batches);
	free(e);
}

/* Writes an encoded batch and empties it. */
static int
write_batch(struct encoding *e, struct batch *b, char *why)
{
	size_t n = prepared_count(b->prepared);

	if (b->failed)
		return why_set(why, "%s", b->why);
	for (size_t i = 0; i < n; i++) {
		const struct entry *r = &b->entries[i];
		const char *names = (const char *)b->names.data + r->at;
		struct encoded encoded = { .label = r->has_label ? names : NULL,
			.id = r->has_id ? names + r->label_len : NULL,
			.label_len = r->label_len,
			.id_len = r->id_len,
			.number = r->number,
			.done = r->done,
			.batch = b->prepared,
			.i = i };

		e->write(e->arg, &encoded);
	}
	prepared_clear(b->prepared);
	b->names.len = 0;
	return 0;
}

static int
write_oldest(struct encoding *e, char *why)
{
	struct batch *b = &e->batches[e->first];

	team_wait(e->team, &b->task);
	e->first = (e->first + 1) % e->n;
	e->given--;
	return write_batch(e, b, why);
}

/* Gives the batch that is full to a thread, and frees one to be filled. */
static int
give(struct encoding *e, char *why)
{
	if (e->team == NULL && (e->team = team_open(e->jobs, why)) == NULL)
		return -1;
	team_give(e->team, &filling(e)->task);
	e->given++;
	while (e->given > 0 && (e->given == e->n ||
				   team_finished(&e->batches[e->first].task))) {
		if (write_oldest(e, why) < 0)
			return -1;
	}
	return 0;
}

/* Encodes and writes the batch at hand without a thread. */
static int
run_here(struct encoding *e, char *why)
{
	encode(filling(e), 0);
	return write_batch(e, filling(e), why);
}

int
encoding_add(struct encoding *e, const struct row *row, uint64_t number,
    uint64_t done, char *why)
{
	struct batch *b = filling(e);
	size_t i = prepared_count(b->prepared);

	b->entries[i] =
	    (struct entry){ b->names.len, row->label_len, row->id_len,
		    row->label != NULL, row->id != NULL, number, done };
	if ((row->label_len > 0 && buffer_append(&b->names, row->label,
				       row->label_len, why) < 0) ||
	    (row->id_len > 0 &&
		buffer_append(&b->names, row->id, row->id_len, why) < 0) ||
	    prepared_add(b->prepared, (const uint8_t *)row->text, row->text_len,
		why) < 0)
		return -1;
	if (i + 1 < BATCH_ROWS && prepared_bytes(b->prepared) < BATCH_BYTES)
		return 0;
	return e->n > 1 ? give(e, why) : run_here(e, why);
}

int
encoding_flush(struct encoding *e, char *why)
{
	while (e->given > 0) {
		if (write_oldest(e, why) < 0)
			return -1;
	}
	return prepared_count(filling(e)->prepared) > 0 ? run_here(e, why) : 0;
}
