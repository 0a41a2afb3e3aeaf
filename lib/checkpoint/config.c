/*
 * config.json: the sizes of a model, and the switches that would make it
 * another network than GPT-2 if they stood otherwise; see checkpoint.h.
 */
#include "checkpoint/config.h"

#include <jansson.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "sys/why.h"

enum { CONFIG_MAX = 1048576 };

static int
read_size(
    size_t *out, const json_t *root, const char *key, json_int_t max, char *why)
{
	const json_t *value = json_object_get(root, key);
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 1 || n > max)
		return why_set(why,
		    "%s: want whole number 1..%" JSON_INTEGER_FORMAT, key, max);
	*out = (size_t)n;
	return 0;
}

static int
read_sizes(struct checkpoint_config *c, const json_t *root, char *why)
{
	const json_t *value = json_object_get(root, "layer_norm_epsilon");
	double epsilon = json_number_value(value);

	if (read_size(&c->n_layer, root, "n_layer", 1000, why) < 0 ||
	    read_size(&c->n_head, root, "n_head", 65536, why) < 0 ||
	    read_size(&c->n_embd, root, "n_embd", 65536, why) < 0 ||
	    read_size(&c->n_positions, root, "n_positions", 1048576, why) < 0 ||
	    read_size(&c->vocab_size, root, "vocab_size", 16777216, why) < 0)
		return -1;
	if (c->n_embd % c->n_head != 0)
		return why_set(why, "n_embd %zu is no multiple of n_head %zu",
		    c->n_embd, c->n_head);
	/* Below the least normal float32 it might as well be 0. */
	if (!json_is_number(value) || !(epsilon >= 0x1p-126 && epsilon <= 1))
		return why_set(
		    why, "layer_norm_epsilon: want number over 0, at most 1");
	c->epsilon = (float)epsilon;
	return 0;
}

/* A string that must be the one we know. */
static int
check_string(const json_t *root, const char *key, const char *want, char *why)
{
	const json_t *value = json_object_get(root, key);
	const char *got = json_string_value(value);
	char shown[128];

	if (got && strcmp(got, want) == 0)
		return 0;
	if (got == NULL)
		return why_set(why, "%s: want \"%s\"", key, want);
	why_escape(shown, sizeof(shown), got, strlen(got));
	return why_set(why, "%s \"%s\", want \"%s\"", key, shown, want);
}

/* A switch that, where it is there at all, stands as GPT-2's does. */
static int
check_switch(const json_t *root, const char *key, bool want, char *why)
{
	const json_t *value = json_object_get(root, key);

	if (value == NULL ||
	    (want ? json_is_true(value) : json_is_false(value)))
		return 0;
	if (!json_is_boolean(value))
		return why_set(
		    why, "%s: want %s", key, want ? "true" : "false");
	return why_set(why, "%s is %s, want %s", key, want ? "false" : "true",
	    want ? "true" : "false");
}

static int
check_kind(const struct checkpoint_config *c, const json_t *root, char *why)
{
	const json_t *inner = json_object_get(root, "n_inner");

	if (json_object_get(root, "activation_function") &&
	    check_string(root, "activation_function", "gelu_new", why) < 0)
		return -1;
	if (check_switch(root, "scale_attn_weights", true, why) < 0 ||
	    check_switch(root, "scale_attn_by_inverse_layer_idx", false, why) <
		0 ||
	    check_switch(root, "add_cross_attention", false, why) < 0)
		return -1;
	if (inner == NULL || json_is_null(inner))
		return 0;
	if (!json_is_integer(inner))
		return why_set(why, "n_inner: want null or %zu", 4 * c->n_embd);
	if (json_integer_value(inner) != (json_int_t)(4 * c->n_embd))
		return why_set(why,
		    "n_inner %" JSON_INTEGER_FORMAT ", want null or %zu",
		    json_integer_value(inner), 4 * c->n_embd);
	return 0;
}

int
config_read(struct checkpoint_config *c, struct folder *f, char *why)
{
	const uint8_t *data;
	char reason[WHYSZ];
	json_t *root;
	size_t size;
	int rc = -1;

	if (folder_get(f, "config.json", &data, &size, why) < 0)
		return -1;
	root = jsontext_parse(data, size, CONFIG_MAX, reason);
	if (root && check_string(root, "model_type", "gpt2", reason) == 0 &&
	    read_sizes(c, root, reason) == 0)
		rc = check_kind(c, root, reason);
	json_decref(root);
	return rc < 0 ? why_set(why, "config.json: %.900s", reason) : 0;
}
