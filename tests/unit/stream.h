/* What the tests of streams share: streams in memory, good and forged. */
#ifndef TESTS_STREAM_H
#define TESTS_STREAM_H

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "stream/block.h"
#include "stream/header.h"
#include "stream/stream.h"
#include "sys/why.h"

#include "tap.h"

enum { C = 3, MOST_RECORDS = 32 };

static int memory; /* a file for the reader, opened by its name */
static char path[64];
static const char *const files[] = { path };

static inline void
stream_open_memory(void)
{
	memory = memfd_create("stream", 0);
	sprintf(path, "/proc/self/fd/%d", memory);
}

/* The header of all streams here; hidden states at the top cut. */
static inline struct stream_header
header(enum stream_kind kind)
{
	struct stream_header h = { .kind = kind,
		.vocabulary = "0123456789abcdef0123456789abcdef",
		.vocab_size = 300,
		.preparation = { true, "", " \xc3\xa9", SPECIAL_LITERAL },
		.model_name = "" };

	if (kind == STREAM_HIDDEN) {
		strcpy(h.model, "fedcba9876543210fedcba9876543210");
		h.model_name = "tiny";
		h.cut = h.n_layer = 2;
		h.n_head = 1;
		h.n_embd = C;
	}
	return h;
}

/* ---- a stream in memory ---- */

static inline void
give(const void *p, size_t len)
{
	if (ftruncate(memory, 0) < 0 ||
	    pwrite(memory, p, len, 0) != (ssize_t)len)
		abort();
}

/* What a reader made of the bytes. */
struct outcome {
	int rc; /* of the last call */
	size_t n;
	bool terminated;
	uint64_t hashes[MOST_RECORDS]; /* of the records */
	char why[WHYSZ];	       /* without the file's name */
};

static inline uint64_t
hash(const struct record *r)
{
	uint64_t h = XXH64(r->tokens, r->n_tokens * 4, r->was_cut);

	h = XXH64(r->vectors, r->n_vectors * C * 4, h + r->part);
	h = XXH64(r->label ? r->label : "-", r->label ? r->label_len : 1, h);
	h = XXH64(r->id ? r->id : "-", r->id ? r->id_len : 1, h + r->length);
	return h + r->parts;
}

static inline struct outcome
read_stream(const void *p, size_t len, enum stream_kind kind)
{
	struct outcome o = { .rc = -1 };
	struct stream_reader *r;
	struct record record;
	char why[WHYSZ] = "";
	size_t skip;

	give(p, len);
	if ((r = stream_reader_open(files, 1, kind, why)) != NULL) {
		while ((o.rc = stream_read(r, &record, why)) > 0)
			o.hashes[o.n++ % MOST_RECORDS] = hash(&record);
		o.terminated = stream_reader_terminated(r);
	}
	stream_reader_free(r);
	skip = strncmp(why, path, strlen(path)) ? 0 : strlen(path) + 2;
	strcpy(o.why, why + skip);
	return o;
}

/* The records are the first n of those in whole. */
static inline bool
is_prefix(const struct outcome *o, const struct outcome *whole, size_t n)
{
	return o->n == n && n <= whole->n &&
	       memcmp(o->hashes, whole->hashes, n * sizeof(o->hashes[0])) == 0;
}

/* A stream made by hand; its blocks have right hashes. */
struct forge {
	uint8_t data[1 << 14];
	size_t len;
	uint64_t sequence, chain;
};

static inline void
forge_block(struct forge *f, uint32_t type, const void *payload, size_t len)
{
	uint8_t *head = f->data + f->len;

	memset(head, 0, BLOCK_HEADSZ + len + 8);
	memcpy(head + BLOCK_HEADSZ, payload, len);
	block_seal(head, type, (uint32_t)len, f->sequence++, &f->chain);
	f->len += BLOCK_HEADSZ + block_padded((uint32_t)len);
}

static inline void
forge_magic(struct forge *f)
{
	memcpy(f->data + f->len, stream_magic, MAGIC_SIZE);
	f->len += MAGIC_SIZE;
	f->sequence = f->chain = 0;
}

/* The forged stream gives n records and then the message, "" for its end. */
static inline void
expect(struct forge *f, enum stream_kind kind, size_t n, const char *want,
    const char *name)
{
	struct outcome o = read_stream(f->data, f->len, kind);

	if (!ok(o.n == n && strcmp(o.why, want) == 0 &&
		    o.rc == (want[0] ? -1 : 0),
		"%s", name))
		printf("# got %zu, %d, %s\n", o.n, o.rc, o.why);
}

#endif
