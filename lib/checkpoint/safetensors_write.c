/* Writing safetensors files, and their checksum; see safetensors.h. */
#define XXH_INLINE_ALL
#include <xxhash.h>

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "checkpoint/convert.h"
#include "checkpoint/layout.h"
#include "checkpoint/safetensors.h"
#include "sys/buffer.h"
#include "sys/bytes.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

enum { LENGTH_SIZE = 8, HEADER_MAX = 8388608, DIGITS = 32 };

static const char zeros[] = "00000000000000000000000000000000";

/* XXH3-128 as its canonical 32 hexadecimal digits, without a NUL. */
static void
format_digits(char *out, const XXH3_state_t *state)
{
	static const char hex[] = "0123456789abcdef";
	XXH128_canonical_t bytes;

	XXH128_canonicalFromHash(&bytes, XXH3_128bits_digest(state));
	for (size_t i = 0; i < DIGITS / 2; i++) {
		out[2 * i] = hex[bytes.digest[i] >> 4];
		out[2 * i + 1] = hex[bytes.digest[i] & 15];
	}
}

/*
 * Where in a header the digits of "key": "digits" begin, or NULL. A quote
 * within a JSON string has a backslash before it, so only a key is found.
 */
static const char *
find_digits(const char *text, size_t len, const char *key, const char *digits)
{
	const char *const end = text + len;
	const size_t key_len = strlen(key);

	while ((text = memmem(text, (size_t)(end - text), key, key_len))) {
		const char *p = text + key_len;

		if (p < end && *p == '"' && text[-1] == '"') {
			p++;
			while (p < end && memchr(" \t\r\n:", *p, 5))
				p++;
			if (end - p > DIGITS + 1 && *p == '"' &&
			    p[DIGITS + 1] == '"' &&
			    memcmp(p + 1, digits, DIGITS) == 0)
				return p + 1;
		}
		text++;
	}
	return NULL;
}

/* Adds __metadata__ with zeros for the checksum. */
static int
add_metadata(json_t *root, const char *const *keys, const char *const *values,
    size_t n, const char *checksum_key, char *why)
{
	json_t *meta = json_object();

	if (json_object_set_new(root, "__metadata__", meta) < 0) {
		why_memory(why);
		return -1;
	}
	for (size_t i = 0; i < n; i++) {
		const bool sum =
		    checksum_key && strcmp(keys[i], checksum_key) == 0;
		json_t *value = json_string(sum ? zeros : values[i]);

		if (json_object_set_new(meta, keys[i], value) < 0)
			return why_set(why, "metadata %s: not UTF-8", keys[i]);
	}
	return 0;
}

static int
check_values(
    const struct safetensor_out *t, const float *data, size_t count, char *why)
{
	size_t bad = convert_check(data, count);
	char text[64];

	if (bad == count)
		return 0;
	snprintf(text, sizeof(text), "element %zu is not finite", bad);
	return layout_fault(why, t->name, text);
}

/* Adds the tensors, one behind the other. */
static int
add_tensors(json_t *root, const struct safetensor_out *t, size_t n, char *why)
{
	size_t begin = 0;

	for (size_t i = 0; i < n; i++, t++) {
		size_t count, size, end;
		json_t *value, *shape;

		if (!num_mul(num_max(t->rows, 1), t->cols, &count) ||
		    !num_mul(count, sizeof(float), &size) ||
		    !num_add(begin, size, &end))
			return layout_fault(why, t->name, "bad shape");
		if (t->data && check_values(t, t->data, count, why) < 0)
			return -1;
		if (json_object_get(root, t->name))
			return layout_fault(why, t->name, "listed twice");
		shape = t->rows ? json_pack("[II]", (json_int_t)t->rows,
				      (json_int_t)t->cols)
				: json_pack("[I]", (json_int_t)t->cols);
		value = json_pack("{s:s, s:o, s:[II]}", "dtype", "F32", "shape",
		    shape, "data_offsets", (json_int_t)begin, (json_int_t)end);
		if (json_object_set_new(root, t->name, value) < 0) {
			why_memory(why);
			return -1;
		}
		begin = end;
	}
	return 0;
}

/* The length and the header, padded with blanks to a multiple of 8. */
static int
format_header(struct buffer *out, const json_t *root, char *why)
{
	char *text = json_dumps(root, JSON_COMPACT);
	size_t len = text ? strlen(text) : 0;
	size_t padded = num_round(len, 8);
	uint8_t length[LENGTH_SIZE];
	int rc = -1;

	if (text == NULL) {
		why_memory(why);
	} else if (padded > HEADER_MAX) {
		why_set(
		    why, "header length %zu over limit %d", padded, HEADER_MAX);
	} else {
		bytes_put64(length, padded);
		rc = buffer_append(out, length, LENGTH_SIZE, why);
		if (rc == 0)
			rc = buffer_append(out, text, len, why);
		if (rc == 0)
			rc = buffer_append(out, "       ", padded - len, why);
	}
	free(text);
	return rc;
}

