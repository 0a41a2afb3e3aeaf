/*
 * Reading and writing of safetensors: every rule with its message, every cut
 * and every flipped bit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "checkpoint/safetensors.h"
#include "sys/buffer.h"
#include "sys/bytes.h"
#include "sys/file.h"
#include "sys/why.h"
#include "tap.h"

static char why[WHYSZ];

/* A file of length, header text and n zeros, in memory of just that size. */
static uint8_t *
make_file(
    uint64_t len, const void *text, size_t text_len, size_t n, size_t *size)
{
	uint8_t *p;

	*size = 8 + text_len + n;
	p = calloc(1, *size);
	bytes_put64(p, len);
	memcpy(p + 8, text, text_len);
	return p;
}

/* The reason why these bytes are refused, "" where they are not. */
static const char *
refusal(const uint8_t *bytes, size_t size)
{
	struct safetensors *s = safetensors_parse(bytes, size, why);

	if (s)
		why[0] = '\0';
	safetensors_free(s);
	return why;
}

static void
expect(const char *got, const char *want, const char *what)
{
	if (!ok(strcmp(got, want) == 0, "%s", what))
		printf("# got:  %s\n# want: %s\n", got, want);
}

/* The header text and n bytes of data lead to this reason. */
static void
expect_header(const char *text, size_t n, const char *want)
{
	size_t size;
	uint8_t *p = make_file(strlen(text), text, strlen(text), n, &size);

	expect(refusal(p, size), want, *want ? want : "accepted");
	free(p);
}

static void
expect_length(uint64_t len, const char *want)
{
	size_t size;
	uint8_t *p = make_file(len, "{}", 2, 0, &size);

	expect(refusal(p, size), want, want);
	free(p);
}

static void
test_lengths(void)
{
	uint8_t few[7] = { 2 };

	for (size_t n = 0; n < 8; n++) {
		uint8_t *p = malloc(n ? n : 1);

		memcpy(p, few, n);
		expect(refusal(p, n), "too short for a safetensors file",
		    "row 50");
		free(p);
	}
	expect_length(0, "header length 0: too short");
	expect_length(1, "header length 1: too short");
	expect_length(3, "header length 3: only 2 bytes follow");
	expect_length(8388608, "header length 8388608: only 2 bytes follow");
	expect_length(67888891, "header length 67888891 over limit 8388608");
	expect_length(
	    UINT64_C(1) << 31, "header length 2147483648 over limit 8388608");
	expect_length(UINT64_C(1) << 63,
	    "header length 9223372036854775808 over limit 8388608");
	expect_length(UINT64_MAX,
	    "header length 18446744073709551615 over limit 8388608");
	expect_length(UINT64_MAX - 7,
	    "header length 18446744073709551608 over limit 8388608");
	expect_length(2, "");
}

/* A tensor of the given fields and n bytes leads to "tensor x: reason". */
static void
expect_tensor(const char *dtype, const char *shape, const char *offsets,
    size_t n, const char *reason)
{
	char text[512], want[256] = "";

	snprintf(text, sizeof(text),
	    "{\"x\":{\"dtype\":%s,\"shape\":%s,\"data_offsets\":%s}}", dtype,
	    shape, offsets);
	if (reason)
		snprintf(want, sizeof(want), "tensor \"x\": %s", reason);
	expect_header(text, n, want);
}

