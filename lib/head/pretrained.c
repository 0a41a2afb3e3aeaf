/* Hugging Face directories of a head; see pretrained.h. */
#include "head/pretrained.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "checkpoint/safetensors.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "head/labels.h"
#include "head/meta.h"
#include "sys/bytes.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

static const char own_file[] = "gpt2-filters.json";

enum { OWN_MAX = 64 << 20, CONFIG_MAX = 1 << 20 };

int
pretrained_check(const struct head *h, char *why)
{
	const struct preparation *p = &h->stream.preparation;
	const char *what = NULL;

	if (h->pool == HEAD_MEAN)
		what = "pools the mean of all tokens";
	else if (p->prefix[0] != '\0')
		what = "puts a prefix before every text";
	else if (p->suffix[0] != '\0')
		what = "puts a suffix behind every text";
	else if (p->special == SPECIAL_PARSE)
		what = "reads <|endoftext|> in a text as the token";
	if (what == NULL)
		return 0;
	return why_set(
	    why, "it %s, which GPT2ForSequenceClassification cannot do", what);
}

/* ---- the last bits of the classifier ---- */

/*
 * score.weight is s / T there. fl(fl(s / T) T) is s or a neighbour of it: a
 * sign for each value tells which.
 */
static float
step(float x, char sign)
{
	if (sign == '0')
		return x;
	return nextafterf(x, sign == '+' ? INFINITY : -INFINITY);
}

/* The signs of n values, or NULL where one is farther away. */
static char *
find_signs(const float *s, size_t n, float T)
{
	static const char signs[] = "0+-";
	char *text = malloc(n + 1);

	for (size_t i = 0; text && i < n; i++) {
		float back = s[i] / T * T;
		size_t k = 0;

		while (k < 3 && step(back, signs[k]) != s[i])
			k++;
		if (k == 3) {
			free(text);
			return NULL;
		}
		text[i] = signs[k];
	}
	if (text)
		text[n] = '\0';
	return text;
}

/* s (n) from s / T. */
static void
unfold(float *s, size_t n, float T, const char *signs)
{
	bool fit = signs && strlen(signs) == n && strspn(signs, "0+-") == n;

	for (size_t i = 0; i < n; i++)
		s[i] = fit ? step(s[i] * T, signs[i]) : s[i] * T;
}

/* ---- writing ---- */

