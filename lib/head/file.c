/* Heads in files; see head.h. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "gpt2/forward.h"
#include "head/head.h"
#include "head/labels.h"
#include "stream/header.h"
#include "sys/num.h"
#include "sys/why.h"

enum { HEAD_VERSION = 0 };

static const char checksum_key[] = "checksum";
static const char *const pools[] = { "last", "mean", NULL };

struct head *
head_new(char *why)
{
	struct head *h = calloc(1, sizeof(*h));

	if (h == NULL)
		return why_memory(why);
	h->temperature = 1;
	return h;
}

void
head_free(struct head *h)
{
	if (h == NULL)
		return;
	for (size_t i = 0; i < h->K; i++) {
		if (h->labels)
			free(h->labels[i]);
		if (h->names)
			free(h->names[i]);
	}
	free(h->labels);
	free(h->names);
	free(h->prefix);
	free(h->suffix);
	free(h->model_name);
	free(h->training);
	free(h->data);
	free(h->dev);
	free(h->top);
	free(h);
}

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

static int
write_tensors(const struct head *h, struct file_out *out,
    const char *const *keys, const char *const *values, size_t n_meta,
    char *why)
{
	size_t n = gpt2_top_count(&h->shape, h->stream.cut);
	struct safetensor_out *tensors = calloc(n, sizeof(*tensors));
	char(*names)[GPT2_NAMESZ + 16] = calloc(n, sizeof(*names));
	int rc = -1;

	if (tensors == NULL || names == NULL)
		why_memory(why);
	for (size_t i = 0; tensors && names && i < n; i++) {
		struct gpt2_tensor t =
		    gpt2_top_tensor(&h->shape, h->stream.cut, h->K, i);

		/* score.weight alone has no prefix, as in Hugging Face. */
		if (i + 1 < n)
			strcpy(names[i], "transformer.");
		strcat(names[i], t.name);
		tensors[i] = (struct safetensor_out){ names[i],
			t.matrix ? t.rows : 0, t.cols, h->top + t.offset };
	}
	if (tensors && names)
		rc = safetensors_write(
		    out, tensors, n, keys, values, n_meta, checksum_key, why);
	free(tensors);
	free(names);
	return rc;
}

int
head_write(const struct head *h, struct file_out *out, char *why)
{
	static const char *const keys[] = { "format", "stream", "network",
		"labels", "training", "data", "dev", checksum_key };
	char *stream = stream_header_format(&h->stream, why);
	char *network = format_network(h);
	char *labels = format_labels(h);
	const char *values[] = { "gpt2-head", stream, network, labels,
		h->training ? h->training : "{}", h->data ? h->data : "{}",
		h->dev ? h->dev : "{}", "00000000000000000000000000000000" };
	int rc = -1;

	if (stream && network && labels)
		rc = write_tensors(
		    h, out, keys, values, sizeof(keys) / sizeof(keys[0]), why);
	else if (stream)
		why_set(why, "a label is not UTF-8");
	free(stream);
	free(network);
	free(labels);
	return rc;
}

/* ---- reading ---- */

static char *
get_string(const struct safetensors *file, const char *key)
{
	const char *s = safetensors_meta(file, key);

	return s ? strdup(s) : NULL;
}

static json_t *
get_json(const struct safetensors *file, const char *key)
{
	const char *s = safetensors_meta(file, key);
	json_error_t error;

	return s ? json_loads(s, JSON_REJECT_DUPLICATES, &error) : NULL;
}

