/* Predictions that some program printed, judged by the labels of a file. */
#ifndef CLI_PRINTED_H
#define CLI_PRINTED_H

#include <stdint.h>

#include "head/head.h"
#include "head/score.h"
#include "text/rows.h"

/* Start with zeros. */
struct printed {
	size_t K;
	char **names; /* (K) */
	struct score *score;
	uint64_t records, unlabelled;
};

/*
 * Reads both files, "-" being stdin, a line of predictions (label, tab,
 * probability; fields before these are passed over) for each row of labels.
 * The row's label is its label field, or in a file of lines the line. With a
 * head, labels are its classes, by either name; without one, all that occur
 * are classes. Exits where a file cannot be read or the two do not fit.
 */
void printed_judge(struct printed *, const char *predictions,
    const char *labels, const struct rows_options *, const struct head *);
void printed_free(struct printed *);

#endif