static int
write_json(struct directory_out *d, const char *name, json_t *json, char *why)
{
	char *text = json_dumps(json, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
	int rc = -1;

	json_decref(json);
	if (text == NULL)
		why_set(why, "%s: a label is not UTF-8", name);
	else
		rc = directory_write(d, name, text, strlen(text), why);
	free(text);
	return rc;
}

static json_t *
config_labels(const struct head *h, bool by_id)
{
	json_t *json = json_object();

	for (size_t k = 0; k < h->K; k++) {
		char id[24];

		snprintf(id, sizeof(id), "%zu", k);
		if (by_id)
			json_object_set_new(json, id, json_string(h->names[k]));
		else
			json_object_set_new(
			    json, h->names[k], json_integer((json_int_t)k));
	}
	return json;
}

/* The float as people write it: 1e-05, not 9.99999975e-06. */
static double
plain(float x)
{
	char text[32];
	double y;

	snprintf(text, sizeof(text), "%.6g", (double)x);
	y = strtod(text, NULL);
	return (float)y == x ? y : (double)x;
}

static json_t *
make_config(const struct head *h, const struct checkpoint_config *c,
    uint32_t end_of_text)
{
	json_int_t eot = end_of_text;

	return json_pack("{s:s, s:[s], s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:n, "
			 "s:f, s:b, s:b, s:f, s:f, s:f, s:f, s:I, s:I, s:I, "
			 "s:I, s:o, s:o, s:s, s:s}",
	    "model_type", "gpt2", "architectures",
	    "GPT2ForSequenceClassification", "activation_function", "gelu_new",
	    "n_layer", (json_int_t)c->n_layer, "n_head", (json_int_t)c->n_head,
	    "n_embd", (json_int_t)c->n_embd, "n_positions",
	    (json_int_t)c->n_positions, "n_ctx", (json_int_t)c->n_positions,
	    "vocab_size", (json_int_t)c->vocab_size, "n_inner",
	    "layer_norm_epsilon", plain(c->epsilon), "scale_attn_weights", 1,
	    "scale_attn_by_inverse_layer_idx", 0, "attn_pdrop", 0.1,
	    "embd_pdrop", 0.1, "resid_pdrop", 0.1, "initializer_range", 0.02,
	    "bos_token_id", eot, "eos_token_id", eot, "pad_token_id", eot,
	    "num_labels", (json_int_t)h->K, "id2label", config_labels(h, true),
	    "label2id", config_labels(h, false), "problem_type",
	    "single_label_classification", "torch_dtype", "float32");
}

/* What head_meta_read needs, and the classifier's signs. */
static json_t *
make_own(const struct head *h, char *why)
{
	size_t n = h->K * h->shape.C;
	const float *score = h->top + gpt2_top_score(&h->shape, h->stream.cut);
	char *values[HEAD_META] = { NULL };
	char *signs = find_signs(score, n, h->temperature);
	json_t *json = json_object();

	if (head_meta_format(h, values, why) < 0) {
		json_decref(json);
		json = NULL;
	}
	for (size_t i = 0; i < HEAD_META; i++) {
		if (json)
			json_object_set_new(
			    json, head_meta_keys[i], json_string(values[i]));
		free(values[i]);
	}
	if (json && signs)
		json_object_set_new(json, "score", json_string(signs));
	free(signs);
	return json;
}

/* The tensors of the whole network, in the table's order. */
struct source {
	const struct head *head;
	const struct checkpoint *checkpoint;
	struct gpt2_tensor *tensors; /* (n) */
	size_t n;
};

static int
read_tensor(void *arg, size_t i, float *out, char *why)
{
	const struct source *s = arg;
	const struct head *h = s->head;
	const struct gpt2_tensor *t = &s->tensors[i];
	size_t top = gpt2_top_count(&h->shape, h->stream.cut);
	size_t size = t->rows * t->cols;

	if (i + top < s->n)
		return checkpoint_read(
		    s->checkpoint, t->name, t->rows, t->cols, out, why);
	memcpy(out, h->top + t->offset, size * sizeof(*out));
	for (size_t k = 0; i + 1 == s->n && k < size; k++)
		out[k] /= h->temperature;
	return 0;
}

static void
list_tensors(struct source *s, const struct checkpoint_config *c)
{
	const struct head *h = s->head;
	size_t below = 2 + h->stream.cut * BLOCK_TENSORS;

	s->tensors[0] = (struct gpt2_tensor){ "wte.weight", c->vocab_size,
		c->n_embd, true, 0 };
	s->tensors[1] = (struct gpt2_tensor){ "wpe.weight", c->n_positions,
		c->n_embd, true, 0 };
	for (size_t i = 2; i < below; i++)
		s->tensors[i] = gpt2_block_tensor(&h->shape,
		    (i - 2) / BLOCK_TENSORS, (i - 2) % BLOCK_TENSORS);
	for (size_t i = below; i < s->n; i++)
		s->tensors[i] =
		    gpt2_top_tensor(&h->shape, h->stream.cut, h->K, i - below);
}

static int
write_weights(struct directory_out *d, struct source *s, char *why)
{
	static const char *const key[] = { "format" }, *const value[] = {
		"pt"
	};
	struct safetensor_out *out = calloc(s->n, sizeof(*out));
	char(*names)[GPT2_NAMESZ + 16] = calloc(s->n, sizeof(*names));
	struct file_out *f = NULL;
	int rc = -1;

	for (size_t i = 0; out && names && i < s->n; i++) {
		const struct gpt2_tensor *t = &s->tensors[i];

		snprintf(names[i], sizeof(*names), "%s%s",
		    i + 1 < s->n ? "transformer." : "", t->name);
		out[i] = (struct safetensor_out){ names[i],
			t->matrix ? t->rows : 0, t->cols, NULL };
	}
	if (!out || !names)
		why_memory(why);
	else if ((f = directory_file(d, "model.safetensors", why)) != NULL)
		rc = safetensors_write_each(
		    f, out, s->n, key, value, 1, read_tensor, s, why);
	free(out);
	free(names);
	if (rc == 0)
		return file_commit(f, why);
	file_abandon(f);
	return -1;
}

/* The tokenizer's files as they are, and what transformers asks for besides. */
static int
write_tokenizer(
    struct directory_out *d, const char *dir, size_t n_positions, char *why)
{
	static const char *const names[] = { "vocab.json", "merges.txt",
		"tokenizer.json" };
	static const char end[] = "<|endoftext|>";
	struct folder *f = folder_open(dir, why);
	const uint8_t *data;
	size_t size;
	int rc = f ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < 3; i++) {
		if (!folder_has(f, names[i]))
			continue;
		rc = folder_get(f, names[i], &data, &size, why);
		if (rc == 0)
			rc = directory_write(d, names[i], data, size, why);
	}
	folder_free(f);
	if (rc < 0)
		return -1;
	return write_json(d, "tokenizer_config.json",
	    json_pack("{s:s, s:I, s:b, s:s, s:s, s:s, s:s}", "tokenizer_class",
		"GPT2Tokenizer", "model_max_length", (json_int_t)n_positions,
		"add_prefix_space", 0, "bos_token", end, "eos_token", end,
		"unk_token", end, "pad_token", end),
	    why);
}

