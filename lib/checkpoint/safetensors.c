/* Reading safetensors files; see safetensors.h. */
#include "checkpoint/safetensors.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/convert.h"
#include "checkpoint/jsontext.h"
#include "checkpoint/kind.h"
#include "checkpoint/layout.h"
#include "sys/bytes.h"
#include "sys/map.h"
#include "sys/num.h"
#include "sys/why.h"

/* GPT-2's header has 14 KB; jansson needs 16 times a header's size. */
enum { LENGTH_SIZE = 8, HEADER_MAX = 8388608 };

struct safetensors {
	struct map map; /* empty where the bytes are the caller's */
	const uint8_t *bytes;
	size_t size;
	json_t *root;	    /* owns the names and the metadata */
	const json_t *meta; /* or NULL */
	struct layout *layout;
	const struct safetensor **by_name;
	size_t n;
};

/* The header's length; -1 where it cannot be one. */
static int
read_length(size_t *out, const uint8_t *bytes, size_t size, char *why)
{
	uint64_t len;

	*out = 0;
	if (size < LENGTH_SIZE)
		return why_set(why, "too short for a safetensors file");
	len = bytes_get64(bytes);
	if (len > HEADER_MAX)
		return why_set(why, "header length %" PRIu64 " over limit %d",
		    len, HEADER_MAX);
	if (len > size - LENGTH_SIZE)
		return why_set(why,
		    "header length %" PRIu64 ": only %zu bytes follow", len,
		    size - LENGTH_SIZE);
	if (len < 2)
		return why_set(
		    why, "header length %" PRIu64 ": too short", len);
	*out = (size_t)len;
	return 0;
}

/* Finds the header and that it begins as one. */
static int
find_header(size_t *len, const uint8_t *bytes, size_t size, char *why)
{
	const char *kind;
	size_t i = 0;
	int rc = read_length(len, bytes, size, why);

	if (rc == 0) {
		while (i < *len && memchr(" \t\r\n", bytes[8 + i], 4))
			i++;
		if (i < *len && bytes[8 + i] == '{')
			return 0;
		rc = why_set(why, "header does not begin with {");
	}
	if ((kind = kind_describe(bytes, size)))
		why_set(why, "is %s", kind);
	return rc;
}

/*
 * How deep in objects the text's byte at stands, and where the last string
 * before it begins and ends (between its quotes).
 */
static size_t
find_string(const char *text, size_t at, size_t *begin, size_t *end)
{
	size_t depth = 0;
	bool inside = false;

	*begin = *end = 0;
	for (size_t i = 0; i < at; i++) {
		if (inside && text[i] == '\\') {
			i++;
		} else if (text[i] == '"') {
			*(inside ? end : begin) = inside ? i : i + 1;
			inside = !inside;
		} else if (!inside && text[i] == '{') {
			depth++;
		} else if (!inside && text[i] == '}' && depth > 0) {
			depth--;
		}
	}
	return depth;
}

/* jansson refused the header; a tensor that is listed twice is named. */
static int
fault_header(char *why, const json_error_t *error, const char *text, size_t len)
{
	size_t begin, end, depth;
	json_t *name = NULL;
	char reason[WHYSZ];

	if (json_error_code(error) == json_error_duplicate_key) {
		depth = find_string(
		    text, num_min((size_t)error->position, len), &begin, &end);
		if (depth == 1 && begin > 0 && end >= begin)
			name = json_loadb(text + begin - 1, end - begin + 2,
			    JSON_DECODE_ANY, NULL);
	}
	if (json_is_string(name)) {
		why_escape(reason, 256, json_string_value(name),
		    json_string_length(name));
		why_set(why, "tensor \"%s\" listed twice", reason);
	} else {
		jsontext_fault(reason, error);
		why_set(why, "header: %.900s", reason);
	}
	json_decref(name);
	return -1;
}

static int
check_metadata(const json_t *meta, char *why)
{
	const char *key;
	const json_t *value;
	char shown[256];

	if (!json_is_object(meta))
		return why_set(why, "__metadata__: want an object");
	for (void *i = json_object_iter((json_t *)(uintptr_t)meta); i;
	     i = json_object_iter_next((json_t *)(uintptr_t)meta, i)) {
		key = json_object_iter_key(i);
		value = json_object_iter_value(i);
		if (!json_is_string(value)) {
			why_escape(shown, sizeof(shown), key, strlen(key));
			return why_set(
			    why, "__metadata__: \"%s\" is not a string", shown);
		}
	}
	return 0;
}

