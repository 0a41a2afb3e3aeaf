/*
 * What comes in the place of a model: downloads that brought a page or a
 * pointer, and models of other programs; see kind.h.
 */
#include "checkpoint/kind.h"

#include <string.h>
#include <strings.h>

#include "sys/num.h"

struct kind {
	size_t at; /* where the bytes stand */
	const char *bytes;
	size_t len;
	const char *what;
};

#define BYTES(s) s, sizeof(s) - 1

static const struct kind kinds[] = {
	{ 0, BYTES("version https://git-lfs"),
	    "a Git LFS pointer, not a model" },
	{ 0, BYTES("GGUF"), "a GGUF model, want safetensors" },
	{ 0, BYTES("\x89HDF\r\n\x1a\n"), "an HDF5 file, want safetensors" },
	{ 0, BYTES("\x1f\x8b"), "a gzip file, not a model" },
	{ 0, BYTES("\x28\xb5\x2f\xfd"), "a zstd file, not a model" },
	{ 0, BYTES("\xfd\x37zXZ"), "an xz file, not a model" },
	{ 0, BYTES("BZh"), "a bzip2 file, not a model" },
	{ 257, BYTES("ustar"), "a tar archive, not a model" },
};

/* A page, maybe after a byte order mark and blank lines. */
static const char *
describe_markup(const uint8_t *p, size_t size)
{
	static const char *const start[] = { "<!doctype html", "<html", "<head",
		"<?xml" };
	size_t i = 0;

	if (size >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		i = 3;
	while (i < size && memchr(" \t\r\n", p[i], 4))
		i++;
	for (size_t k = 0; k < sizeof(start) / sizeof(start[0]); k++) {
		const size_t len = strlen(start[k]);

		if (size - i >= len &&
		    strncasecmp((const char *)p + i, start[k], len) == 0)
			return k < 3 ? "an HTML page, not a model"
				     : "an XML page, not a model";
	}
	return NULL;
}

/* PyTorch's files are pickles: bare ones, or in a zip archive. */
static const char *
describe_pickle(const uint8_t *p, size_t size)
{
	if (size >= 2 && p[0] == 0x80 && p[1] >= 2 && p[1] <= 5)
		return "a PyTorch pickle, want safetensors";
	if (size < 4 || memcmp(p, "PK\3\4", 4) != 0)
		return NULL;
	if (memmem(p, num_min(size, 4096), "data.pkl", 8))
		return "a PyTorch pickle, want safetensors";
	return "a zip archive, not a model";
}

/* A protocol buffer: field 1, the version, then field 2 (producer) or 7. */
static const char *
describe_onnx(const uint8_t *p, size_t size)
{
	if (size >= 3 && p[0] == 0x08 && p[1] >= 1 && p[1] < 0x20 &&
	    (p[2] == 0x12 || p[2] == 0x3a))
		return "an ONNX model, want safetensors";
	return NULL;
}

const char *
kind_describe(const uint8_t *p, size_t size)
{
	const char *what;

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct kind *k = &kinds[i];

		if (size >= k->at + k->len &&
		    memcmp(p + k->at, k->bytes, k->len) == 0)
			return k->what;
	}
	if ((what = describe_pickle(p, size)) ||
	    (what = describe_onnx(p, size)))
		return what;
	return describe_markup(p, size);
}