static void
test_headers(void)
{
	expect_header("[]", 0, "header does not begin with {");
	expect_header("    ", 0, "header does not begin with {");
	expect_header(" \t\r\n{}", 0, "");
	expect_header("{} \t\r\n  ", 0, "");
	expect_header("{}{}", 0,
	    "header: line 1 column 3: end of file expected near '{'");
	expect_header("{\"\\u0000\":1}", 0,
	    "header: line 1 column 9: NUL byte in object key not supported "
	    "near '\"\\u0000\"'");
	expect_header("{\"\x80\":1}", 0,
	    "header: line 1 column 2: unable to decode byte 0x80 near '\"'");
	expect_header("{\"x\":1}", 0, "tensor \"x\": want an object");
	expect_header(
	    "{\"a\\u0007b\":1}", 0, "tensor \"a\\x07b\": want an object");
	expect_header("{\"x\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\""
		      ":[0,0]},\"x\":{}}",
	    0, "tensor \"x\" listed twice");
	expect_header("{\"a\\\"b\": {}, \"\\u0061\\u0022b\" : {}}", 0,
	    "tensor \"a\"b\" listed twice");
	expect_header("{\"x\":{\"dtype\":\"F32\",\"dtype\":\"F32\"}}", 0,
	    "header: line 1 column 27: duplicate object key near '\"dtype\"'");
	expect_header(
	    "{\"__metadata__\":[]}", 0, "__metadata__: want an object");
	expect_header("{\"__metadata__\":{\"a\":\"b\",\"c\":1}}", 0,
	    "__metadata__: \"c\" is not a string");
	expect_header("{\"__metadata__\":{\"a\":\"b\"}}", 0, "");
}

static void
test_tensors(void)
{
	static const char *const offsets[] = { "[8,0]", "[-4,0]", "[0,-4]",
		"[0,8.0]", "[0,1.5]", "[0,1e3]", "[0,9007199254740993]", "[0]",
		"[0,4,8]", "[\"0\",\"8\"]", "[0,true]", "{}", "8" };
	static const char *const shapes[] = { "[4294967296,4294967296]", "[-2]",
		"[9223372036854775807]", "[2.0]", "[\"2\"]", "2",
		"[1,1,1,1,1,1,1,1,2]", "[9007199254740992,2048]",
		"[9007199254740992,512]", "null" };

	expect_tensor("\"F32\"", "[2]", "[0,8]", 8, NULL);
	expect_tensor("\"F32\"", "[]", "[0,4]", 4, NULL);
	expect_tensor("\"F32\"", "[3,0]", "[0,0]", 0, NULL);
	expect_tensor("\"F4\"", "[4]", "[0,2]", 2, NULL);
	expect_tensor("\"F4\"", "[3]", "[0,2]", 2, "bad shape");
	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++)
		expect_tensor("\"F32\"", "[2]", offsets[i], 8, "bad offsets");
	for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++)
		expect_tensor("\"F32\"", shapes[i], "[0,8]", 8, "bad shape");
	expect_tensor("\"F32\"", "[3]", "[0,8]", 8,
	    "shape wants 12 bytes, offsets give 8");
	expect_tensor("\"F32\"", "[0]", "[0,8]", 8,
	    "shape wants 0 bytes, offsets give 8");
	expect_tensor("\"Z9\"", "[2]", "[0,8]", 8, "dtype \"Z9\" not known");
	expect_tensor("\"f32\"", "[2]", "[0,8]", 8, "dtype \"f32\" not known");
	expect_tensor("32", "[2]", "[0,8]", 8, "no dtype");
	expect_tensor("\"F32\"", "[2]", "[4,12]", 12, "offsets leave a hole");
	expect_header("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],"
		      "\"data_offsets\":[0,8]}}",
	    5, "3 bytes missing");
	expect_header("{\"x\":{\"dtype\":\"F32\",\"shape\":[2],"
		      "\"data_offsets\":[0,8]}}",
	    10, "2 bytes too many");
	expect_header("{}", 1, "1 bytes too many");
	expect_header("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\""
		      ":[3,7]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
		      "\"data_offsets\":[0,4]}}",
	    7, "tensor \"b\": offsets overlap");
	expect_header("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\""
		      ":[5,9]},\"a\":{\"dtype\":\"U8\",\"shape\":[4],"
		      "\"data_offsets\":[0,4]}}",
	    9, "tensor \"b\": offsets leave a hole");
	expect_header("{\"b\":{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\""
		      ":[4,8]},\"z\":{\"dtype\":\"U8\",\"shape\":[0],"
		      "\"data_offsets\":[4,4]},\"a\":{\"dtype\":\"U8\","
		      "\"shape\":[4],\"data_offsets\":[0,4]}}",
	    8, "");
}

