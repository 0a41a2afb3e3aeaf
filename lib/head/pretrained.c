/* Heads as Hugging Face directories; see pretrained.h. */
#include "head/pretrained.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder.h"
#include "checkpoint/safetensors.h"
#include "head/fold.h"
#include "head/meta.h"
#include "sys/directory.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

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
	char *signs = fold_signs(score, n, h->temperature);
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
	if (write_json(d, PRETRAINED_FILE, own, why) == 0 &&
	    write_json(d, "config.json", make_config(h, c, end_of_text), why) ==
		0 &&
	    write_tokenizer(d, dir, c->n_positions, why) == 0 &&
	    write_card(d, h, why) == 0)
		rc = write_weights(d, &s, why);
	free(s.tensors);
	return rc;
}
