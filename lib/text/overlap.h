/*
 * Which texts of one set contain, or are contained in, a text of another: a
 * model is not judged fairly by what it has seen in training.
 */
#ifndef TEXT_OVERLAP_H
#define TEXT_OVERLAP_H

#include <stdbool.h>
#include <stddef.h>

enum { OVERLAP_WORDS = 3 }; /* shorter texts are no evidence */

/* Texts as sequences of words, hashed. A zeroed struct is an empty set. */
struct overlap_set {
	unsigned long long *sums; /* prefix hashes of all texts in a row */
	size_t *starts;		  /* (n + 1) first sum of each text */
	size_t n, sums_room, starts_room;
};

/* Adds a text; words are what white space separates. */
int overlap_add(struct overlap_set *, const char *text, size_t len, char *why);
void overlap_clear(struct overlap_set *);

/*
 * Sets marks (a->n) for the texts of a that, word for word, contain a text of
 * b or are contained in one. Returns how many, or -1.
 */
long overlap_mark(const struct overlap_set *a, const struct overlap_set *b,
    bool *marks, char *why);

/*
 * Sets groups (s->n) so that two texts have the same number where one contains
 * the other, or both belong with a third; numbers begin with 0, in order of
 * the groups' first texts. Returns how many groups there are, or -1.
 */
long overlap_group(const struct overlap_set *s, size_t *groups, char *why);

#endif