static void
test_kinds(void)
{
#define KIND(bytes, want)                      \
	{                                      \
		bytes, sizeof(bytes) - 1, want \
	}
	static const struct {
		const char *bytes;
		size_t len;
		const char *want;
	} kinds[] = {
		KIND("version https://git-lfs.github.com/spec/v1\noid sha256:",
		    "is a Git LFS pointer, not a model"),
		KIND("GGUF\3\0\0\0\0\0\0\0", "is a GGUF model, want "
					     "safetensors"),
		KIND("\x80\2\x8a\n\x6c\xfc\x9c\x46\xf9",
		    "is a PyTorch pickle, want safetensors"),
		KIND("PK\3\4\0\0\0\0\0\0archive/data.pkl",
		    "is a PyTorch pickle, want safetensors"),
		KIND("PK\3\4\0\0\0\0\0\0mini/config.json",
		    "is a zip archive, not a model"),
		KIND("\x08\x07\x12\x07pytorch",
		    "is an ONNX model, want safetensors"),
		KIND("\xef\xbb\xbf\n <!DOCTYPE HTML><html>",
		    "is an HTML page, not a model"),
		KIND("<html><body>404", "is an HTML page, not a model"),
		KIND("<?xml version='1.0'?><Error>",
		    "is an XML page, not a model"),
		KIND("\x1f\x8b\x08\0\0\0\0\0\0", "is a gzip file, not a "
						 "model"),
		KIND("\x89HDF\r\n\x1a\n", "is an HDF5 file, want safetensors"),
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		uint8_t *p = malloc(kinds[i].len);

		memcpy(p, kinds[i].bytes, kinds[i].len);
		expect(refusal(p, kinds[i].len), kinds[i].want, kinds[i].want);
		free(p);
	}
}

static void
test_read(void)
{
	static const char text[] = "{\"x\":{\"dtype\":\"I8\",\"shape\":[4],"
				   "\"data_offsets\":[0,4]},\"y\":{\"dtype\":"
				   "\"F32\",\"shape\":[2],\"data_offsets\":"
				   "[4,12]}}";
	size_t size;
	uint8_t *p = make_file(strlen(text), text, strlen(text), 12, &size);
	struct safetensors *s = safetensors_parse(p, size, why);
	float out[4];

	ok(s && safetensors_count(s) == 2 &&
		safetensors_find(s, "y") == safetensors_at(s, 1) &&
		safetensors_find(s, "z") == NULL,
	    "tensors are found");
	safetensor_read(safetensors_find(s, "x"), out, why);
	expect(why, "tensor x: dtype I8, want F32, F16, BF16", "row 60");
	p[size - 1] = 0x7f;
	p[size - 2] = 0x80;
	ok(safetensor_read(safetensors_find(s, "y"), out, why) == -1,
	    "infinite weight");
	expect(why, "tensor y: element 1 is not finite", "row 63");
	safetensors_free(s);
	free(p);
}

/* A small file with a checksum, as head-train writes it. */
static int
write_small(const char *path)
{
	static const char *const keys[] = { "labels", "xxh3", "note" };
	static const char *const values[] = { "[\"a\\b\"]", "",
		"\"xxh3\":\"00000000000000000000000000000000\"" };
	static const float a[3] = { 1, -2.5f, 0x1p-149f }, b[4] = { 4 };
	const struct safetensor_out t[] = { { "bias", 0, 3, a },
		{ "weight", 2, 2, b } };
	struct file_out *f = file_create(path, why);

	if (f == NULL)
		return -1;
	if (safetensors_write(f, t, 2, keys, values, 3, "xxh3", why) < 0) {
		file_abandon(f);
		return -1;
	}
	return file_commit(f, why);
}

