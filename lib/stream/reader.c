/* Reading streams; see stream.h. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "stream/block.h"
#include "stream/header.h"
#include "stream/reader.h"
#include "stream/source.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

enum { SAME_FILES = 64 }; /* files remembered for stream_reader_reads */

struct stream_reader {
	const char *const *files; /* what is left to open */
	size_t n;
	enum stream_kind kind;
	struct source source;		  /* the file being read */
	struct stream_header_owned first; /* of the first stream */
	size_t streams;			  /* begun in the current file */
	bool inside;	    /* between a header and its end mark */
	struct block block; /* the last one read */
	uint64_t sequence, chain;
	struct part_state state;
	bool terminated;
	uint64_t done; /* bytes of the files read before */
	struct stat seen[SAME_FILES];
	size_t n_seen;
	char name[WHYSZ / 2]; /* of stream_reader_name */
};

/* "FILE: " in front of the reason; returns -1. */
static int
in_file(struct stream_reader *r, char *why)
{
	const char *name = stream_reader_name(r);
	char reason[WHYSZ];

	memcpy(reason, why, WHYSZ);
	return why_set(
	    why, "%s: %.*s", name, (int)(WHYSZ - 3 - strlen(name)), reason);
}

/* "record N: " or "header: " in front of the reason; returns -1. */
static int
in_block(const struct stream_reader *r, char *why)
{
	char reason[WHYSZ];

	memcpy(reason, why, WHYSZ);
	if (!r->inside)
		return why_set(why, "header: %.900s", reason);
	return why_set(why, "record %llu: %.900s",
	    (unsigned long long)r->state.counts.records + 1, reason);
}

static int
ends_early(const struct stream_reader *r, char *why)
{
	unsigned long long byte = r->source.offset + source_held(&r->source);

	if (!r->inside)
		return why_set(
		    why, "ends early in the header (byte %llu)", byte);
	return why_set(why, "ends early after record %llu (byte %llu)",
	    (unsigned long long)r->state.counts.records, byte);
}

/* Makes len bytes of the file available: 0, or -1 with the reason. */
static int
want(struct stream_reader *r, size_t len, char *why)
{
	switch (source_fill(&r->source, len, why)) {
	case 1:
		return 0;
	case 0:
		return ends_early(r, why);
	default:
		return -1;
	}
}

/* What the bytes are that should have been the magic. */
static int
say_not_stream(
    const struct stream_reader *r, const uint8_t *p, size_t len, char *why)
{
	static const char *const damaged[] = { "\x89G2T\n", "\x89G2T\r\r\n",
		"\x09G2T", "\xc2\x89G2T", "\xef\xbf\xbdG2T", NULL };
	const char *name = stream_kind_name(r->kind);
	bool text = len > 0;

	if (len == 0)
		return why_set(why, "empty: not a %s", name);
	for (size_t i = 0; damaged[i]; i++) {
		size_t n = strlen(damaged[i]);

		if (len >= n && memcmp(p, damaged[i], n) == 0)
			return why_set(why, "damaged by text conversion");
	}
	if (len < MAGIC_SIZE && memcmp(p, stream_magic, len) == 0)
		return ends_early(r, why);
	for (size_t i = 0; i < len && i < MAGIC_SIZE; i++)
		text = text && (p[i] >= ' ' || (p[i] >= '\t' && p[i] <= '\r'));
	return why_set(why, "not a %s%s", name,
	    text ? " (text? run bpe-encode first)" : "");
}

static int
read_magic(struct stream_reader *r, char *why)
{
	int rc = source_fill(&r->source, MAGIC_SIZE, why);
	const uint8_t *p = source_data(&r->source);

	if (rc < 0)
		return -1;
	if (rc == 0 || memcmp(p, stream_magic, MAGIC_SIZE) != 0)
		return say_not_stream(r, p, source_held(&r->source), why);
	source_skip(&r->source, MAGIC_SIZE);
	return 0;
}

/* The next block: its head is checked before its length is believed. */
static int
read_block(struct stream_reader *r, struct block *b, const uint8_t **payload,
    char *why)
{
	size_t len;

	if (want(r, BLOCK_HEADSZ, why) < 0)
		return -1;
	if (block_open(b, source_data(&r->source), r->sequence, r->chain, why) <
	    0)
		return in_block(r, why);
	len = BLOCK_HEADSZ + block_padded(b->len);
	if (want(r, len, why) < 0)
		return -1;
	*payload = source_data(&r->source) + BLOCK_HEADSZ;
	if (block_check(b, *payload, why) < 0)
		return in_block(r, why);
	source_skip(&r->source, len);
	r->chain = b->head_hash;
	r->sequence++;
	return 0;
}

