/* Streams that may lack their end; see scan.h. */
#include "stream/scan.h"

#include <string.h>

#include "sys/num.h"
#include "sys/why.h"

static bool
zeros(const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (p[i] != 0)
			return false;
	}
	return true;
}

/*
 * The block at p, len bytes from the end: 1; 0: unfinished, that is, cut
 * short, or damaged with nothing behind it but zeros, as a file system may
 * leave them; -1: damaged.
 */
static int
scan_block(const struct scan *s, struct block *b, const uint8_t *p, size_t len,
    char *why)
{
	const struct stream_progress *g = &s->progress;
	size_t whole;

	if (len < BLOCK_HEADSZ)
		return 0;
	if (block_open(b, p, g->sequence, g->chain, why) < 0)
		return zeros(p, len) ? 0 : -1;
	whole = BLOCK_HEADSZ + block_padded(b->len);
	if (len < whole)
		return 0;
	if (block_check(b, p + BLOCK_HEADSZ, why) < 0)
		return zeros(p + whole, len - whole) ? 0 : -1;
	return 1;
}

static void
scan_step(struct scan *s, const struct block *b, size_t before)
{
	s->progress.chain = b->head_hash;
	s->progress.sequence++;
	s->at += before + BLOCK_HEADSZ + block_padded(b->len);
}

/* Compares the header with what is wanted; the first one is kept. */
static int
scan_header(
    struct scan *s, const struct block *b, const uint8_t *payload, char *why)
{
	struct stream_header want = *s->want;
	struct stream_header_owned h;
	int rc;

	if (b->type != BLOCK_HEADER)
		return why_set(why, "header: missing");
	if (stream_header_parse(&h, payload, b->len, why) < 0)
		return -1;
	want.preparation = h.header.preparation;
	rc = stream_header_compare(&h.header, &want, why);
	if (rc == 0 && s->first.header.vocab_size == 0)
		s->first = h;
	else
		stream_header_clear(&h);
	return rc;
}

/* Magic and header: 1, 0 or -1 as scan_block. */
static int
scan_start(struct scan *s, char *why)
{
	const uint8_t *p = s->data + s->at;
	size_t len = s->size - s->at;
	struct block b;
	int rc;

	if (memcmp(p, stream_magic, num_min(len, MAGIC_SIZE)) != 0)
		return zeros(p, len) && s->at > 0
			   ? 0
			   : why_set(why, "not a hidden-state stream");
	if (len < MAGIC_SIZE)
		return 0;
	memset(&s->progress, 0, sizeof(s->progress));
	rc = scan_block(s, &b, p + MAGIC_SIZE, len - MAGIC_SIZE, why);
	if (rc <= 0)
		return rc;
	if (scan_header(s, &b, p + MAGIC_SIZE + BLOCK_HEADSZ, why) < 0)
		return -1;
	scan_step(s, &b, MAGIC_SIZE);
	s->inside = true;
	return 1;
}

static int
scan_record(
    struct scan *s, const struct block *b, const uint8_t *payload, char *why)
{
	struct record r;

	if (record_parse(&r, payload, b->len, s->want, why) < 0 ||
	    part_step(&s->progress.state, &r, why) < 0)
		return -1;
	return s->record(s->arg, &r, (uint64_t)(payload - s->data), why);
}

static int
scan_end(const struct scan *s, const struct block *b, const uint8_t *payload,
    char *why)
{
	const struct part_state *state = &s->progress.state;
	struct end_mark end;

	if (end_parse(&end, payload, b->len, why) < 0)
		return -1;
	if (state->open || end.records != state->counts.records ||
	    end.blocks != state->counts.blocks)
		return why_set(why, "end mark says %llu records, read %llu",
		    (unsigned long long)end.records,
		    (unsigned long long)state->counts.records);
	return 0;
}

/* A record, the end mark, or what may be skipped: 0 or -1. */
static int
scan_payload(
    struct scan *s, const struct block *b, const uint8_t *payload, char *why)
{
	if (b->type == BLOCK_RECORD)
		return scan_record(s, b, payload, why);
	if (b->type == BLOCK_END)
		return scan_end(s, b, payload, why);
	if (b->type & BLOCK_SKIPPABLE)
		return 0;
	return why_set(why, "block type %u not known", b->type);
}

static int
scan_inside(struct scan *s, char *why)
{
	const uint8_t *p = s->data + s->at;
	struct block b;
	char reason[WHYSZ];
	int rc = scan_block(s, &b, p, s->size - s->at, reason);

	if (rc > 0 && scan_payload(s, &b, p + BLOCK_HEADSZ, reason) < 0)
		rc = -1;
	if (rc < 0)
		return why_set(why, "record %llu: %.900s",
		    (unsigned long long)s->progress.state.counts.records + 1,
		    reason);
	if (rc > 0) {
		s->inside = b.type != BLOCK_END;
		scan_step(s, &b, 0);
	}
	return rc;
}

int
scan_run(struct scan *s, char *why)
{
	int rc = 1;

	while (rc > 0 && s->at < s->size)
		rc = s->inside ? scan_inside(s, why) : scan_start(s, why);
	if (rc < 0)
		return -1;
	if (s->inside && s->progress.state.open)
		return why_set(why, "record %llu: parts missing",
		    (unsigned long long)s->progress.state.counts.records + 1);
	return 0;
}
