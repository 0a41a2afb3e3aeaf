/* Choosing the next token from its logits. */
#ifndef GPT2_SAMPLE_H
#define GPT2_SAMPLE_H

#include <stddef.h>
#include <stdint.h>

struct sample_options {
	double temperature; /* 0: the most probable token */
	size_t top_k;	    /* of the k most probable; 0: of all */
	double top_p; /* of the most probable with so much together; 1: all */
	uint64_t seed;
};

/* What so many threads work in, for V tokens; NULL: no memory. */
struct sampler;
struct sampler *sampler_open(size_t V, size_t workers, char *why);
void sampler_free(struct sampler *);

/*
 * A token by logits (V), chosen by one of the workers. Temperature comes first,
 * then top_k, then top_p (Holtzman et al. 2020, section 3.1), each on what the
 * one before has left. The random number is a function of seed, record and
 * position alone.
 */
uint32_t sample_token(struct sampler *, size_t worker, const float *logits,
    const struct sample_options *, uint64_t record, uint64_t position);

/* log p of a token by logits (V). */
double sample_log_probability(const float *logits, size_t V, uint32_t token);

#endif
