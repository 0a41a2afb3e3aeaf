/* A head at work: from hidden states at the cut to log-probabilities. */
#ifndef HEAD_NET_H
#define HEAD_NET_H

#include <stddef.h>

#include "head/head.h"

struct head_net;

/* Packs the weights; the head may be changed or freed afterwards. */
struct head_net *head_net_open(const struct head *, char *why);
void head_net_free(struct head_net *);

/* Floats of scratch memory for M tokens in B records, aligned to 64 bytes. */
size_t head_net_scratch(const struct head_net *, size_t M, size_t B);

/*
 * logp (B, K): log-probabilities of the classes for each of the B records, or
 * parts of records, whose vectors are of the dtype. M tokens in all.
 */
void head_net_run(const struct head_net *, float *logp,
    struct record *const *records, size_t B, size_t M, enum stream_dtype,
    float *scratch);

/*
 * The parts of a record joined: the mean of their log-probabilities,
 * normalised. Start with parts = 0.
 */
struct head_join {
	double *sum; /* (K) */
	size_t K, parts;
};

void head_join_add(struct head_join *, const float *logp);

/* p (K): probabilities that sum to 1; begins anew. */
void head_join_end(struct head_join *, double *p);

/* The class of the greatest probability, the first among equals. */
size_t head_best(const double *p, size_t K);

#endif