static void
test_refused_writes(void)
{
	static const char *const key = "k", *const bad = "\xff";
	static const float inf[2] = { 1, INFINITY }, zero[2] = { 0 };
	const struct safetensor_out t[] = { { "x", 1, 2, inf },
		{ "y", 1, 2, zero }, { "y", 1, 2, zero } };
	struct file_out *f = file_create("/dev/null", why);

	safetensors_write(f, t, 1, NULL, NULL, 0, NULL, why);
	expect(why, "tensor \"x\": element 1 is not finite", "inf is kept in");
	safetensors_write(f, t + 1, 2, NULL, NULL, 0, NULL, why);
	expect(why, "tensor \"y\": listed twice", "a name twice");
	safetensors_write(f, t + 1, 1, &key, &bad, 1, NULL, why);
	expect(why, "metadata k: not UTF-8", "bad metadata");
	safetensors_write(f, t + 1, 1, &key, &key, 1, "sum", why);
	expect(why, "metadata has no sum", "no place for a checksum");
	file_commit(f, why);
}

/* Parses and reads everything; true where nothing is wrong with it. */
static bool
accepts(const uint8_t *bytes, size_t size)
{
	struct safetensors *s = safetensors_parse(bytes, size, why);
	bool good = s != NULL;

	for (size_t i = 0; s && i < safetensors_count(s); i++) {
		const struct safetensor *t = safetensors_at(s, i);
		float *out = malloc(t->count * sizeof(*out) + 1);

		if (safetensor_read(t, out, why) < 0)
			good = false;
		free(out);
	}
	if (s && safetensors_verify(s, "xxh3", why) < 0)
		good = false;
	safetensors_free(s);
	return good;
}

static void
test_damage(const uint8_t *bytes, size_t size)
{
	uint8_t *p;
	size_t unnoticed = 0;

	for (size_t n = 0; n < size; n++) {
		p = malloc(n ? n : 1);
		memcpy(p, bytes, n);
		unnoticed += accepts(p, n);
		free(p);
	}
	ok(unnoticed == 0, "cut at each of %zu bytes", size);
	p = malloc(size);
	memcpy(p, bytes, size);
	for (size_t bit = 0; bit < 8 * size; bit++) {
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
		unnoticed += accepts(p, size);
		p[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	ok(unnoticed == 0, "each of %zu bits flipped", 8 * size);
	ok(accepts(p, size), "and flipped back");
	free(p);
}

static void
test_write(void)
{
	char dir[] = "/tmp/safetensors.XXXXXX", path[64];
	struct safetensors *s = NULL;
	const uint8_t *bytes;
	float out[4];
	size_t size;

	if (mkdtemp(dir) == NULL)
		return;
	snprintf(path, sizeof(path), "%s/small", dir);
	ok(write_small(path) == 0 && (s = safetensors_open(path, why)),
	    "written and opened");
	bytes = safetensors_bytes(s, &size);
	ok(bytes_get64(bytes) % 8 == 0, "the data is aligned");
	ok(safetensors_verify(s, "xxh3", why) == 0, "the checksum is right");
	expect(safetensors_meta(s, "labels"), "[\"a\\b\"]", "metadata");
	expect(safetensors_meta(s, "note"),
	    "\"xxh3\":\"00000000000000000000000000000000\"", "no checksum");
	ok(safetensor_read(safetensors_at(s, 0), out, why) == 0 &&
		out[1] == -2.5f && out[2] == 0x1p-149f &&
		safetensors_at(s, 0)->rank == 1,
	    "a vector comes back");
	ok(safetensors_find(s, "weight")->rank == 2, "a matrix comes back");
	safetensors_verify(s, "other", why);
	expect(why, "no checksum (other)", "no such checksum");
	test_damage(bytes, size);
	safetensors_free(s);
	unlink(path);
	rmdir(dir);
}

int
main(int argc, char *argv[])
{
	if (argc == 3 && strcmp(argv[1], "write") == 0)
		return write_small(argv[2]) < 0;
	test_lengths();
	test_headers();
	test_tensors();
	test_kinds();
	test_read();
	test_refused_writes();
	test_write();
	return done_testing();
}
