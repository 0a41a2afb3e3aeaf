/*
 * The layer's own: one block in training. The forward pass leaves on the tape
 * what the backward pass needs; gradients by the chain rule, written out.
 */
#ifndef GPT2_TAPE_H
#define GPT2_TAPE_H

#include <stdbool.h>
#include <stddef.h>

#include "gpt2/packed.h"
#include "gpt2/table.h"
#include "ops/ops.h"

/*
 * Of a block's forward pass, for a wave of M tokens in B records. Above the
 * attention there are R rows: M of them, or in the top block, where only the
 * last tokens count, B.
 */
struct tape {
	float *x;	      /* (M, C) input */
	float *mean1, *rstd1; /* (M) */
	float *ln1;	      /* (M, C) */
	float *last;	      /* (B, C) rows of ln1; top block only */
	float *q;	      /* (B, C); top block only */
	float *qkv;	      /* (M, 3C); without queries in the top block */
	float *att;	      /* (R, C) */
	float *x2;	      /* (R, C) after the first residual */
	float *mean2, *rstd2; /* (R) */
	float *ln2;	      /* (R, C) */
	float *fc, *act;      /* (R, 4C) before and after GELU */
	float *out;	      /* (R, C) */
};

/* Gradients with respect to the same; one set serves all blocks in turn. */
struct slope {
	float *x;    /* (M, C) of the block's input and output */
	float *out;  /* (B, C) of the top block's output */
	float *mlp;  /* (R, C) of mlp.c_proj's output */
	float *fc;   /* (R, 4C) */
	float *ln2;  /* (R, C) */
	float *proj; /* (R, C) of attn.c_proj's output */
	float *att;  /* (R, C) */
	float *q;    /* (B, C); top block only */
	float *qkv;  /* (M, 3C) */
	float *ln1;  /* (M, C) */
};

/* The records b0 … b1 - 1 of a wave, for one thread. */
struct chunk {
	const size_t *starts; /* (B + 1) rows of each record in the wave */
	size_t first_row; /* number of the wave's first record in the batch */
	size_t b0, b1;
	float *scratch; /* 3 T floats */
};

/* One block of the network, as a function. */
struct tape_block {
	const struct gpt2_shape *shape;
	const float *w; /* its tensors, as table.h says */
	bool last_only; /* the top block, with R = B */
	size_t threads; /* that work on it; no result depends on it */
	enum ops_precision precision;
	const struct packed *packed; /* for the direction at work */
	struct ops_dropout dropout;  /* site is the block's first of three */
};

void tape_forward(
    const struct tape_block *, const struct tape *, const struct chunk *);

/*
 * From the gradient in slope.x, or slope.out in the top block, all the others;
 * slope.x becomes that of the input where want_input is set.
 */
void tape_backward(const struct tape_block *, const struct tape *,
    const struct slope *, const struct chunk *, bool want_input);

/*
 * grad, the block's tensors, += over all M tokens and B records of the wave:
 * work item i of tape_weight_items. Each writes places of its own.
 */
size_t tape_weight_items(const struct tape_block *);
void tape_weight(const struct tape_block *, float *grad, const struct tape *,
    const struct slope *, size_t M, size_t B, size_t i);

#endif
