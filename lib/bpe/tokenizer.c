/*
 * tokenizer.json, the form in which Hugging Face's tokenizers keep a
 * vocabulary. It can describe much besides GPT-2's encoding; what differs
 * from that is refused.
 */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "bpe/vocab.h"
#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "sys/why.h"

/* A key that is null or missing, or false or "" in the model's options. */
static bool
is_off(const json_t *object, const char *key)
{
	const json_t *v = json_object_get(object, key);

	return v == NULL || json_is_null(v) || json_is_false(v) ||
	       (json_is_string(v) && json_string_length(v) == 0);
}

static int
check_type(const json_t *root, const char *key, const char *want, char *why)
{
	const json_t *part = json_object_get(root, key);
	const char *type = json_string_value(json_object_get(part, "type"));
	char shown[64];

	if (type && strcmp(type, want) == 0)
		return 0;
	/* Files of older versions say nothing of the model's kind. */
	if (type == NULL && strcmp(key, "model") == 0 &&
	    json_is_array(json_object_get(part, "merges")))
		return 0;
	return why_set(why, "%s is %s, want %s", key,
	    type ? why_escape(shown, sizeof(shown), type, strlen(type))
		 : "missing",
	    want);
}

/* All that would make other tokens of a text than GPT-2's encoding. */
static int
check_kind(const json_t *root, const json_t *model, char *why)
{
	static const char *const off[] = { "dropout",
		"continuing_subword_prefix", "end_of_word_suffix",
		"byte_fallback", "ignore_merges" };
	const json_t *pre = json_object_get(root, "pre_tokenizer");
	const json_t *regex = json_object_get(pre, "use_regex");

	if (check_type(root, "model", "BPE", why) < 0 ||
	    check_type(root, "pre_tokenizer", "ByteLevel", why) < 0)
		return -1;
	if (!is_off(pre, "add_prefix_space"))
		return why_set(why, "add_prefix_space is true, want false");
	if (regex && !json_is_true(regex))
		return why_set(why, "use_regex is false, want true");
	if (!is_off(root, "normalizer"))
		return why_set(why, "has a normalizer, want none");
	for (size_t i = 0; i < sizeof(off) / sizeof(off[0]); i++) {
		if (!is_off(model, off[i]))
			return why_set(why, "%s is set, want none", off[i]);
	}
	return 0;
}

/* Added tokens that the model's own vocabulary lacks become part of it. */
static int
add_added(json_t *vocab, const json_t *added, char *why)
{
	const json_t *token;
	size_t i;

	json_array_foreach(added, i, token)
	{
		const char *text =
		    json_string_value(json_object_get(token, "content"));
		json_t *id = json_object_get(token, "id"), *had;

		if (text == NULL || !json_is_integer(id))
			return why_set(why, "added_tokens: entry %zu", i);
		had = json_object_get(vocab, text);
		if (had && !json_equal(had, id))
			return why_set(why, "added_tokens: bad id");
		if (!had && json_object_set(vocab, text, id) < 0) {
			why_memory(why);
			return -1;
		}
	}
	return 0;
}

/* "a b", or ["a", "b"]. */
static int
spell(struct spelling *s, const json_t *merge)
{
	const char *text = json_string_value(merge);
	const json_t *left = json_array_get(merge, 0);
	const json_t *right = json_array_get(merge, 1);
	const char *blank = text ? strchr(text, ' ') : NULL;

	if (blank) {
		s->left = text;
		s->left_len = (size_t)(blank - text);
		s->right = blank + 1;
		s->right_len = strlen(s->right);
	} else {
		if (json_array_size(merge) != 2 || !json_is_string(left) ||
		    !json_is_string(right))
			return -1;
		s->left = json_string_value(left);
		s->left_len = json_string_length(left);
		s->right = json_string_value(right);
		s->right_len = json_string_length(right);
	}
	return s->left_len == 0 || s->right_len == 0 ||
		       memchr(s->left, ' ', s->left_len) ||
		       memchr(s->right, ' ', s->right_len)
		   ? -1
		   : 0;
}

static int
add_merges(struct bpe *b, const json_t *merges, size_t size, char *why)
{
	uint8_t *scratch = malloc(size + 1); /* no token is longer */
	char reason[WHYSZ];
	const json_t *merge;
	size_t i;
	int rc = 0;

	if (scratch == NULL) {
		why_memory(why);
		return -1;
	}
	if (json_array_size(merges) > b->n_tokens)
		rc = why_set(why, "more merges than tokens");
	json_array_foreach(merges, i, merge)
	{
		struct spelling s = { .where = "model.vocab", .unit = "merge" };

		if (rc < 0)
			break;
		if (spell(&s, merge) < 0)
			rc = why_set(why, "merge %zu: want two tokens", i + 1);
		else if (vocab_read_merge(b, &s, scratch, false, 1, reason) < 0)
			rc = why_set(why, "merge %zu: %.900s", i + 1, reason);
	}
	free(scratch);
	return rc;
}

static int
read_root(struct bpe *b, json_t *root, size_t size, char *why)
{
	json_t *model = json_object_get(root, "model");
	json_t *vocab = json_object_get(model, "vocab");

	if (check_kind(root, model, why) < 0)
		return -1;
	if (!json_is_object(vocab))
		return why_set(why, "model.vocab: want a JSON object");
	if (add_added(vocab, json_object_get(root, "added_tokens"), why) < 0 ||
	    vocab_read_tokens(b, vocab, why) < 0)
		return -1;
	return add_merges(b, json_object_get(model, "merges"), size, why);
}

int
vocab_read_tokenizer(struct bpe *b, struct folder *f, char *why)
{
	const uint8_t *data;
	char reason[WHYSZ];
	json_t *root;
	size_t size;
	int rc;

	if (folder_get(f, "tokenizer.json", &data, &size, why) < 0)
		return -1;
	root = jsontext_parse(data, size, VOCAB_FILE_MOST, reason);
	rc = root ? read_root(b, root, size, reason) : -1;
	json_decref(root);
	return rc < 0 ? why_set(why, "tokenizer.json: %.900s", reason) : 0;
}
