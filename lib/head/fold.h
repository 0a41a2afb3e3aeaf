/*
 * A classifier with its temperature T folded in: s / T for s. That loses the
 * last bit: fl(fl(s / T) T) is s or a neighbour of it. A sign for each value,
 * one of "0+-", tells which.
 */
#ifndef HEAD_FOLD_H
#define HEAD_FOLD_H

#include <stddef.h>

/*
 * The signs of n values as a string; NULL where one is farther away, or there
 * is no memory. The caller frees it.
 */
char *fold_signs(const float *s, size_t n, float T);

/* s (n) from s / T; without fitting signs, NULL for none, as near as can be. */
void fold_undo(float *s, size_t n, float T, const char *signs);

#endif