/* A later stream must fit the first one. */
static int
adopt_header(struct stream_reader *r, struct stream_header_owned *h, char *why)
{
	char reason[WHYSZ];
	int rc;

	if (r->first.header.vocab_size == 0) {
		r->first = *h;
		return 0;
	}
	rc = stream_header_compare(&h->header, &r->first.header, reason);
	stream_header_clear(h);
	if (rc == 0)
		return 0;
	if (r->streams > 1)
		return why_set(why, "stream %zu: %.900s", r->streams, reason);
	return why_set(why, "%.900s", reason);
}

static int
read_header(struct stream_reader *r, char *why)
{
	struct stream_header_owned h;
	const uint8_t *payload;
	struct block b;

	r->sequence = 0;
	r->chain = 0;
	memset(&r->state, 0, sizeof(r->state));
	r->streams++;
	if (read_magic(r, why) < 0)
		return -1;
	if (read_block(r, &b, &payload, why) < 0)
		return -1;
	if (b.type != BLOCK_HEADER)
		return why_set(why, "header: missing");
	if (stream_header_parse(&h, payload, b.len, why) < 0)
		return -1;
	if (r->kind == STREAM_ANY)
		r->kind = h.header.kind;
	if (h.header.kind != r->kind) {
		enum stream_kind kind = h.header.kind;

		stream_header_clear(&h);
		return why_set(why, "%s, want %s%s", stream_kind_name(kind),
		    stream_kind_name(r->kind),
		    kind == STREAM_TOKENS ? " (run gpt2-embed first)" : "");
	}
	r->inside = true;
	return adopt_header(r, &h, why);
}

/* Opens the next file and reads its header: 1; 0: there is none left. */
static int
next_file(struct stream_reader *r, char *why)
{
	if (r->n == 0)
		return 0;
	r->done += r->source.offset;
	source_close(&r->source);
	r->streams = 0;
	if (source_open(&r->source, *r->files++, why) < 0)
		return in_file(r, why);
	r->n--;
	if (r->n_seen < SAME_FILES)
		fstat(r->source.fd, &r->seen[r->n_seen++]);
	return read_header(r, why) < 0 ? in_file(r, why) : 1;
}

static struct stream_reader *
open_reader(const char *const *files, size_t n, enum stream_kind kind,
    bool spool, char *why)
{
	static const char *const standard_input[] = { "-" };
	struct stream_reader *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return why_memory(why);
	r->source.fd = r->source.spool = -1;
	r->source.spooling = spool;
	r->files = n > 0 ? files : standard_input;
	r->n = n > 0 ? n : 1;
	r->kind = kind;
	if (next_file(r, why) < 0) {
		stream_reader_free(r);
		return NULL;
	}
	return r;
}

struct stream_reader *
stream_reader_open(
    const char *const *files, size_t n, enum stream_kind kind, char *why)
{
	return open_reader(files, n, kind, false, why);
}

struct stream_reader *
stream_reader_spool(const char *const *file, enum stream_kind kind, char *why)
{
	return open_reader(file, 1, kind, true, why);
}

void
stream_reader_free(struct stream_reader *r)
{
	if (r == NULL)
		return;
	source_close(&r->source);
	free(r->source.buffer.data);
	stream_header_clear(&r->first);
	free(r);
}

const struct stream_header *
stream_reader_header(const struct stream_reader *r)
{
	return &r->first.header;
}

const char *
stream_reader_name(struct stream_reader *r)
{
	return why_escape(
	    r->name, sizeof(r->name), r->source.name, strlen(r->source.name));
}

/* Compares the end mark with what has been read. */
static int
check_end(
    struct stream_reader *r, const uint8_t *payload, size_t len, char *why)
{
	const struct end_mark *read = &r->state.counts;
	struct end_mark e;

