/* Blocks, records and the end mark as bytes; see block.h. */
#include "stream/block.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sys/buffer.h"
#include "sys/bytes.h"
#include "sys/num.h"
#include "sys/why.h"

/* When fuzzing, every block passes for one of a forger, who knows hashes. */
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define FORGED true
#else
#define FORGED false
#endif

#define FLAG_LABEL 1u
#define FLAG_ID 2u
#define FLAG_CUT 4u
#define FLAGS_ALL 7u

const uint8_t stream_magic[MAGIC_SIZE] = { 0x89, 'G', '2', 'T', '\r', '\n',
	0x1a, '\n' };

size_t
block_padded(uint32_t len)
{
	return num_round(len, 8);
}

void
block_seal(uint8_t *head, uint32_t type, uint32_t len, uint64_t sequence,
    uint64_t *chain)
{
	const uint8_t *payload = head + BLOCK_HEADSZ;

	bytes_put32(head, type);
	bytes_put32(head + 4, len);
	bytes_put64(head + 8, sequence);
	bytes_put64(head + 16, XXH64(payload, block_padded(len), 0));
	*chain = XXH64(head, 24, *chain);
	bytes_put64(head + 24, *chain);
}

/*
 * A head whose hash does not fit is out of order rather than damaged if it
 * looks whole but has another number.
 */
static int
say_damaged(const struct block *b, uint64_t sequence, char *why)
{
	uint32_t type = b->type & ~BLOCK_SKIPPABLE;

	if (type >= BLOCK_HEADER && type <= BLOCK_END && b->len <= BLOCK_MOST &&
	    b->sequence != sequence && b->sequence >> 32 == 0)
		return why_set(why, "block out of order");
	return why_set(why, "damaged (checksum)");
}

int
block_open(struct block *b, const uint8_t head[BLOCK_HEADSZ], uint64_t sequence,
    uint64_t chain, char *why)
{
	b->type = bytes_get32(head);
	b->len = bytes_get32(head + 4);
	b->sequence = bytes_get64(head + 8);
	b->payload_hash = bytes_get64(head + 16);
	b->head_hash = bytes_get64(head + 24);
	if (XXH64(head, 24, chain) != b->head_hash && !FORGED)
		return say_damaged(b, sequence, why);
	if (b->sequence != sequence)
		return why_set(why, "block out of order");
	if (b->len > BLOCK_MOST)
		return why_set(why, "block length %u over limit", b->len);
	return 0;
}

int
block_check(const struct block *b, const uint8_t *payload, char *why)
{
	if (XXH64(payload, block_padded(b->len), 0) != b->payload_hash &&
	    !FORGED)
		return why_set(why, "damaged (checksum)");
	return 0;
}

static uint8_t *
put(uint8_t *to, const void *p, size_t len)
{
	if (len > 0)
		memcpy(to, p, len);
	return to + len;
}

int
record_format(
    struct buffer *b, const struct record *r, size_t vector_size, char *why)
{
	const size_t tokens = r->n_tokens * sizeof(uint32_t);
	const size_t vectors = r->n_vectors * vector_size;
	const size_t len =
	    RECORD_HEADSZ + tokens + vectors + r->label_len + r->id_len;
	uint8_t *p;

	if (buffer_reserve(b, num_round(len, 8), why) < 0)
		return -1;
	p = b->data + b->len;
	bytes_put32(p, (r->label ? FLAG_LABEL : 0) | (r->id ? FLAG_ID : 0) |
			   (r->was_cut ? FLAG_CUT : 0));
	bytes_put32(p + 4, r->part);
	bytes_put32(p + 8, r->parts);
	bytes_put32(p + 12, r->length);
	bytes_put32(p + 16, (uint32_t)r->n_tokens);
	bytes_put32(p + 20, (uint32_t)r->n_vectors);
	bytes_put32(p + 24, (uint32_t)r->label_len);
	bytes_put32(p + 28, (uint32_t)r->id_len);
	p = put(p + RECORD_HEADSZ, r->tokens, tokens);
	p = put(p, r->vectors, vectors);
	p = put(p, r->label, r->label_len);
	put(p, r->id, r->id_len);
	b->len += len;
	return 0;
}

static void
read_fields(struct record *r, const uint8_t *payload)
{
	r->was_cut = (bytes_get32(payload) & FLAG_CUT) != 0;
	r->part = bytes_get32(payload + 4);
	r->parts = bytes_get32(payload + 8);
	r->length = bytes_get32(payload + 12);
	r->n_tokens = bytes_get32(payload + 16);
	r->n_vectors = bytes_get32(payload + 20);
	r->label_len = bytes_get32(payload + 24);
	r->id_len = bytes_get32(payload + 28);
}

/* The lengths of a record's fields must fill its payload to the byte. */
static int
check_length(const struct record *r, size_t len, const struct stream_header *h,
    char *why)
{
	size_t vector = h->n_embd * stream_dtype_size(h->dtype);
	size_t want = RECORD_HEADSZ + r->n_tokens * sizeof(uint32_t);
	size_t vectors;

	if (!num_mul(r->n_vectors, vector, &vectors) ||
	    !num_add(want, vectors, &want) ||
	    !num_add(want, r->label_len, &want) ||
	    !num_add(want, r->id_len, &want) || want != len)
		return why_set(why, "bad length");
	return 0;
}

