/*
 * The layer's own: the matrices of a block in training, packed for products.
 * They change at every update, so they are packed anew for each wave, all
 * threads taking part, for one direction at a time.
 */
#ifndef GPT2_PACKED_H
#define GPT2_PACKED_H

#include <stdbool.h>
#include <stddef.h>

#include "gpt2/table.h"
#include "ops/ops.h"

/* In the top block QKV is of queries alone, and KV of the rest. */
enum {
	PACKED_QKV,
	PACKED_KV,
	PACKED_PROJ,
	PACKED_FC,
	PACKED_MLP,
	PACKED_MATRICES
};

struct packed {
	enum ops_precision precision;
	struct packed_matrix {
		size_t offset,
		    stride; /* of w (K, N) among the block's tensors */
		size_t K, N;
		float *weights;
	} matrices[PACKED_MATRICES];
};

/*
 * Lays the matrices of a block, the top one or another, out in memory, aligned
 * to 64 bytes, and returns how many floats that takes; with memory NULL it
 * only counts.
 */
size_t packed_lay(struct packed *, float *memory, const struct gpt2_shape *,
    enum ops_precision, bool top);

/*
 * Packs the matrices of a block's tensors w, or where back is set their
 * transposes: work item i of packed_items.
 */
size_t packed_items(const struct packed *, bool back);
void packed_make(const struct packed *, const float *w, bool back, size_t i);

/* out (M, N) = x (M, K) w + bias (N), for one of the matrices. */
void packed_forward(const struct packed *, size_t matrix, float *out,
    size_t out_stride, const float *x, const float *bias, size_t M);

/* dx (M, K) = dy (M, N) w^T, from the transposes. */
void packed_back(const struct packed *, size_t matrix, float *dx,
    const float *dy, size_t dy_stride, size_t M);

#endif
