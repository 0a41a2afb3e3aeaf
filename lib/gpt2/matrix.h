/*
 * A matrix of weights for products with few rows, where it is the weights' way
 * from memory that takes the time: packed in slices of columns, which a team's
 * threads take in turn.
 */
#ifndef GPT2_MATRIX_H
#define GPT2_MATRIX_H

#include <stddef.h>

#include "ops/ops.h"

struct team;

enum { MATRIX_COLUMNS = 768 }; /* of a slice, at most */

/* w (K, N) and its bias (N). */
struct matrix {
	size_t K, N, width;
	size_t stride; /* floats from slice to slice */
	float *packed; /* the caller's */
	float *bias;   /* the caller's to free */
};

/*
 * Divides the matrix for so many threads and sets its bias to zeros. Returns
 * the floats that packed has to have room for; -1: no memory.
 */
ptrdiff_t matrix_open(struct matrix *, size_t K, size_t N, enum ops_precision,
    size_t threads, char *why);

size_t matrix_slices(const struct matrix *);

/* Columns of slice i. */
size_t matrix_columns(const struct matrix *, size_t i);

/* Packs slice i from w (K, columns). */
void matrix_pack(const struct matrix *, size_t i, const float *w,
    size_t w_stride, enum ops_precision);

/* Packs all slices from w (K, N). */
void matrix_pack_all(const struct matrix *, const float *w, enum ops_precision);

/* A layer norm before the product. */
struct matrix_norm {
	const float *w; /* (2, K) weight and bias */
	float *y;	/* (M, K) room for its results */
	float epsilon;
};

/* What multiplies. */
struct matrix_worker {
	struct team *team;
	enum ops_precision precision;
	float *left; /* ops_left_size(precision, M, K) floats */
};

/*
 * out (M, N) from x (M, K), or from its norm where there is one. A row's bits
 * do not depend on M.
 */
void matrix_multiply(const struct matrix_worker *, float *out, const float *x,
    const struct matrix_norm *, const struct matrix *, enum ops_after,
    size_t M);

#endif
