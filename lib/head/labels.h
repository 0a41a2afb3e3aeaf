/* Labels of the data, and the classes they become. */
#ifndef HEAD_LABELS_H
#define HEAD_LABELS_H

#include <stddef.h>

enum { MOST_CLASSES = 65535, MOST_LABEL = 255 /* bytes */ };

/* Numbers before others, as numbers; the others bytewise. */
int labels_compare(const char *, const char *);

/*
 * -1: too long, not UTF-8, or with control bytes, which would break lines and
 * the head's JSON.
 */
int labels_check(const char *label, size_t len, char *why);

/* A set of labels, each with a count. */
struct labels;

struct labels *labels_new(char *why);
void labels_free(struct labels *);

/*
 * Counts a label and returns its index in order of first appearance, or -1:
 * not fit to be one, one too many, or no memory.
 */
long labels_add(struct labels *, const char *label, size_t len, char *why);

/* How many labels there are. */
size_t labels_count(const struct labels *);

/*
 * Ends the adding: fills in for each index the class, in labels_compare's
 * order, and returns the labels (K) in that order; the caller frees each and
 * the array. counts (K) are how often each class was added.
 */
char **labels_sort(
    const struct labels *, size_t *classes, size_t *counts, char *why);

#endif