static int
write_card(struct directory_out *d, const struct head *h, char *why)
{
	char text[4096], name[300], first[300];
	int n;

	why_escape(name, sizeof(name), h->model_name, strlen(h->model_name));
	why_escape(first, sizeof(first), h->names[0], strlen(h->names[0]));
	n = snprintf(text, sizeof(text),
	    "---\nlibrary_name: transformers\npipeline_tag: "
	    "text-classification\n---\n\n"
	    "A text classifier of %zu classes (%s ...) on GPT-2 (`%s`), "
	    "trained with gpt2-filters:\nthe %zu blocks from block %zu on, the "
	    "final layer norm and the classifier on the last\ntoken; all below "
	    "is the pretrained model's.\n\n"
	    "    from transformers import pipeline\n"
	    "    pipeline(\"text-classification\", \"DIRECTORY\")(\"A text.\")"
	    "\n\n"
	    "%s A text longer than the model's context must be cut:\n"
	    "gpt2-filters splits it and joins the answers, this class cannot. "
	    "An empty text is the\ntoken `<|endoftext|>`. The temperature that "
	    "was fitted (%.4f) is part of `score.weight`.\n\n"
	    "`gpt2-filters.json` is for `head-import`, which makes the head "
	    "again.\n",
	    h->K, first, name, h->stream.n_layer - h->stream.cut, h->stream.cut,
	    h->stream.preparation.strip
		? "It was trained on texts without white space at their ends: "
		  "strip yours."
		: "It was trained on texts as they stand, with white space at "
		  "their ends.",
	    (double)h->temperature);
	return directory_write(
	    d, "README.md", text, num_min((size_t)n, sizeof(text) - 1), why);
}

int
pretrained_write(const struct head *h, struct directory_out *d,
    const struct checkpoint *checkpoint, const char *dir, uint32_t end_of_text,
    char *why)
{
	const struct checkpoint_config *c = checkpoint_config(checkpoint);
	struct source s = { h, checkpoint, NULL, 0 };
	json_t *own = make_own(h, why);
	int rc = -1;

	if (own == NULL)
		return -1;
	s.n = 2 + h->stream.cut * BLOCK_TENSORS +
	      gpt2_top_count(&h->shape, h->stream.cut);
	if ((s.tensors = calloc(s.n, sizeof(*s.tensors))) == NULL) {
		json_decref(own);
		why_memory(why);
		return -1;
	}
	list_tensors(&s, c);
	if (write_json(d, own_file, own, why) == 0 &&
	    write_json(d, "config.json", make_config(h, c, end_of_text), why) ==
		0 &&
	    write_tokenizer(d, dir, c->n_positions, why) == 0 &&
	    write_card(d, h, why) == 0)
		rc = write_weights(d, &s, why);
	free(s.tensors);
	return rc;
}

/* ---- reading ---- */

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
	unfold(score, n, h->temperature, own ? get_own(own, "score") : NULL);
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

	if (config && folder_has(f, own_file))
		own = get_file(f, own_file, OWN_MAX, why);
	if (config && (own || !folder_has(f, own_file)))
		h = read_all(checkpoint, config, own, cut, vocabulary, name,
		    team, again, why);
	json_decref(own);
	json_decref(config);
	folder_free(f);
	checkpoint_free(checkpoint);
	return h;
}
