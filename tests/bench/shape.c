/*
 * `shape DIR`: config.json and model.safetensors of GPT-2 small's shape, with
 * random weights, which serve as well where only time counts.
 */
#include <err.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "checkpoint/safetensors.h"
#include "gpt2/table.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

enum { C = 768, H = 12, L = 12, V = 50257, P = 1024 };

static struct safetensor_out tensors[4 + L * BLOCK_TENSORS];
static char names[4 + L * BLOCK_TENSORS][GPT2_NAMESZ + 16];

static void
add(size_t i, const char *name, size_t rows, size_t cols)
{
	snprintf(names[i], sizeof(names[i]), "transformer.%s", name);
	tensors[i] = (struct safetensor_out){ names[i], rows, cols, NULL };
}

/* A norm's weights near 1; all else of a size that keeps the states small. */
static int
fill(void *arg, size_t i, float *out, char *why)
{
	const struct safetensor_out *t = &tensors[i];
	size_t n = num_max(t->rows, 1) * t->cols;
	float one = strstr(t->name, "ln_") && strstr(t->name, "weight");
	uint64_t x = 0x9e3779b97f4a7c15 * (i + 1);

	(void)arg;
	(void)why;
	for (size_t k = 0; k < n; k++) { /* Marsaglia 2003, xorshift64 */
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		out[k] = one + 0.1f * ((float)(x >> 40) / (1 << 24) - 0.5f);
	}
	return 0;
}

int
main(int argc, char **argv)
{
	static const struct gpt2_shape shape = { L, H, C, 1e-5f };
	char why[WHYSZ], path[4096];
	struct file_out *out;
	size_t n = 0;
	FILE *config;

	if (argc != 2)
		errx(1, "usage: shape DIR");
	add(n++, "wte.weight", V, C);
	add(n++, "wpe.weight", P, C);
	for (size_t l = 0; l < L; l++) {
		for (size_t i = 0; i < BLOCK_TENSORS; i++) {
			struct gpt2_tensor t = gpt2_block_tensor(&shape, l, i);

			add(n++, t.name, t.matrix ? t.rows : 0, t.cols);
		}
	}
	add(n++, "ln_f.weight", 0, C);
	add(n++, "ln_f.bias", 0, C);
	snprintf(path, sizeof(path), "%s/model.safetensors", argv[1]);
	if ((out = file_create(path, why)) == NULL ||
	    safetensors_write_each(
		out, tensors, n, NULL, NULL, 0, fill, NULL, why) < 0 ||
	    file_commit(out, why) < 0)
		errx(1, "%s: %s", path, why);
	snprintf(path, sizeof(path), "%s/config.json", argv[1]);
	if ((config = fopen(path, "w")) == NULL)
		err(1, "%s", path);
	fprintf(config,
	    "{\"model_type\": \"gpt2\", \"n_layer\": %d, \"n_head\": %d, "
	    "\"n_embd\": %d, \"n_positions\": %d, \"vocab_size\": %d, "
	    "\"layer_norm_epsilon\": 1e-5, \"activation_function\": "
	    "\"gelu_new\"}\n",
	    L, H, C, P, V);
	if (fclose(config) != 0)
		err(1, "%s", path);
	return 0;
}
