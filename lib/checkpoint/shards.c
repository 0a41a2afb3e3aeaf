/*
 * The safetensors files of a model; see shards.h. The index maps each tensor
 * to its file: {"metadata": {"total_size": N}, "weight_map": {"x": "file"}}.
 * What it says and what the files hold must be the same.
 */
#include "checkpoint/shards.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "checkpoint/kind.h"
#include "checkpoint/layout.h"
#include "checkpoint/safetensors.h"
#include "sys/num.h"
#include "sys/why.h"

enum { INDEX_MAX = 4194304, SHARDS_MAX = 1000 };

static const char single_name[] = "model.safetensors";
static const char index_name[] = "model.safetensors.index.json";

struct shard {
	char *name;
	struct safetensors *file;
};

struct shards {
	struct shard *shard;
	size_t n;
	bool indexed;
};

void
shards_free(struct shards *s)
{
	if (s == NULL)
		return;
	for (size_t i = 0; i < s->n; i++) {
		safetensors_free(s->shard[i].file);
		free(s->shard[i].name);
	}
	free(s->shard);
	free(s);
}

static struct shard *
find_shard(const struct shards *s, const char *name)
{
	for (size_t i = 0; i < s->n; i++) {
		if (strcmp(s->shard[i].name, name) == 0)
			return &s->shard[i];
	}
	return NULL;
}

static int
open_shard(struct shards *s, struct folder *f, const char *name, char *why)
{
	const uint8_t *data;
	char reason[WHYSZ], shown[256];
	struct shard *next;
	size_t size;

	if (folder_get(f, name, &data, &size, why) < 0)
		return -1;
	next = realloc(s->shard, (s->n + 1) * sizeof(*next));
	if (next == NULL) {
		why_memory(why);
		return -1;
	}
	s->shard = next;
	next += s->n;
	if ((next->name = strdup(name)) == NULL) {
		why_memory(why);
		return -1;
	}
	s->n++;
	if ((next->file = safetensors_parse(data, size, reason)))
		return 0;
	why_escape(shown, sizeof(shown), name, strlen(name));
	return why_set(why, "%s: %.700s", shown, reason);
}

/* Opens each file that the index names, once, in the index's order. */
static int
open_named(struct shards *s, struct folder *f, json_t *map, char *why)
{
	const char *name, *file;
	json_t *value;

	json_object_foreach(map, name, value)
	{
		file = json_string_value(value);
		if (file == NULL || file[0] == '\0' || file[0] == '.' ||
		    strchr(file, '/') || strlen(file) > 255)
			return layout_fault(why, name, "bad file name");
		if (find_shard(s, file))
			continue;
		if (s->n == SHARDS_MAX)
			return why_set(why, "more than %d files", SHARDS_MAX);
		if (open_shard(s, f, file, why) < 0)
			return -1;
	}
	return 0;
}

/* The shard's tensor of that name belongs there by the index. */
static int
check_place(const struct shards *s, const struct shard *shard, const char *name,
    const json_t *map, char *why)
{
	const char *file = json_string_value(json_object_get(map, name));
	const struct shard *other = file ? find_shard(s, file) : NULL;
	char here[200], there[200], text[512];

	if (other == shard)
		return 0;
	why_escape(here, sizeof(here), shard->name, strlen(shard->name));
	if (other == NULL) {
		snprintf(text, sizeof(text), "in %s, not in the index", here);
		return layout_fault(why, name, text);
	}
	why_escape(there, sizeof(there), file, strlen(file));
	snprintf(text, sizeof(text),
	    safetensors_find(other->file, name) ? "in %s and in %s"
						: "in %s, the index says %s",
	    here, there);
	return layout_fault(why, name, text);
}

