/* Heads in files; see head.h. */
#include <stdlib.h>
#include <string.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "gpt2/forward.h"
#include "head/head.h"
#include "head/labels.h"
#include "head/meta.h"
#include "sys/why.h"

static const char checksum_key[] = "checksum";

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
	const char *keys[HEAD_META + 2] = { "format",
		[HEAD_META + 1] = checksum_key };
	const char *values[HEAD_META + 2] = { "gpt2-head" };
	char *meta[HEAD_META] = { NULL };
	int rc = head_meta_format(h, meta, why);

	for (size_t i = 0; i < HEAD_META; i++) {
		keys[i + 1] = head_meta_keys[i];
		values[i + 1] = meta[i];
	}
	values[HEAD_META + 1] = "";
	if (rc == 0)
		rc = write_tensors(h, out, keys, values, HEAD_META + 2, why);
	for (size_t i = 0; i < HEAD_META; i++)
		free(meta[i]);
	return rc;
}

/* ---- reading ---- */

static const char *
get_meta(const void *file, const char *key)
{
	return safetensors_meta(file, key);
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
	    head_meta_read(h, get_meta, file, why) < 0)
		return -1;
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
