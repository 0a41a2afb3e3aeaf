/* A head's metadata as strings; see meta.h. */
#include "head/meta.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "head/labels.h"
#include "stream/header.h"
#include "sys/why.h"

enum { HEAD_VERSION = 0 };

static const char *const pools[] = { "last", "mean", NULL };

const char *const head_meta_keys[HEAD_META] = { "stream", "network", "labels",
	"training", "data", "dev" };

/* ---- writing ---- */

static char *
format_labels(const struct head *h)
{
	json_t *list = json_array();
	char *text;

	for (size_t i = 0; i < h->K; i++)
		json_array_append_new(
		    list, json_pack("[s, s]", h->labels[i], h->names[i]));
	text = json_array_size(list) == h->K ? json_dumps(list, JSON_COMPACT)
					     : NULL;
	json_decref(list);
	return text;
}

/* What of the network the stream's header does not say. */
static char *
format_network(const struct head *h)
{
	json_t *json = json_pack("{s:i, s:f, s:s, s:f}", "version",
	    HEAD_VERSION, "layer_norm_epsilon", (double)h->shape.epsilon,
	    "pool", pools[h->pool], "temperature", (double)h->temperature);
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(json);
	return text;
}

int
head_meta_format(const struct head *h, char *values[HEAD_META], char *why)
{
	const char *others[] = { h->training, h->data, h->dev };

	values[0] = stream_header_format(&h->stream, why);
	values[1] = format_network(h);
	values[2] = format_labels(h);
	for (size_t i = 3; i < HEAD_META; i++)
		values[i] = strdup(others[i - 3] ? others[i - 3] : "{}");
	if (values[0] && values[2] == NULL)
		return why_set(why, "a label is not UTF-8");
	for (size_t i = 1; values[0] && i < HEAD_META; i++) {
		if (values[i] == NULL) {
			why_memory(why);
			return -1;
		}
	}
	return values[0] ? 0 : -1;
}

/* ---- reading ---- */

struct source {
	const char *(*get)(const void *arg, const char *key);
	const void *arg;
};

static json_t *
get_json(const struct source *source, const char *key)
{
	const char *s = source->get(source->arg, key);
	json_error_t error;

	return s ? json_loads(s, JSON_REJECT_DUPLICATES, &error) : NULL;
}

static int
read_stream(struct head *h, const struct source *source, char *why)
{
	const char *text = source->get(source->arg, "stream");
	struct stream_header_owned owned;

	if (text == NULL)
		return why_set(why, "no stream in its metadata");
	if (stream_header_parse(
		&owned, (const uint8_t *)text, strlen(text), why) < 0)
		return -1;
	h->stream = owned.header;
	h->prefix = owned.prefix;
	h->suffix = owned.suffix;
	h->model_name = owned.model_name;
	if (h->stream.kind != STREAM_HIDDEN)
		return why_set(why, "its stream is not of hidden states");
	h->shape.L = h->stream.n_layer;
	h->shape.H = h->stream.n_head;
	h->shape.C = h->stream.n_embd;
	return 0;
}

static int
read_network(struct head *h, const struct source *source, char *why)
{
	json_t *json = get_json(source, "network");
	const char *pool = json_string_value(json_object_get(json, "pool"));
	const json_t *version = json_object_get(json, "version");
	double epsilon =
	    json_number_value(json_object_get(json, "layer_norm_epsilon"));
	double temperature =
	    json_number_value(json_object_get(json, "temperature"));
	int rc = 0;

	h->shape.epsilon = (float)epsilon;
	h->temperature = (float)temperature;
	h->pool = pool && strcmp(pool, "mean") == 0 ? HEAD_MEAN : HEAD_LAST;
	if (json_is_integer(version) &&
	    json_integer_value(version) != HEAD_VERSION)
		rc = why_set(why, "version %lld, this program reads %d",
		    (long long)json_integer_value(version), HEAD_VERSION);
	else if (!json_is_integer(version) || pool == NULL ||
		 strcmp(pool, pools[h->pool]) != 0 ||
		 (h->pool == HEAD_MEAN && h->stream.pool == POOL_LAST) ||
		 !(h->shape.epsilon > 0) || !isfinite(h->shape.epsilon) ||
		 !isfinite(h->temperature) || !(h->temperature > 0))
		rc = why_set(why, "bad value in its metadata");
	json_decref(json);
	return rc;
}

/* One [label, name] pair of the list. */
static int
read_label(struct head *h, const json_t *pair, size_t i)
{
	const char *label = json_string_value(json_array_get(pair, 0));
	const char *name = json_string_value(json_array_get(pair, 1));

	if (!label || !name || strlen(label) > MOST_LABEL ||
	    strlen(name) > MOST_LABEL)
		return -1;
	h->labels[i] = strdup(label);
	h->names[i] = strdup(name);
	if (!h->labels[i] || !h->names[i])
		return -1;
	return i > 0 && labels_compare(h->labels[i - 1], label) >= 0 ? -1 : 0;
}

static int
read_labels(struct head *h, const struct source *source, char *why)
{
	json_t *list = get_json(source, "labels");
	size_t n = json_array_size(list);
	int rc = 0;

	if (n < 2 || n > MOST_CLASSES) {
		json_decref(list);
		return why_set(why, "has %zu classes", n);
	}
	h->labels = calloc(n, sizeof(char *));
	h->names = calloc(n, sizeof(char *));
	if (h->labels && h->names)
		h->K = n;
	else
		rc = -1;
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = read_label(h, json_array_get(list, i), i);
	json_decref(list);
	if (rc < 0)
		return why_set(why, "bad labels in its metadata");
	return head_check_names(h, why);
}

static char *
get_string(const struct source *source, const char *key)
{
	const char *s = source->get(source->arg, key);

	return s ? strdup(s) : NULL;
}

int
head_meta_read(struct head *h,
    const char *(*get)(const void *arg, const char *key), const void *arg,
    char *why)
{
	const struct source source = { get, arg };

	if (read_stream(h, &source, why) < 0 ||
	    read_network(h, &source, why) < 0 ||
	    read_labels(h, &source, why) < 0)
		return -1;
	h->training = get_string(&source, "training");
	h->data = get_string(&source, "data");
	h->dev = get_string(&source, "dev");
	return 0;
}
