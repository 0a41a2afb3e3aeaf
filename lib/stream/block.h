/*
 * The layer's own: the blocks a stream is made of, and the payloads of RECORD
 * and END. gpt2-stream(5) has the tables.
 */
#ifndef STREAM_BLOCK_H
#define STREAM_BLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "stream/stream.h"

struct buffer;

enum {
	BLOCK_HEADSZ = 32,
	BLOCK_HEADER = 1,
	BLOCK_RECORD = 2,
	BLOCK_END = 3,
	RECORD_HEADSZ = 32,
	END_SIZE = 32,
	MAGIC_SIZE = 8
};

#define BLOCK_SKIPPABLE 0x80000000u
#define BLOCK_MOST (80u << 20) /* bytes of payload */

extern const uint8_t stream_magic[MAGIC_SIZE];

struct block {
	uint32_t type;
	uint32_t len; /* of the payload, without its padding */
	uint64_t sequence;
	uint64_t payload_hash;
	uint64_t head_hash;
};

/* Fills in the two hashes and stores the head in front of its payload. */
void block_seal(uint8_t *head, uint32_t type, uint32_t len, uint64_t sequence,
    uint64_t *chain);

/*
 * Reads a head and checks it: 0, or -1 if its hash is wrong, it is out of
 * order, or the length over the limit.
 */
int block_open(struct block *, const uint8_t head[BLOCK_HEADSZ],
    uint64_t sequence, uint64_t chain, char *why);

/* Bytes of the payload with its padding. */
size_t block_padded(uint32_t len);

/* 0, or -1 "damaged (checksum)". */
int block_check(const struct block *, const uint8_t *payload, char *why);

/*
 * -1 where a value is not finite, or so large that sums of squares overflow.
 */
int record_check_values(
    const struct record *, const struct stream_header *, char *why);

/*
 * Appends the record as a payload, with room behind it for its padding;
 * vector_size is bytes of one vector.
 */
int record_format(
    struct buffer *, const struct record *, size_t vector_size, char *why);

/* Points r into a payload that record_parse has accepted before. */
void record_point(
    struct record *r, const uint8_t *payload, const struct stream_header *);

/* Points r into the payload, after checking it against the header. */
int record_parse(struct record *r, const uint8_t *payload, size_t len,
    const struct stream_header *, char *why);

/* Counts that stand in the end mark. */
struct end_mark {
	uint64_t blocks;  /* RECORD blocks */
	uint64_t records; /* a record in several parts counts once */
	uint64_t cut;	  /* records with the flag */
	uint32_t flags;
};

#define END_TERMINATED 1u

void end_format(uint8_t payload[END_SIZE], const struct end_mark *);
int end_parse(struct end_mark *, const uint8_t *payload, size_t len, char *why);

/*
 * Follows the parts of records: -1 if r may not come now. Start with zeros;
 * at the end open must be false.
 */
struct part_state {
	uint32_t part, parts;
	bool open; /* a record lacks parts */
	bool was_cut;
	struct end_mark counts;
};

int part_step(struct part_state *, const struct record *r, char *why);

#endif