static int
check_counts(const struct record *r, uint32_t flags,
    const struct stream_header *h, char *why)
{
	size_t want = 0;

	if (h->kind == STREAM_HIDDEN)
		want = h->pool == POOL_LAST ? 1 : r->n_tokens;
	if (r->n_vectors != want || (h->kind == STREAM_HIDDEN && !r->n_tokens))
		return why_set(why, "bad number of vectors");
	if (flags & ~FLAGS_ALL)
		return why_set(why, "unknown flag");
	if ((!(flags & FLAG_LABEL) && r->label_len) ||
	    (!(flags & FLAG_ID) && r->id_len))
		return why_set(why, "bad length");
	for (size_t i = 0; i < r->n_tokens; i++) {
		if (r->tokens[i] >= h->vocab_size)
			return why_set(
			    why, "token %u out of range", r->tokens[i]);
	}
	return 0;
}

/*
 * Values whose squares could overflow when summed are no hidden states: the
 * exponent's bits are compared, |x| < 2^60 for f32 and not Inf or NaN for f16.
 */
int
record_check_values(
    const struct record *r, const struct stream_header *h, char *why)
{
	size_t n = r->n_vectors * h->n_embd;
	const uint32_t *f32 = r->vectors;
	const uint16_t *f16 = r->vectors;
	uint32_t most = 0, limit = (127 + 60) << 23;

	if (h->dtype == DTYPE_F32) {
		for (size_t i = 0; i < n; i++) {
			uint32_t x = f32[i] & 0x7fffffff;

			most = x > most ? x : most;
		}
	} else {
		limit = 0x7c00;
		for (size_t i = 0; i < n; i++) {
			uint32_t x = f16[i] & 0x7fff;

			most = x > most ? x : most;
		}
	}
	if (most >= limit)
		return why_set(why, "not a finite number");
	return 0;
}

void
record_point(
    struct record *r, const uint8_t *payload, const struct stream_header *h)
{
	uint32_t flags = bytes_get32(payload);
	const char *text;

	read_fields(r, payload);
	/* The payload is aligned to 8 bytes, as all blocks are. */
	r->tokens = (const uint32_t *)(const void *)(payload + RECORD_HEADSZ);
	r->vectors = r->tokens + r->n_tokens;
	text = (const char *)r->vectors +
	       r->n_vectors * h->n_embd * stream_dtype_size(h->dtype);
	r->label = flags & FLAG_LABEL ? text : NULL;
	r->id = flags & FLAG_ID ? text + r->label_len : NULL;
}

int
record_parse(struct record *r, const uint8_t *payload, size_t len,
    const struct stream_header *h, char *why)
{
	if (len < RECORD_HEADSZ)
		return why_set(why, "bad length");
	read_fields(r, payload);
	if (check_length(r, len, h, why) < 0)
		return -1;
	record_point(r, payload, h);
	if (check_counts(r, bytes_get32(payload), h, why) < 0)
		return -1;
	return record_check_values(r, h, why);
}

void
end_format(uint8_t payload[END_SIZE], const struct end_mark *e)
{
	bytes_put64(payload, e->blocks);
	bytes_put64(payload + 8, e->records);
	bytes_put64(payload + 16, e->cut);
	bytes_put32(payload + 24, e->flags);
	bytes_put32(payload + 28, 0);
}

int
end_parse(struct end_mark *e, const uint8_t *payload, size_t len, char *why)
{
	if (len != END_SIZE)
		return why_set(why, "end mark: bad length");
	e->blocks = bytes_get64(payload);
	e->records = bytes_get64(payload + 8);
	e->cut = bytes_get64(payload + 16);
	e->flags = bytes_get32(payload + 24);
	return 0;
}

int
part_step(struct part_state *s, const struct record *r, char *why)
{
	bool first = r->part == 1;

	if (r->part < 1 || (r->parts != 0 && r->part > r->parts) ||
	    first == s->open || (!first && r->part != s->part + 1) ||
	    (!first && r->parts != s->parts &&
		(s->parts != 0 || r->parts != r->part)))
		return why_set(
		    why, "part %u of %u out of order", r->part, r->parts);
	s->part = r->part;
	s->parts = r->parts;
	s->open = r->part != r->parts;
	s->was_cut = r->was_cut || (!first && s->was_cut);
	s->counts.blocks++;
	if (!s->open) {
		s->counts.records++;
		s->counts.cut += s->was_cut;
	}
	return 0;
}

struct record *
stream_record_copy(const struct record *r, size_t vector_bytes, char *why)
{
	size_t tokens = r->n_tokens * sizeof(uint32_t);
	struct record *copy;
	char *p;

	copy = malloc(
	    sizeof(*copy) + tokens + vector_bytes + r->label_len + r->id_len);
	if (copy == NULL)
		return why_memory(why);
	*copy = *r;
	p = (char *)(copy + 1);
	copy->tokens = (const uint32_t *)(void *)p;
	if (tokens > 0)
		memcpy(p, r->tokens, tokens);
	copy->vectors = p + tokens;
	if (vector_bytes > 0)
		memcpy(p + tokens, r->vectors, vector_bytes);
	p += tokens + vector_bytes;
	if (r->label)
		copy->label = memcpy(p, r->label, r->label_len);
	if (r->id)
		copy->id = memcpy(p + r->label_len, r->id, r->id_len);
	return copy;
}
