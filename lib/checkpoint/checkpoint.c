/* A GPT-2 as Hugging Face stores it; see checkpoint.h. */
#include "checkpoint/checkpoint.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/config.h"
#include "checkpoint/folder.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shards.h"
#include "sys/why.h"

struct checkpoint {
	struct checkpoint_config config;
	struct folder *folder;
	struct shards *shards;
};

int
checkpoint_config_read(struct checkpoint_config *c, const char *dir, char *why)
{
	struct folder *f = folder_open(dir, why);
	int rc = f ? config_read(c, f, why) : -1;

	folder_free(f);
	return rc;
}

/* The configuration and a tensor's rows agree; a missing one is no matter. */
static int
compare_rows(const struct checkpoint *c, const char *key, size_t want,
    const char *name, char *why)
{
	const char *file;
	const struct safetensor *t = shards_find(c->shards, name, &file);

	if (t == NULL || t->rank != 2 || t->shape[0] == want)
		return 0;
	return why_set(why, "config.json: %s %zu, but %s has %zu rows", key,
	    want, name, t->shape[0]);
}

struct checkpoint *
checkpoint_open(const char *dir, char *why)
{
	struct checkpoint *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return why_memory(why);
	if ((c->folder = folder_open_weights(dir, why)) &&
	    config_read(&c->config, c->folder, why) == 0 &&
	    (c->shards = shards_open(c->folder, why)) &&
	    compare_rows(c, "n_positions", c->config.n_positions, "wpe.weight",
		why) == 0 &&
	    compare_rows(
		c, "vocab_size", c->config.vocab_size, "wte.weight", why) == 0)
		return c;
	checkpoint_free(c);
	return NULL;
}

void
checkpoint_free(struct checkpoint *c)
{
	if (c == NULL)
		return;
	shards_free(c->shards);
	folder_free(c->folder);
	free(c);
}

const struct checkpoint_config *
checkpoint_config(const struct checkpoint *c)
{
	return &c->config;
}

/* "[3, 4]", cut to fit. */
static void
format_shape(char *out, size_t size, const struct safetensor *t)
{
	size_t at = 1;

	snprintf(out, size, "[");
	for (size_t i = 0; i < t->rank && at < size; i++)
		at += (size_t)snprintf(
		    out + at, size - at, "%s%zu", i ? ", " : "", t->shape[i]);
	if (at < size)
		snprintf(out + at, size - at, "]");
}

/* Why the tensor cannot be taken as (rows, cols). */
static int
check_tensor(const struct safetensor *t, const char *name, size_t rows,
    size_t cols, char *why)
{
	char got[128];

	if (t == NULL)
		return why_set(why, "tensor %s: missing", name);
	if (t->rank == 2 && t->shape[0] == rows && t->shape[1] == cols)
		return 0;
	if (t->rank == 1 && rows == 1 && t->shape[0] == cols)
		return 0;
	format_shape(got, sizeof(got), t);
	if (rows == 1)
		return why_set(
		    why, "tensor %s: shape %s, want [%zu]", name, got, cols);
	return why_set(
	    why, "tensor %s: shape %s, want [%zu, %zu]", name, got, rows, cols);
}

int
checkpoint_read(const struct checkpoint *c, const char *name, size_t rows,
    size_t cols, float *out, char *why)
{
	const char *file;
	const struct safetensor *t = shards_find(c->shards, name, &file);
	char reason[WHYSZ];
	struct safetensor named;

	if (check_tensor(t, name, rows, cols, reason) == 0) {
		named = *t;
		named.name = name;
		if (safetensor_read(&named, out, reason) == 0) {
			folder_forget(c->folder, t->data, t->size);
			return 0;
		}
	}
	return why_set(why, "%s: %.900s", file, reason);
}
