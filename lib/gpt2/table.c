/* The table of GPT-2's tensors; see table.h. */
#include "gpt2/table.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t rows, cols; /* in units of C; rows 0: a vector */
} block_table[BLOCK_TENSORS] = {
	[LN_1_WEIGHT] = { "ln_1.weight", 0, 1 },
	[LN_1_BIAS] = { "ln_1.bias", 0, 1 },
	[ATTN_WEIGHT] = { "attn.c_attn.weight", 1, 3 },
	[ATTN_BIAS] = { "attn.c_attn.bias", 0, 3 },
	[ATTN_PROJ_WEIGHT] = { "attn.c_proj.weight", 1, 1 },
	[ATTN_PROJ_BIAS] = { "attn.c_proj.bias", 0, 1 },
	[LN_2_WEIGHT] = { "ln_2.weight", 0, 1 },
	[LN_2_BIAS] = { "ln_2.bias", 0, 1 },
	[FC_WEIGHT] = { "mlp.c_fc.weight", 1, 4 },
	[FC_BIAS] = { "mlp.c_fc.bias", 0, 4 },
	[MLP_PROJ_WEIGHT] = { "mlp.c_proj.weight", 4, 1 },
	[MLP_PROJ_BIAS] = { "mlp.c_proj.bias", 0, 1 },
};

struct gpt2_tensor
gpt2_block_tensor(const struct gpt2_shape *s, size_t block, size_t i)
{
	struct gpt2_tensor t = { .offset = 0 };

	for (size_t k = 0; k <= i; k++) {
		t.offset += t.rows * t.cols;
		t.matrix = block_table[k].rows > 0;
		t.rows = t.matrix ? block_table[k].rows * s->C : 1;
		t.cols = block_table[k].cols * s->C;
	}
	snprintf(
	    t.name, sizeof(t.name), "h.%zu.%s", block, block_table[i].name);
	return t;
}

size_t
gpt2_block_size(const struct gpt2_shape *s)
{
	struct gpt2_tensor t = gpt2_block_tensor(s, 0, BLOCK_TENSORS - 1);

	return t.offset + t.rows * t.cols;
}

size_t
gpt2_top_count(const struct gpt2_shape *s, size_t cut)
{
	return (s->L - cut) * BLOCK_TENSORS + 3;
}

size_t
gpt2_top_norm(const struct gpt2_shape *s, size_t cut)
{
	return (s->L - cut) * gpt2_block_size(s);
}

size_t
gpt2_top_score(const struct gpt2_shape *s, size_t cut)
{
	return gpt2_top_norm(s, cut) + 2 * s->C;
}

size_t
gpt2_top_size(const struct gpt2_shape *s, size_t cut, size_t K)
{
	return gpt2_top_score(s, cut) + K * s->C;
}

struct gpt2_tensor
gpt2_top_tensor(const struct gpt2_shape *s, size_t cut, size_t K, size_t i)
{
	static const char *const names[] = { "ln_f.weight", "ln_f.bias",
		"score.weight" };
	size_t blocks = (s->L - cut) * BLOCK_TENSORS;
	struct gpt2_tensor t = { .rows = 1, .cols = s->C };

	if (i < blocks) {
		t = gpt2_block_tensor(
		    s, cut + i / BLOCK_TENSORS, i % BLOCK_TENSORS);
		t.offset += i / BLOCK_TENSORS * gpt2_block_size(s);
		return t;
	}
	strcpy(t.name, names[i - blocks]);
	t.offset = gpt2_top_norm(s, cut) + (i - blocks) * s->C;
	if (i - blocks == 2) {
		t.rows = K;
		t.matrix = true;
	}
	return t;
}
