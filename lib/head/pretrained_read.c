/* Heads from Hugging Face directories; see pretrained.h. */
#include "head/pretrained.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "head/fold.h"
#include "head/labels.h"
#include "head/meta.h"
#include "sys/num.h"
#include "sys/why.h"

enum { OWN_MAX = 64 << 20, CONFIG_MAX = 1 << 20 };

static json_t *
get_file(struct folder *f, const char *name, size_t limit, char *why)
{
	const uint8_t *data;
	char reason[WHYSZ];
	size_t size;
	json_t *json;

	if (folder_get(f, name, &data, &size, why) < 0)
		return NULL;
	if ((json = jsontext_parse(data, size, limit, reason)) == NULL)
		why_set(why, "%s: %.900s", name, reason);
	return json;
}

/* The names of the classes, by id2label, or as transformers calls them. */
static int
read_names(struct head *h, const json_t *config, char *why)
{
	const json_t *list = json_object_get(config, "id2label");
	const char *problem =
	    json_string_value(json_object_get(config, "problem_type"));
	size_t n = list ? json_object_size(list) : 2;

	if (problem && strcmp(problem, "single_label_classification") != 0)
		return why_set(why,
		    "problem_type \"%.100s\", want "
		    "\"single_label_classification\"",
		    problem);
	if (n < 2 || n > MOST_CLASSES)
		return why_set(why, "id2label: has %zu classes", n);
	h->labels = calloc(n, sizeof(char *));
	h->names = calloc(n, sizeof(char *));
	if (!h->labels || !h->names) {
		why_memory(why);
		return -1;
	}
	h->K = n;
	for (size_t k = 0; k < n; k++) {
		char id[24], plain[32];
		const char *name;

		snprintf(id, sizeof(id), "%zu", k);
		snprintf(plain, sizeof(plain), "LABEL_%zu", k);
		name =
		    list ? json_string_value(json_object_get(list, id)) : plain;
		if (name == NULL)
			return why_set(why, "id2label: no name for %zu", k);
		h->labels[k] = strdup(id);
		h->names[k] = strdup(name);
		if (!h->labels[k] || !h->names[k]) {
			why_memory(why);
			return -1;
		}
	}
	return head_check_names(h, why);
}

static const char *
get_own(const void *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

/* The head that was exported, without its tensors, or NULL. */
static struct head *
read_own(const json_t *own)
{
	char why[WHYSZ];
	struct head *h = own ? head_new(why) : NULL;

	if (h && head_meta_read(h, get_own, own, why) == 0)
		return h;
	head_free(h);
	return NULL;
}

/* A head of which nothing is known but the model and the classes' names. */
static struct head *
read_foreign(const struct checkpoint_config *c, const json_t *config,
    const char *vocabulary, const char *name, size_t cut, char *why)
{
	struct head *h = head_new(why);
	char reason[WHYSZ];

	if (h == NULL)
		return NULL;
	if (read_names(h, config, reason) < 0) {
		why_set(why, "config.json: %.900s", reason);
		head_free(h);
		return NULL;
	}
	h->prefix = strdup("");
	h->suffix = strdup("");
	h->model_name = strdup(name);
	if (!h->prefix || !h->suffix || !h->model_name) {
		head_free(h);
		return why_memory(why);
	}
	h->stream = (struct stream_header){ .kind = STREAM_HIDDEN,
		.vocab_size = c->vocab_size,
		.preparation = { true, h->prefix, h->suffix, SPECIAL_LITERAL },
		.model_name = h->model_name,
		.cut = cut,
		.n_layer = c->n_layer,
		.n_head = c->n_head,
		.n_embd = c->n_embd };
	memcpy(h->stream.vocabulary, vocabulary, STREAM_IDSZ);
	h->shape = gpt2_shape(c);
	return h;
}

/* The blocks, the norm and the classifier. */
static int
read_top(struct head *h, const struct checkpoint *checkpoint, const json_t *own,
    char *why)
{
	size_t cut = h->stream.cut, n = h->K * h->shape.C;
	float *score;

	h->top = gpt2_floats(gpt2_top_size(&h->shape, cut, h->K), why);
	if (h->top == NULL ||
	    gpt2_read_top(h->top, checkpoint, cut, h->K, why) < 0)
		return -1;
	score = h->top + gpt2_top_score(&h->shape, cut);
	if (checkpoint_read(
		checkpoint, "score.weight", h->K, h->shape.C, score, why) < 0)
		return -1;
	fold_undo(score, n, h->temperature, own ? get_own(own, "score") : NULL);
	return 0;
}

/* Whether a head that was exported still fits the model in the directory. */
static bool
fits(const struct head *h, const struct checkpoint_config *c,
    const char *vocabulary, size_t cut)
{
	return h->stream.cut == cut && h->stream.n_layer == c->n_layer &&
	       h->stream.n_head == c->n_head && h->stream.n_embd == c->n_embd &&
	       h->stream.vocab_size == c->vocab_size &&
	       strcmp(h->stream.vocabulary, vocabulary) == 0;
}

static struct head *
read_all(const struct checkpoint *checkpoint, const json_t *config,
    const json_t *own, size_t cut, const char *vocabulary, const char *name,
    struct team *team, int *again, char *why)
{
	const struct checkpoint_config *c = checkpoint_config(checkpoint);
	struct head *h = read_own(own);
	char id[STREAM_IDSZ];

	if (cut == SIZE_MAX)
		cut = h ? h->stream.cut : c->n_layer - num_min(2, c->n_layer);
	if (cut > c->n_layer) {
		why_set(why, "the model has %zu blocks", c->n_layer);
		head_free(h);
		return NULL;
	}
	if (gpt2_identify(id, checkpoint, cut, team, why) < 0) {
		head_free(h);
		return NULL;
	}
	*again = h && fits(h, c, vocabulary, cut) &&
		 strcmp(h->stream.model, id) == 0;
	if (!*again) {
		head_free(h);
		own = NULL;
		h = read_foreign(c, config, vocabulary, name, cut, why);
	}
	if (h == NULL)
		return NULL;
	memcpy(h->stream.model, id, STREAM_IDSZ);
	if (read_top(h, checkpoint, own, why) == 0)
		return h;
	head_free(h);
	return NULL;
}

struct head *
pretrained_read(const char *dir, size_t cut, const char *vocabulary,
    const char *name, struct team *team, int *again, char *why)
{
	struct checkpoint *checkpoint = checkpoint_open(dir, why);
	struct folder *f = checkpoint ? folder_open(dir, why) : NULL;
	json_t *config = f ? get_file(f, "config.json", CONFIG_MAX, why) : NULL;
	json_t *own = NULL;
	struct head *h = NULL;

	if (config && folder_has(f, PRETRAINED_FILE))
		own = get_file(f, PRETRAINED_FILE, OWN_MAX, why);
	if (config && (own || !folder_has(f, PRETRAINED_FILE)))
		h = read_all(checkpoint, config, own, cut, vocabulary, name,
		    team, again, why);
	json_decref(own);
	json_decref(config);
	folder_free(f);
	checkpoint_free(checkpoint);
	return h;
}
