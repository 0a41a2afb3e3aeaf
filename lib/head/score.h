/* How well predictions agree with the labels. */
#ifndef HEAD_SCORE_H
#define HEAD_SCORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;
struct score;

/* For K classes; NULL: no memory. score_free(NULL) is allowed. */
struct score *score_new(size_t K, char *why);
void score_free(struct score *);

/* Counts a record of the class with probabilities p (K). */
void score_add(struct score *, size_t class, const double *p, bool was_cut);

/*
 * Counts a whole record that was given the class answer, with probability p.
 * What p leaves is taken as divided evenly: exact for two classes.
 */
void score_add_answer(struct score *, size_t class, size_t answer, double p);

/* A part of the records: how many, and how many were right. */
struct score_part {
	uint64_t n, right;
};

struct score_class {
	uint64_t n;		      /* records of the class */
	uint64_t predicted;	      /* records given it */
	double precision, recall, f1; /* 0 where undefined */
};

struct score_result {
	struct score_part all, whole, cut;
	double accuracy;
	double low, high; /* 95 % interval: Wilson 1927 */
	size_t majority;  /* the class most frequent in the data */
	double majority_accuracy;
	double macro_f1;    /* mean over the classes that occur */
	double log_loss;    /* mean of -ln p(class) */
	double calibration; /* expected error, 10 bins: Guo et al. 2017, (3) */
};

struct score_result score_result(const struct score *);
struct score_class score_class(const struct score *, size_t k);

/* Records of class k that were given class predicted. */
uint64_t score_confusion(const struct score *, size_t k, size_t predicted);

enum score_format { SCORE_TEXT, SCORE_TSV, SCORE_JSONL };

/* The report, with the classes' names (K). */
int score_print(struct buffer *, const struct score *, size_t K,
    char *const *names, enum score_format, char *why);

#endif
