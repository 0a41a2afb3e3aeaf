/* The labelled records of a cached stream, their parts put together. */
#ifndef HEAD_EXAMPLES_H
#define HEAD_EXAMPLES_H

#include <stddef.h>
#include <stdint.h>

#include "head/head.h"
#include "stream/cache.h"

struct example {
	size_t first; /* part in the cache */
	uint32_t parts;
	uint32_t class;
};

struct examples {
	const struct stream_cache *cache;
	struct example *list; /* (n) in the stream's order */
	size_t n;
	size_t parts, tokens;  /* of all examples */
	size_t longest;	       /* tokens of the longest part */
	size_t unlabelled;     /* records left out */
	size_t cut;	       /* examples that were cut or split */
	size_t duplicates;     /* examples with the tokens of an earlier one */
	size_t contradictions; /* of these, with another label */
	char id[STREAM_IDSZ];  /* XXH3-128 of tokens and labels, in order */
};

/*
 * Finds the classes in the data: labels and names (equal), K and counts (K)
 * of the head are filled in; the caller frees counts. NULL: fewer than two
 * classes, or a label that cannot be one.
 */
struct examples *examples_learn(
    const struct stream_cache *, struct head *, size_t **counts, char *why);

/* The same with a head's classes; a label that it lacks is an error. */
struct examples *examples_open(
    const struct stream_cache *, const struct head *, char *why);

/*
 * Takes about a share of the examples out, whole groups of them, in an order
 * that depends on seed; groups (n) are numbers as of overlap_group. At least
 * one example stays and one is taken, or it fails. The examples left and those
 * taken are counted anew; counts (K) become those of the ones left.
 */
struct examples *examples_split(struct examples *, const size_t *groups,
    double share, uint64_t seed, size_t K, size_t *counts, char *why);

void examples_free(struct examples *);

/* The id of a set as examples have it, record part by record part. */
struct examples_id;
struct examples_id *examples_id_new(char *why);
void examples_id_add(struct examples_id *, const struct record *);
/* Writes the id and frees the state. */
void examples_id_end(struct examples_id *, char id[STREAM_IDSZ]);

#endif