static size_t
count_bytes(const struct safetensor_out *t)
{
	return num_max(t->rows, 1) * t->cols * sizeof(float);
}

/* Puts the checksum of the whole file into the header. */
static int
set_checksum(struct buffer *header, const struct safetensor_out *t, size_t n,
    const char *key, char *why)
{
	char *text = (char *)header->data + LENGTH_SIZE;
	const char *at =
	    find_digits(text, header->len - LENGTH_SIZE, key, zeros);
	XXH3_state_t state;

	if (at == NULL)
		return why_set(why, "metadata has no %s", key);
	XXH3_128bits_reset(&state);
	XXH3_128bits_update(&state, header->data, header->len);
	for (size_t i = 0; i < n; i++)
		XXH3_128bits_update(&state, t[i].data, count_bytes(&t[i]));
	format_digits(text + (at - text), &state);
	return 0;
}

/* Everything before the first tensor, with zeros for the checksum. */
static int
build_header(struct buffer *header, const struct safetensor_out *t, size_t n,
    const char *const *keys, const char *const *values, size_t n_meta,
    const char *checksum_key, char *why)
{
	json_t *root = json_object();
	int rc = 0;

	if (root == NULL) {
		why_memory(why);
		return -1;
	}
	if (n_meta > 0)
		rc =
		    add_metadata(root, keys, values, n_meta, checksum_key, why);
	if (rc == 0)
		rc = add_tensors(root, t, n, why);
	if (rc == 0)
		rc = format_header(header, root, why);
	json_decref(root);
	return rc;
}

int
safetensors_write(struct file_out *f, const struct safetensor_out *t, size_t n,
    const char *const *keys, const char *const *values, size_t n_meta,
    const char *checksum_key, char *why)
{
	struct buffer header = { 0 };
	int rc = build_header(
	    &header, t, n, keys, values, n_meta, checksum_key, why);

	if (rc == 0 && checksum_key)
		rc = set_checksum(&header, t, n, checksum_key, why);
	if (rc == 0)
		rc = file_write(f, header.data, header.len, why);
	for (size_t i = 0; rc == 0 && i < n; i++)
		rc = file_write(f, t[i].data, count_bytes(&t[i]), why);
	free(header.data);
	return rc;
}

int
safetensors_write_each(struct file_out *f, const struct safetensor_out *t,
    size_t n, const char *const *keys, const char *const *values, size_t n_meta,
    int (*read)(void *arg, size_t i, float *out, char *why), void *arg,
    char *why)
{
	struct buffer header = { 0 };
	int rc = build_header(&header, t, n, keys, values, n_meta, NULL, why);
	size_t most = 0;
	float *values_of_one;

	for (size_t i = 0; i < n; i++)
		most = num_max(most, count_bytes(&t[i]));
	if ((values_of_one = malloc(most + 1)) == NULL) {
		why_memory(why);
		rc = -1;
	}
	if (rc == 0)
		rc = file_write(f, header.data, header.len, why);
	for (size_t i = 0; rc == 0 && i < n; i++) {
		size_t bytes = count_bytes(&t[i]);

		if ((rc = read(arg, i, values_of_one, why)) == 0 &&
		    (rc = check_values(&t[i], values_of_one,
			 bytes / sizeof(float), why)) == 0)
			rc = file_write(f, values_of_one, bytes, why);
	}
	free(values_of_one);
	free(header.data);
	return rc;
}

int
safetensors_verify(const struct safetensors *s, const char *key, char *why)
{
	const char *digits = safetensors_meta(s, key);
	char sum[DIGITS];
	const uint8_t *bytes;
	const char *at = NULL;
	XXH3_state_t state;
	size_t size, before;

	if (digits == NULL)
		return why_set(why, "no checksum (%s)", key);
	bytes = safetensors_bytes(s, &size);
	if (strlen(digits) == DIGITS)
		at = find_digits((const char *)bytes + LENGTH_SIZE,
		    (size_t)bytes_get64(bytes), key, digits);
	if (at == NULL)
		return why_set(why, "damaged (checksum)");
	before = (size_t)((const uint8_t *)at - bytes);
	XXH3_128bits_reset(&state);
	XXH3_128bits_update(&state, bytes, before);
	XXH3_128bits_update(&state, zeros, DIGITS);
	XXH3_128bits_update(
	    &state, bytes + before + DIGITS, size - before - DIGITS);
	format_digits(sum, &state);
	if (memcmp(sum, digits, DIGITS) != 0)
		return why_set(why, "damaged (checksum)");
	return 0;
}
