/*
 * The table of GPT-2's tensors: names as Hugging Face writes them, shapes, and
 * where each lies in one array of floats. It drives sizing, loading, saving,
 * and training. Matrices are (inputs, outputs), as Conv1D keeps them.
 *
 * Letters for shapes, everywhere in gpt2/ and head/:
 *   B records, or parts of them, T tokens of one record, M tokens of a batch
 *   packed without padding, C channels (n_embd), H heads, L blocks
 *   (n_layer), V tokens of the vocabulary, K classes.
 */
#ifndef GPT2_TABLE_H
#define GPT2_TABLE_H

#include <stdbool.h>
#include <stddef.h>

struct gpt2_shape {
	size_t L, H, C;
	float epsilon; /* of the layer norms */
};

/* The tensors of one block. */
enum {
	LN_1_WEIGHT,	  /* (C) */
	LN_1_BIAS,	  /* (C) */
	ATTN_WEIGHT,	  /* (C, 3C): queries, keys, values */
	ATTN_BIAS,	  /* (3C) */
	ATTN_PROJ_WEIGHT, /* (C, C) */
	ATTN_PROJ_BIAS,	  /* (C) */
	LN_2_WEIGHT,	  /* (C) */
	LN_2_BIAS,	  /* (C) */
	FC_WEIGHT,	  /* (C, 4C) */
	FC_BIAS,	  /* (4C) */
	MLP_PROJ_WEIGHT,  /* (4C, C) */
	MLP_PROJ_BIAS,	  /* (C) */
	BLOCK_TENSORS
};

enum { GPT2_NAMESZ = 64 };

struct gpt2_tensor {
	char name[GPT2_NAMESZ]; /* without "transformer." */
	size_t rows, cols;	/* a vector has rows = 1 */
	bool matrix;		/* weight decay applies */
	size_t offset;		/* floats from the array's start */
};

/* Tensor i of block b, its offset counted from the block's first. */
struct gpt2_tensor gpt2_block_tensor(
    const struct gpt2_shape *, size_t block, size_t i);

/* Floats of one block. */
size_t gpt2_block_size(const struct gpt2_shape *);

/*
 * What lies above the cut, in this order: blocks cut … L - 1, ln_f.weight,
 * ln_f.bias, score.weight (K, C). How many tensors; the i-th; floats in all.
 */
size_t gpt2_top_count(const struct gpt2_shape *, size_t cut);
struct gpt2_tensor gpt2_top_tensor(
    const struct gpt2_shape *, size_t cut, size_t K, size_t i);
size_t gpt2_top_size(const struct gpt2_shape *, size_t cut, size_t K);

/* Offsets of its last three tensors. */
size_t gpt2_top_norm(const struct gpt2_shape *, size_t cut);
size_t gpt2_top_score(const struct gpt2_shape *, size_t cut);

#endif
