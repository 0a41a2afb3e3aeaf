/* The layer's own: what a decoder is made of. */
#ifndef GPT2_DECODER_PARTS_H
#define GPT2_DECODER_PARTS_H

#include <stdbool.h>
#include <stddef.h>

#include "gpt2/matrix.h"
#include "gpt2/table.h"
#include "ops/ops.h"

enum { MATRICES = 4, QKV = 0, PROJ, FC, MLP }; /* of a block */

struct layer {
	struct matrix matrices[MATRICES];
	float *packed;	      /* all of these, for the sake of large pages */
	float *norm1, *norm2; /* (2, C): weight, bias */
};

struct gpt2_decoder {
	struct gpt2_shape shape;
	size_t V, n_positions;
	enum ops_precision precision;
	struct team *team;
	struct layer *layers; /* (L) */
	struct matrix logits; /* (C, V), its bias zeros */
	float *wte, *wpe;     /* (V, C), (n_positions, C) */
	float *norm_f;	      /* (2, C) */

	/* For M tokens at once, R rows of logits. */
	size_t M, R;
	float *x, *y;	 /* (M, C) */
	float *qkv, *fc; /* (M, 3C), (M, 4C) */
	float *att;	 /* (M, C) */
	float *left;	 /* of a product, made ready */
	float *last;	 /* (R, C) */
	float *scores;	 /* (workers, n_positions) */
	float *keys;	 /* (workers, n_positions, 2D) of a turn with several
			  tokens, where kept as float16 */
	size_t *starts;	 /* (turns + 1) first row of each */
	size_t starts_room;
};

/* Whether keys and values are kept as float16. */
static inline bool
keeps_half(const struct gpt2_decoder *d)
{
	return d->precision != OPS_F32;
}

#endif
