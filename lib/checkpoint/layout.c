/*
 * One line of a safetensors header; see layout.h. What the file says twice is
 * compared: shape and type against offsets, offsets against the file's size.
 */
#include "checkpoint/layout.h"

#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/why.h"

/* The largest whole number that every JSON reader keeps exact. */
static const json_int_t largest = (json_int_t)1 << 53;

/* All types of safetensors 0.7; those that are not converted have a size too,
 * so that no rule is skipped for them. */
static const struct {
	const char *name;
	size_t bits;
	enum safetensors_dtype dtype;
} dtypes[] = {
	{ "F32", 32, TENSOR_F32 },
	{ "F64", 64, TENSOR_F64 },
	{ "F16", 16, TENSOR_F16 },
	{ "BF16", 16, TENSOR_BF16 },
	{ "BOOL", 8, TENSOR_OTHER },
	{ "U8", 8, TENSOR_OTHER },
	{ "I8", 8, TENSOR_OTHER },
	{ "U16", 16, TENSOR_OTHER },
	{ "I16", 16, TENSOR_OTHER },
	{ "U32", 32, TENSOR_OTHER },
	{ "I32", 32, TENSOR_OTHER },
	{ "U64", 64, TENSOR_OTHER },
	{ "I64", 64, TENSOR_OTHER },
	{ "C64", 64, TENSOR_OTHER },
	{ "F8_E5M2", 8, TENSOR_OTHER },
	{ "F8_E4M3", 8, TENSOR_OTHER },
	{ "F8_E8M0", 8, TENSOR_OTHER },
	{ "F8_E4M3FNUZ", 8, TENSOR_OTHER },
	{ "F8_E5M2FNUZ", 8, TENSOR_OTHER },
	{ "F6_E2M3", 6, TENSOR_OTHER },
	{ "F6_E3M2", 6, TENSOR_OTHER },
	{ "F4", 4, TENSOR_OTHER },
};

int
layout_fault(char *why, const char *name, const char *what)
{
	char shown[256];

	why_escape(shown, sizeof(shown), name, strlen(name));
	return why_set(why, "tensor \"%s\": %s", shown, what);
}

/* A whole number of 0..2^53. */
static bool
read_number(const json_t *value, size_t *out)
{
	json_int_t n = json_integer_value(value);

	if (!json_is_integer(value) || n < 0 || n > largest)
		return false;
	*out = (size_t)n;
	return true;
}

static int
read_dtype(struct layout *l, const json_t *value, size_t *bits, char *why)
{
	const char *name = json_string_value(value);
	char shown[64], text[128];

	if (name == NULL)
		return layout_fault(why, l->tensor.name, "no dtype");
	for (size_t i = 0; i < sizeof(dtypes) / sizeof(dtypes[0]); i++) {
		if (strcmp(name, dtypes[i].name) != 0)
			continue;
		l->tensor.dtype = dtypes[i].dtype;
		l->tensor.dtype_name = dtypes[i].name;
		*bits = dtypes[i].bits;
		return 0;
	}
	why_escape(shown, sizeof(shown), name, strlen(name));
	snprintf(text, sizeof(text), "dtype \"%s\" not known", shown);
	return layout_fault(why, l->tensor.name, text);
}

static bool
read_shape(struct layout *l, const json_t *value)
{
	size_t rank = json_array_size(value);

	if (!json_is_array(value) || rank > RANK_MAX)
		return false;
	l->tensor.rank = rank;
	l->tensor.shape = l->dims;
	l->tensor.count = 1;
	for (size_t i = 0; i < rank; i++) {
		if (!read_number(json_array_get(value, i), &l->dims[i]) ||
		    !num_mul(l->tensor.count, l->dims[i], &l->tensor.count))
			return false;
	}
	return true;
}

static bool
read_offsets(struct layout *l, const json_t *value)
{
	return json_is_array(value) && json_array_size(value) == 2 &&
	       read_number(json_array_get(value, 0), &l->begin) &&
	       read_number(json_array_get(value, 1), &l->end) &&
	       l->begin <= l->end;
}

int
layout_read(struct layout *l, const char *name, const json_t *value, char *why)
{
	size_t bits = 0;
	char text[128];

	memset(l, 0, sizeof(*l));
	l->tensor.name = name;
	if (!json_is_object(value))
		return layout_fault(why, name, "want an object");
	if (read_dtype(l, json_object_get(value, "dtype"), &bits, why) < 0)
		return -1;
	if (!read_shape(l, json_object_get(value, "shape")) ||
	    !num_mul(l->tensor.count, bits, &bits) || bits % 8 != 0)
		return layout_fault(why, name, "bad shape");
	if (!read_offsets(l, json_object_get(value, "data_offsets")))
		return layout_fault(why, name, "bad offsets");
	l->tensor.size = l->end - l->begin;
	if (l->tensor.size == bits / 8)
		return 0;
	snprintf(text, sizeof(text), "shape wants %zu bytes, offsets give %zu",
	    bits / 8, l->tensor.size);
	return layout_fault(why, name, text);
}

/* By beginning; tensors without values come before the one they touch. */
static int
compare_places(const void *a, const void *b)
{
	const struct layout *x = a, *y = b;

	if (x->begin != y->begin)
		return x->begin < y->begin ? -1 : 1;
	return (x->end > y->end) - (x->end < y->end);
}

int
layout_sort(struct layout *l, size_t n, size_t size, char *why)
{
	size_t at = 0;

	if (n > 1)
		qsort(l, n, sizeof(*l), compare_places);
	for (size_t i = 0; i < n; i++) {
		l[i].tensor.shape = l[i].dims;
		if (l[i].begin < at)
			return layout_fault(
			    why, l[i].tensor.name, "offsets overlap");
		if (l[i].begin > at)
			return layout_fault(
			    why, l[i].tensor.name, "offsets leave a hole");
		at = l[i].end;
	}
	if (at > size)
		return why_set(why, "%zu bytes missing", at - size);
	if (at < size)
		return why_set(why, "%zu bytes too many", size - at);
	return 0;
}