static int
compare_names(const void *a, const void *b)
{
	const struct safetensor *const *x = a, *const *y = b;

	return strcmp((*x)->name, (*y)->name);
}

/* Reads every tensor of the header; size bytes of data follow it. */
static int
read_tensors(struct safetensors *s, size_t size, char *why)
{
	const size_t most = json_object_size(s->root);
	const char *name;
	json_t *value;

	s->layout = calloc(num_max(most, 1), sizeof(*s->layout));
	s->by_name = calloc(num_max(most, 1), sizeof(*s->by_name));
	if (s->layout == NULL || s->by_name == NULL) {
		why_memory(why);
		return -1;
	}
	json_object_foreach(s->root, name, value)
	{
		if (strcmp(name, "__metadata__") == 0) {
			if (check_metadata(s->meta = value, why) < 0)
				return -1;
		} else if (layout_read(&s->layout[s->n++], name, value, why) <
			   0) {
			return -1;
		}
	}
	if (layout_sort(s->layout, s->n, size, why) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++) {
		struct layout *l = &s->layout[i];

		l->tensor.data = s->bytes + (s->size - size) + l->begin;
		s->by_name[i] = &l->tensor;
	}
	if (s->n > 1)
		qsort(s->by_name, s->n, sizeof(*s->by_name), compare_names);
	return 0;
}

struct safetensors *
safetensors_parse(const uint8_t *bytes, size_t size, char *why)
{
	struct safetensors *s;
	json_error_t error;
	const char *text;
	size_t len;

	if (find_header(&len, bytes, size, why) < 0)
		return NULL;
	if ((s = calloc(1, sizeof(*s))) == NULL)
		return why_memory(why);
	s->bytes = bytes;
	s->size = size;
	text = (const char *)bytes + LENGTH_SIZE;
	s->root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &error);
	if (s->root == NULL)
		fault_header(why, &error, text, len);
	else if (read_tensors(s, size - LENGTH_SIZE - len, why) == 0)
		return s;
	safetensors_free(s);
	return NULL;
}

struct safetensors *
safetensors_open(const char *path, char *why)
{
	struct safetensors *s;
	struct map map;

	if (map_open(&map, path, why) < 0)
		return NULL;
	if ((s = safetensors_parse(map.data, map.size, why)))
		s->map = map;
	else
		map_close(&map);
	return s;
}

void
safetensors_free(struct safetensors *s)
{
	if (s == NULL)
		return;
	json_decref(s->root);
	free(s->layout);
	free(s->by_name);
	map_close(&s->map);
	free(s);
}

const struct safetensor *
safetensors_find(const struct safetensors *s, const char *name)
{
	const struct safetensor wanted = { .name = name };
	const struct safetensor *key = &wanted;
	const struct safetensor **found = NULL;

	if (s->n > 0)
		found =
		    bsearch(&key, s->by_name, s->n, sizeof(key), compare_names);
	return found ? *found : NULL;
}

size_t
safetensors_count(const struct safetensors *s)
{
	return s->n;
}

const struct safetensor *
safetensors_at(const struct safetensors *s, size_t i)
{
	return &s->layout[i].tensor;
}

const char *
safetensors_meta(const struct safetensors *s, const char *key)
{
	return json_string_value(json_object_get(s->meta, key));
}

const uint8_t *
safetensors_bytes(const struct safetensors *s, size_t *size)
{
	*size = s->size;
	return s->bytes;
}

int
safetensor_read(const struct safetensor *t, float *out, char *why)
{
	char shown[256];
	size_t i;

	why_escape(shown, sizeof(shown), t->name, strlen(t->name));
	if (t->dtype == TENSOR_OTHER)
		return why_set(why, "tensor %s: dtype %s, want F32, F16, BF16",
		    shown, t->dtype_name);
	i = convert_values(out, t->data, t->count, t->dtype);
	if (i < t->count)
		return why_set(
		    why, "tensor %s: element %zu is not finite", shown, i);
	return 0;
}
