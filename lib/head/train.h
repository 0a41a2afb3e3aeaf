/*
 * Training a head: AdamW on everything above the cut, from cached states. The
 * rules, and the reasons for the defaults, are in head-train(1).
 */
#ifndef HEAD_TRAIN_H
#define HEAD_TRAIN_H

#include <stdbool.h>
#include <stdint.h>

#include "head/examples.h"
#include "head/head.h"
#include "ops/ops.h"

struct team;

enum train_keep { KEEP_LAST, KEEP_BEST };

struct train_options {
	size_t epochs, batch; /* 0: chosen by train_defaults */
	double rate;	      /* of the blocks; 0: likewise */
	double decay;	      /* weight decay, matrices only */
	double dropout;
	uint64_t seed;
	enum train_keep keep;
	enum ops_precision precision; /* of the blocks' products: f32, bf16 */
	double dev_percent; /* of the records, kept for the dev set; 0: none */
};

/* What one epoch gave. */
struct train_epoch {
	size_t epoch; /* from 1 */
	double loss;  /* mean over the records, with dropout */
	double seconds;
	size_t tokens;
	bool has_dev;
	double dev_loss, dev_accuracy;
};

/*
 * Epochs and batch by the number of examples, so that there are at least 600
 * updates where 30 epochs allow it; the rate 1e-4 min(1, 768 / C).
 */
void train_defaults(struct train_options *, size_t n_examples, size_t C);

/* Who is told how it goes; called on the caller's thread. */
struct train_watch {
	void *arg;
	void (*epoch)(void *arg, const struct train_epoch *);

	/* After each update: its records and tokens, and how many updates of
	 * all are done. */
	void (*step)(
	    void *arg, size_t records, size_t tokens, size_t done, size_t all);
};

/*
 * Trains head->top, which holds the pretrained blocks and the classifier's
 * first values, on the examples. With a dev set, KEEP_BEST keeps the epoch of
 * the greatest dev accuracy and KEEP_LAST fits the temperature on it. *kept is
 * the epoch whose weights the head has.
 */
int head_train(struct head *, const struct examples *,
    const struct examples *dev, const struct train_options *, struct team *,
    const struct train_watch *, struct train_epoch *kept, char *why);

/* p (n, K): probabilities of the examples, their parts joined. */
int head_evaluate(const struct head *, const struct examples *, struct team *,
    double *p, char *why);

#endif