static int
read_stream(struct head *h, const struct safetensors *file, char *why)
{
	const char *text = safetensors_meta(file, "stream");
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
read_network(struct head *h, const struct safetensors *file, char *why)
{
	json_t *json = get_json(file, "network");
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

int
head_check_names(const struct head *h, char *why)
{
	struct labels *names = labels_new(why);
	long k = names ? 0 : -1;

	for (size_t i = 0; k >= 0 && i < h->K; i++)
		k = labels_add(names, h->names[i], strlen(h->names[i]), why);
	if (k >= 0 && labels_count(names) < h->K)
		k = why_set(why, "two classes have one name");
	labels_free(names);
	return k < 0 ? -1 : 0;
}

static int
read_labels(struct head *h, const struct safetensors *file, char *why)
{
	json_t *list = get_json(file, "labels");
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

static int
check_shape(
    const struct safetensor *t, const struct gpt2_tensor *want, char *why)
{
	bool same = t->rank == (want->matrix ? 2 : 1) &&
		    t->shape[t->rank - 1] == want->cols &&
		    (t->rank == 1 || t->shape[0] == want->rows);

	if (!same)
		return why_set(why, "tensor %s: wrong shape", t->name);
	return 0;
}

static int
read_top(struct head *h, const struct safetensors *file, char *why)
{
	size_t n = gpt2_top_count(&h->shape, h->stream.cut);

	h->top =
	    gpt2_floats(gpt2_top_size(&h->shape, h->stream.cut, h->K), why);
	if (h->top == NULL)
		return -1;
	for (size_t i = 0; i < n; i++) {
		struct gpt2_tensor want =
		    gpt2_top_tensor(&h->shape, h->stream.cut, h->K, i);
		char name[GPT2_NAMESZ + 16] = "";
		const struct safetensor *t;

		if (i + 1 < n)
			strcpy(name, "transformer.");
		strcat(name, want.name);
		if ((t = safetensors_find(file, name)) == NULL)
			return why_set(why, "tensor %s: missing", name);
		if (check_shape(t, &want, why) < 0 ||
		    safetensor_read(t, h->top + want.offset, why) < 0)
			return -1;
	}
	return 0;
}

static int
read_head(struct head *h, const struct safetensors *file, char *why)
{
	const char *format = safetensors_meta(file, "format");

	if (format == NULL || strcmp(format, "gpt2-head") != 0)
		return why_set(why, "not a head (run head-train)");
	if (safetensors_verify(file, checksum_key, why) < 0 ||
	    read_stream(h, file, why) < 0 || read_network(h, file, why) < 0 ||
	    read_labels(h, file, why) < 0)
		return -1;
	h->training = get_string(file, "training");
	h->data = get_string(file, "data");
	h->dev = get_string(file, "dev");
	return read_top(h, file, why);
}

struct head *
head_open(const char *path, char *why)
{
	struct safetensors *file = safetensors_open(path, why);
	struct head *h = file ? head_new(why) : NULL;

	if (h && read_head(h, file, why) < 0) {
		head_free(h);
		h = NULL;
	}
	safetensors_free(file);
	return h;
}

/* ---- using ---- */

int
head_fits(const struct head *h, const char *path,
    const struct stream_header *stream, char *why)
{
	struct stream_header want = h->stream;
	const char *command;
	char reason[WHYSZ];

	want.dtype = stream->dtype;
	want.precision = stream->precision;
	if (want.cut == want.n_layer && h->pool == HEAD_LAST)
		want.pool = stream->pool;
	if (stream_header_compare(stream, &want, reason) == 0)
		return 0;
	command = strcmp(stream->vocabulary, want.vocabulary) != 0 ||
			  preparation_compare(
			      &stream->preparation, &want.preparation, why) < 0
		      ? "bpe-encode"
		      : "gpt2-embed";
	return why_set(why, "%.500s: run %s -H %.300s", reason, command, path);
}

size_t
head_class(const struct head *h, const char *label, size_t len)
{
	for (size_t i = 0; i < h->K; i++) {
		if (strlen(h->labels[i]) == len &&
		    memcmp(h->labels[i], label, len) == 0)
			return i;
	}
	for (size_t i = 0; i < h->K; i++) {
		if (strlen(h->names[i]) == len &&
		    memcmp(h->names[i], label, len) == 0)
			return i;
	}
	return h->K;
}

char *
head_find(const char *model_name, char *why)
{
	static const char file[] = "/sentiment.head";
	char *dir = checkpoint_find(model_name, why), *path;

	if (dir == NULL)
		return NULL;
	path = realloc(dir, strlen(dir) + sizeof(file));
	if (path == NULL) {
		free(dir);
		return why_memory(why);
	}
	return strcat(path, file);
}
