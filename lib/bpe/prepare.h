/*
 * From a text to the record or records that stand for it: white space off,
 * prefix and suffix on, and cut where it is too long for the model.
 */
#ifndef BPE_PREPARE_H
#define BPE_PREPARE_H

#include <stddef.h>
#include <stdint.h>

#include "stream/stream.h"

struct bpe;
struct bpe_encoder;

/* What becomes of a text with too many tokens. */
enum prepare_long {
	LONG_SPLIT, /* parts of equal size, to one token */
	LONG_HEAD,  /* its first tokens are kept */
	LONG_TAIL,  /* its last ones */
	LONG_ERROR
};

/* How texts become records: read only once it is open. */
struct preparer;

/*
 * The preparation's strings stay the caller's. limit is the tokens of a
 * record at most, 0: any number; it fails if prefix and suffix leave no room.
 */
struct preparer *preparer_open(const struct bpe *, const struct preparation *,
    size_t limit, enum prepare_long, char *why);
void preparer_free(struct preparer *);

/* A batch of texts, and the records that they become. */
struct prepared;

struct prepared *prepared_new(const struct preparer *, char *why);
void prepared_free(struct prepared *);

/* Adds a text, which is copied; -1: no memory. */
int prepared_add(struct prepared *, const uint8_t *text, size_t len, char *why);

/* How many there are, and the bytes of all. */
size_t prepared_count(const struct prepared *);
size_t prepared_bytes(const struct prepared *);

/* Encodes them all, on any thread that has the encoder; -1: no memory. */
int prepared_run(struct prepared *, struct bpe_encoder *, char *why);

/*
 * After that: how many records the i-th text makes, at least 1, or -1: too
 * long under LONG_ERROR, special under SPECIAL_ERROR.
 */
long prepared_parts(const struct prepared *, size_t i, char *why);

/*
 * Fills in tokens, part, parts, length and was_cut of its k-th record, from 0;
 * valid until the next call.
 */
void prepared_part(struct prepared *, size_t i, size_t k, struct record *);

/* Empties the batch. */
void prepared_clear(struct prepared *);

#endif
