/* What a stream says of itself: its header in JSON, and comparing two. */
#include "stream/header.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sys/why.h"

static const char *const kinds[] = { "tokens", "hidden", NULL };
static const char *const specials[] = { "literal", "parse", "error", NULL };
static const char *const dtypes[] = { "f32", "f16", NULL };
static const char *const pools[] = { "none", "last", NULL };
static const char *const precisions[] = { "f32", "bf16", "int8", NULL };

const char *
stream_kind_name(enum stream_kind kind)
{
	static const char *const names[] = { "token stream",
		"hidden-state stream", "stream" };

	return names[kind];
}

const char *
stream_dtype_name(enum stream_dtype dtype)
{
	return dtypes[dtype];
}

const char *
stream_pool_name(enum stream_pool pool)
{
	return pools[pool];
}

const char *
stream_precision_name(enum stream_precision precision)
{
	return precisions[precision];
}

const char *
stream_special_name(enum stream_special special)
{
	return specials[special];
}

size_t
stream_dtype_size(enum stream_dtype dtype)
{
	return dtype == DTYPE_F16 ? 2 : 4;
}

static int
word_index(const char *const *words, const char *word)
{
	for (int i = 0; words[i]; i++) {
		if (word && strcmp(words[i], word) == 0)
			return i;
	}
	return -1;
}

int
stream_special_parse(enum stream_special *special, const char *word)
{
	int i = word_index(specials, word);

	if (i < 0)
		return -1;
	*special = (enum stream_special)i;
	return 0;
}

char *
stream_header_format(const struct stream_header *h, char *why)
{
	const struct preparation *p = &h->preparation;
	json_error_t error;
	char *text = NULL;
	json_t *json;

	json = json_pack_ex(&error, 0,
	    "{s:s, s:i, s:s, s:s, s:I, s:{s:b, s:s, s:s, s:s}, s:s}", "format",
	    "gpt2-stream", "version", STREAM_VERSION, "kind", kinds[h->kind],
	    "vocabulary", h->vocabulary, "vocab_size",
	    (json_int_t)h->vocab_size, "preparation", "strip", p->strip,
	    "prefix", p->prefix, "suffix", p->suffix, "special",
	    specials[p->special], "program", "gpt2-filters " VERSION);
	if (json && h->kind == STREAM_HIDDEN) {
		json_t *more = json_pack_ex(&error, 0,
		    "{s:s, s:s, s:I, s:I, s:I, s:I, s:s, s:s, s:s}", "model",
		    h->model, "model_name", h->model_name, "cut",
		    (json_int_t)h->cut, "n_layer", (json_int_t)h->n_layer,
		    "n_head", (json_int_t)h->n_head, "n_embd",
		    (json_int_t)h->n_embd, "dtype", dtypes[h->dtype], "pool",
		    pools[h->pool], "precision", precisions[h->precision]);

		if (more == NULL || json_object_update(json, more) < 0) {
			json_decref(json);
			json = NULL;
		}
		json_decref(more);
	}
	if (json)
		text = json_dumps(json, JSON_COMPACT | JSON_SORT_KEYS);
	json_decref(json);
	if (text == NULL)
		why_set(why, "header: %s", error.text);
	return text;
}

/* Copies a string of the object, or -1. */
static int
get_string(const json_t *json, const char *key, char **out)
{
	const char *s = json_string_value(json_object_get(json, key));

	return s && (*out = strdup(s)) ? 0 : -1;
}

static int
get_id(const json_t *json, const char *key, char id[STREAM_IDSZ])
{
	const char *s = json_string_value(json_object_get(json, key));

	if (s == NULL || strlen(s) != STREAM_IDSZ - 1 ||
	    strspn(s, "0123456789abcdef") != STREAM_IDSZ - 1)
		return -1;
	memcpy(id, s, STREAM_IDSZ);
	return 0;
}

static int
get_size(
    const json_t *json, const char *key, size_t min, size_t max, size_t *out)
{
	const json_t *v = json_object_get(json, key);
	json_int_t n = json_integer_value(v);

	if (!json_is_integer(v) || n < (json_int_t)min || n > (json_int_t)max)
		return -1;
	*out = (size_t)n;
	return 0;
}

static int
get_word(const json_t *json, const char *key, const char *const *words)
{
	return word_index(words, json_string_value(json_object_get(json, key)));
}

static int
parse_preparation(struct stream_header_owned *h, const json_t *json)
{
	struct preparation *p = &h->header.preparation;
	const json_t *strip = json_object_get(json, "strip");
	int special = get_word(json, "special", specials);

	if (!json_is_boolean(strip) || special < 0 ||
	    get_string(json, "prefix", &h->prefix) < 0 ||
	    get_string(json, "suffix", &h->suffix) < 0)
		return -1;
	p->strip = json_is_true(strip);
	p->special = (enum stream_special)special;
	p->prefix = h->prefix;
	p->suffix = h->suffix;
	return 0;
}