	if (end_parse(&e, payload, len, why) < 0)
		return -1;
	if (r->state.open)
		return why_set(why, "record %llu: parts missing",
		    (unsigned long long)read->records + 1);
	if (e.records != read->records || e.blocks != read->blocks ||
	    e.cut != read->cut)
		return why_set(why, "end mark says %llu records, read %llu",
		    (unsigned long long)e.records,
		    (unsigned long long)read->records);
	r->terminated = (e.flags & END_TERMINATED) != 0;
	r->inside = false;
	return 0;
}

/* After an end mark: another stream, the next file, or the end: 1, 1, 0. */
static int
after_end(struct stream_reader *r, char *why)
{
	int rc = source_fill(&r->source, MAGIC_SIZE, why);

	if (rc < 0)
		return in_file(r, why);
	if (source_held(&r->source) == 0)
		return next_file(r, why);
	if (rc == 0 ||
	    memcmp(source_data(&r->source), stream_magic, MAGIC_SIZE) != 0) {
		why_set(why, "trailing garbage at byte %llu",
		    (unsigned long long)r->source.offset);
		return in_file(r, why);
	}
	return read_header(r, why) < 0 ? in_file(r, why) : 1;
}

/* One block inside a stream: 1 for a record, 0 for another, or -1. */
static int
step(struct stream_reader *r, struct record *record, char *why)
{
	const uint8_t *payload;
	const struct block *b = &r->block;

	if (read_block(r, &r->block, &payload, why) < 0)
		return -1;
	if (b->type == BLOCK_END)
		return check_end(r, payload, b->len, why);
	if (b->type == BLOCK_RECORD) {
		if (record_parse(
			record, payload, b->len, &r->first.header, why) < 0 ||
		    part_step(&r->state, record, why) < 0)
			return in_block(r, why);
		return 1;
	}
	if (b->type & BLOCK_SKIPPABLE)
		return 0;
	why_set(why, "block type %u not known", b->type);
	return in_block(r, why);
}

int
stream_read(struct stream_reader *r, struct record *record, char *why)
{
	int rc;

	for (;;) {
		if (r->inside) {
			if ((rc = step(r, record, why)) < 0)
				return in_file(r, why);
			if (rc > 0)
				return 1;
		} else if ((rc = after_end(r, why)) <= 0) {
			return rc;
		}
	}
}

/*
 * A whole record is needed before stream_read is sure not to wait: behind any
 * other block, or between two streams, it looks for what comes next. What
 * cannot be a block is an error, which needs no waiting either.
 */
bool
stream_reader_ready(struct stream_reader *r)
{
	char why[WHYSZ];

	while (r->inside) {
		size_t held = source_held(&r->source), need = BLOCK_HEADSZ;
		struct block b;

		if (held >= BLOCK_HEADSZ) {
			if (block_open(&b, source_data(&r->source), r->sequence,
				r->chain, why) < 0)
				return true;
			if (b.type != BLOCK_RECORD)
				return false;
			need += block_padded(b.len);
		}
		if (r->source.ended || held >= need)
			return true;
		if (!source_readable(&r->source))
			return false;
		if (source_fill_some(&r->source, need, why) < 0)
			return true;
	}
	return false;
}

bool
stream_reader_terminated(const struct stream_reader *r)
{
	return r->terminated;
}

bool
stream_reader_reads(const struct stream_reader *r, const struct file_out *f)
{
	for (size_t i = 0; i < r->n_seen; i++) {
		if (file_is_same(f, &r->seen[i]))
			return true;
	}
	for (size_t i = 0; i < r->n; i++) {
		struct stat st;

		if (stat(r->files[i], &st) == 0 && file_is_same(f, &st))
			return true;
	}
	return false;
}

uint64_t
stream_reader_bytes(const struct stream_reader *r, uint64_t *all)
{
	uint64_t total = r->done + r->source.size;

	for (size_t i = 0; i < r->n; i++) {
		struct stat st;

		if (r->source.size == 0 || stat(r->files[i], &st) < 0 ||
		    !S_ISREG(st.st_mode))
			total = 0;
		if (total == 0)
			break;
		total += (uint64_t)st.st_size;
	}
	*all = r->source.size > 0 ? total : 0;
	return r->done + r->source.offset;
}

int
stream_reader_descriptor(const struct stream_reader *r)
{
	return r->source.spool >= 0 ? r->source.spool : r->source.fd;
}

uint64_t
stream_reader_payload(const struct stream_reader *r, uint32_t *len)
{
	*len = r->block.len;
	return r->source.offset - block_padded(r->block.len);
}