/* Every tensor lies where the index says; total is their bytes. */
static int
compare_files(
    const struct shards *s, const json_t *map, size_t *total, char *why)
{
	*total = 0;
	for (size_t i = 0; i < s->n; i++) {
		const struct shard *shard = &s->shard[i];

		for (size_t k = 0; k < safetensors_count(shard->file); k++) {
			const struct safetensor *t =
			    safetensors_at(shard->file, k);

			if (check_place(s, shard, t->name, map, why) < 0)
				return -1;
			*total += t->size;
		}
	}
	return 0;
}

/* Everything that the index lists is there. */
static int
compare_index(const struct shards *s, json_t *map, char *why)
{
	const char *name;
	json_t *value;

	json_object_foreach(map, name, value)
	{
		const struct shard *shard =
		    find_shard(s, json_string_value(value));
		char shown[256], text[300];

		if (safetensors_find(shard->file, name))
			continue;
		why_escape(
		    shown, sizeof(shown), shard->name, strlen(shard->name));
		snprintf(text, sizeof(text), "not in %s", shown);
		return layout_fault(why, name, text);
	}
	return 0;
}

/* total_size is left out by some writers, and a real number by others. */
static int
compare_total(const json_t *metadata, size_t total, char *why)
{
	const json_t *value = json_object_get(metadata, "total_size");

	if (value == NULL)
		return 0;
	if (!json_is_number(value))
		return why_set(why, "total_size: want whole number");
	if (json_number_value(value) != (double)total)
		return why_set(why,
		    "total_size %.0f, the tensors have %zu bytes",
		    json_number_value(value), total);
	return 0;
}

static int
open_index(struct shards *s, struct folder *f, char *why)
{
	const uint8_t *data;
	char reason[WHYSZ];
	json_t *root, *map;
	size_t size, total;
	int rc = -1;

	s->indexed = true;
	if (folder_get(f, index_name, &data, &size, why) < 0)
		return -1;
	root = jsontext_parse(data, size, INDEX_MAX, reason);
	map = json_object_get(root, "weight_map");
	if (root && !json_is_object(map))
		why_set(reason, "weight_map: want an object");
	else if (root && open_named(s, f, map, reason) == 0 &&
		 compare_files(s, map, &total, reason) == 0 &&
		 compare_index(s, map, reason) == 0)
		rc = compare_total(
		    json_object_get(root, "metadata"), total, reason);
	json_decref(root);
	return rc < 0 ? why_set(why, "%s: %.900s", index_name, reason) : 0;
}

/* There is no model.safetensors: says what there is instead. */
static int
fault_missing(struct folder *f, char *why)
{
	char *name = folder_find_weights(f);
	const char *kind = NULL;
	const uint8_t *data;
	char ignored[WHYSZ], shown[256];
	size_t size;

	if (name == NULL)
		return why_set(why, "no model.safetensors%s", folder_where(f));
	if (folder_get(f, name, &data, &size, ignored) == 0)
		kind = kind_describe(data, size);
	why_escape(shown, sizeof(shown), name, strlen(name));
	free(name);
	if (kind)
		return why_set(
		    why, "no model.safetensors; %s is %s", shown, kind);
	return why_set(why, "no model.safetensors; there is %s", shown);
}

struct shards *
shards_open(struct folder *f, char *why)
{
	struct shards *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return why_memory(why);
	if (folder_has(f, single_name))
		rc = open_shard(s, f, single_name, why);
	else if (folder_has(f, index_name))
		rc = open_index(s, f, why);
	else
		rc = fault_missing(f, why);
	if (rc == 0)
		return s;
	shards_free(s);
	return NULL;
}

const struct safetensor *
shards_find(const struct shards *s, const char *name, const char **file)
{
	char prefixed[256];

	snprintf(prefixed, sizeof(prefixed), "transformer.%s", name);
	*file = s->indexed ? index_name : single_name;
	for (size_t i = 0; i < s->n; i++) {
		const struct safetensors *st = s->shard[i].file;
		const struct safetensor *t = safetensors_find(st, name);

		if (t == NULL)
			t = safetensors_find(st, prefixed);
		if (t == NULL)
			continue;
		*file = s->shard[i].name;
		return t;
	}
	return NULL;
}
