/* Predictions as lines: TSV, JSON or fastText's form. */
#ifndef HEAD_PRINT_H
#define HEAD_PRINT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer;

enum print_format { PRINT_TSV, PRINT_JSONL, PRINT_FASTTEXT };

struct print_options {
	enum print_format format;
	size_t top;	       /* pairs of label and probability, at least 1 */
	bool all;	       /* every class, in order, instead */
	double min_prob;       /* below it … */
	const char *otherwise; /* … this label is printed; NULL: never */
};

/* What is known of a record besides its scores. */
struct print_record {
	const char *id; /* NULL: none */
	size_t id_len;
	uint64_t tokens;
	bool was_cut;
};

/* One judge's probabilities: p (K), named. */
struct print_scores {
	const char *judge; /* its name, where there are several */
	size_t K;
	char *const *names; /* (K) */
	const double *p;    /* (K) */
};

/* The header line that all asks for in TSV; nothing otherwise. */
int print_header(struct buffer *, const struct print_options *, bool with_id,
    const struct print_scores *, size_t n, char *why);

/* One line for a record, with the scores of n judges. */
int print_line(struct buffer *, const struct print_options *,
    const struct print_record *, const struct print_scores *, size_t n,
    char *why);

#endif