static int
parse_hidden(struct stream_header_owned *owned, const json_t *json)
{
	struct stream_header *h = &owned->header;
	int dtype = get_word(json, "dtype", dtypes);
	int pool = get_word(json, "pool", pools);
	int precision = get_word(json, "precision", precisions);

	if (dtype < 0 || pool < 0 || precision < 0 ||
	    get_id(json, "model", h->model) < 0 ||
	    get_string(json, "model_name", &owned->model_name) < 0 ||
	    get_size(json, "n_layer", 1, 1000, &h->n_layer) < 0 ||
	    get_size(json, "cut", 0, h->n_layer, &h->cut) < 0 ||
	    get_size(json, "n_embd", 1, 65536, &h->n_embd) < 0 ||
	    get_size(json, "n_head", 1, h->n_embd, &h->n_head) < 0 ||
	    h->n_embd % h->n_head != 0 ||
	    (pool == POOL_LAST && h->cut != h->n_layer))
		return -1;
	h->model_name = owned->model_name;
	h->dtype = (enum stream_dtype)dtype;
	h->pool = (enum stream_pool)pool;
	h->precision = (enum stream_precision)precision;
	return 0;
}

static int
parse_fields(struct stream_header_owned *owned, const json_t *json, char *why)
{
	struct stream_header *h = &owned->header;
	size_t version;
	int kind;

	if (get_size(json, "version", 0, 1 << 30, &version) < 0)
		return why_set(why, "header: no version");
	if (version != STREAM_VERSION)
		return why_set(why, "version %zu, this program reads %d",
		    version, STREAM_VERSION);
	kind = get_word(json, "kind", kinds);
	if (kind < 0 || get_id(json, "vocabulary", h->vocabulary) < 0 ||
	    get_size(json, "vocab_size", 1, 1 << 24, &h->vocab_size) < 0 ||
	    parse_preparation(owned, json_object_get(json, "preparation")) < 0)
		return why_set(why, "header: bad value");
	h->kind = (enum stream_kind)kind;
	h->model_name = "";
	if (h->kind == STREAM_HIDDEN && parse_hidden(owned, json) < 0)
		return why_set(why, "header: bad value");
	return 0;
}

int
stream_header_parse(struct stream_header_owned *owned, const uint8_t *text,
    size_t len, char *why)
{
	json_error_t error;
	json_t *json;
	int rc;

	memset(owned, 0, sizeof(*owned));
	json =
	    json_loadb((const char *)text, len, JSON_REJECT_DUPLICATES, &error);
	if (json == NULL)
		return why_set(why, "header: %s", error.text);
	rc = parse_fields(owned, json, why);
	json_decref(json);
	if (rc < 0)
		stream_header_clear(owned);
	return rc;
}

void
stream_header_clear(struct stream_header_owned *h)
{
	free(h->prefix);
	free(h->suffix);
	free(h->model_name);
	memset(h, 0, sizeof(*h));
}

int
preparation_compare(
    const struct preparation *a, const struct preparation *b, char *why)
{
	if (a->strip != b->strip)
		return why_set(why, "other preparation (%s --exact, want %s)",
		    a->strip ? "without" : "with",
		    b->strip ? "without" : "with");
	if (strcmp(a->prefix, b->prefix) != 0)
		return why_set(why,
		    "other preparation (--prefix '%s', want '%s')", a->prefix,
		    b->prefix);
	if (strcmp(a->suffix, b->suffix) != 0)
		return why_set(why,
		    "other preparation (--suffix '%s', want '%s')", a->suffix,
		    b->suffix);
	if (a->special != b->special)
		return why_set(why, "other preparation (--special %s, want %s)",
		    specials[a->special], specials[b->special]);
	return 0;
}

static int
compare_hidden(
    const struct stream_header *a, const struct stream_header *b, char *why)
{
	if (a->n_embd != b->n_embd || a->n_layer != b->n_layer ||
	    a->n_head != b->n_head ||
	    (a->cut == b->cut && strcmp(a->model, b->model) != 0)) {
		bool same = strcmp(a->model_name, b->model_name) == 0;

		return why_set(why, "other model (%s%s, want %s)",
		    a->model_name, same ? " with other weights" : "",
		    b->model_name);
	}
	if (a->cut != b->cut)
		return why_set(
		    why, "other cut (%zu, want %zu)", a->cut, b->cut);
	if (a->dtype != b->dtype)
		return why_set(why, "other dtype (%s, want %s)",
		    dtypes[a->dtype], dtypes[b->dtype]);
	if (a->pool != b->pool)
		return why_set(why, "other pooling (%s, want %s)",
		    pools[a->pool], pools[b->pool]);
	if (a->precision != b->precision)
		return why_set(why, "other precision (%s, want %s)",
		    precisions[a->precision], precisions[b->precision]);
	return 0;
}

int
stream_header_compare(
    const struct stream_header *a, const struct stream_header *b, char *why)
{
	if (a->kind != b->kind)
		return why_set(why, "%s, want %s", stream_kind_name(a->kind),
		    stream_kind_name(b->kind));
	if (strcmp(a->vocabulary, b->vocabulary) != 0 ||
	    a->vocab_size != b->vocab_size)
		return why_set(why,
		    "made with another vocabulary (%zu tokens, want %zu)",
		    a->vocab_size, b->vocab_size);
	if (preparation_compare(&a->preparation, &b->preparation, why) < 0)
		return -1;
	return a->kind == STREAM_HIDDEN ? compare_hidden(a, b, why) : 0;
}
