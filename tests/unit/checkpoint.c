/*
 * Models in Hugging Face's layout: config.json and shards, every rule with
 * its message; the same values from every form of file.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/safetensors.h"
#include "sys/file.h"
#include "sys/why.h"
#include "tap.h"

static char why[WHYSZ], dir[] = "/tmp/checkpoint.XXXXXX";

/* The weights of the tests' model, of 2 channels and 3 positions. */
static const float wte[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
static const float wpe[6] = { -1, -2, -3, -4, -5, -6 };
static const float bias[2] = { 0.5f, 0.25f };

static const char good[] =
    "\"model_type\":\"gpt2\",\"n_layer\":1,\"n_head\":1,\"n_embd\":2,"
    "\"n_positions\":3,\"vocab_size\":4,\"layer_norm_epsilon\":1e-5";

static char *
in_dir(const char *name)
{
	static char path[512];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void
put(const char *name, const void *text, size_t len)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, text, len) != (ssize_t)len)
		perror(name);
	close(fd);
}

static void
put_text(const char *name, const char *text)
{
	put(name, text, strlen(text));
}

static void
put_tensors(const char *name, const struct safetensor_out *t, size_t n)
{
	struct file_out *f = file_create(in_dir(name), why);

	if (safetensors_write(f, t, n, NULL, NULL, 0, NULL, why) < 0)
		puts(why);
	file_commit(f, why);
}

static void
drop(const char *name)
{
	unlink(in_dir(name));
}

static void
expect(const char *want)
{
	if (!ok(strcmp(why, want) == 0, "%s", *want ? want : "accepted"))
		printf("# got:  %s\n", why);
}

static void
expect_open(const char *want)
{
	struct checkpoint *c = checkpoint_open(dir, why);

	if (c)
		why[0] = '\0';
	checkpoint_free(c);
	expect(want);
}

/* config.json is the good one with key set to value; NULL: without key. */
static void
expect_config(const char *key, const char *value, const char *want)
{
	struct checkpoint_config c;
	char text[1024], wanted[64];
	const char *at, *end;
	char message[WHYSZ] = "";

	snprintf(wanted, sizeof(wanted), "\"%s\":", key);
	at = strstr(good, wanted);
	end = at ? at + strcspn(at, ",") : good;
	at = at ? at : good;
	snprintf(text, sizeof(text), "{%.*s%s%s%s%s}", (int)(at - good), good,
	    value ? wanted : "\"unused\":0", value ? value : "",
	    *end && *end != ',' ? "," : "", end);
	put_text("config.json", text);
	if (checkpoint_config_read(&c, dir, why) == 0)
		why[0] = '\0';
	if (*want)
		snprintf(message, sizeof(message), "config.json: %s", want);
	expect(message);
}

static void
test_sizes(void)
{
	static const char *const bad[] = { NULL, "-1", "0", "1000000000", "1e9",
		"12.5", "1.0", "true", "\"12\"", "null", "[1]" };
	static const struct {
		const char *key, *most;
	} keys[] = { { "n_layer", "1000" }, { "n_head", "65536" },
		{ "n_embd", "65536" }, { "n_positions", "1048576" },
		{ "vocab_size", "16777216" } };
	char want[128];

	for (size_t k = 0; k < 5; k++) {
		snprintf(want, sizeof(want), "%s: want whole number 1..%s",
		    keys[k].key, keys[k].most);
		for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			expect_config(keys[k].key, bad[i], want);
	}
	expect_config("n_layer", "1000", "");
	expect_config("n_layer", "1001", "n_layer: want whole number 1..1000");
	expect_config("n_layer", "99999999999999999999",
	    "line 1 column 51: too big integer near '99999999999999999999'");
	expect_config("n_head", "3", "n_embd 2 is no multiple of n_head 3");
}

static void
test_switches(void)
{
	static const char epsilon[] =
	    "layer_norm_epsilon: want number over 0, at most 1";

	expect_config("layer_norm_epsilon", NULL, epsilon);
	expect_config("layer_norm_epsilon", "0", epsilon);
	expect_config("layer_norm_epsilon", "-1e-5", epsilon);
	expect_config("layer_norm_epsilon", "2", epsilon);
	expect_config("layer_norm_epsilon", "1e-200", epsilon);
	expect_config("layer_norm_epsilon", "\"1e-5\"", epsilon);
	expect_config("layer_norm_epsilon", "1", "");
	expect_config("model_type", "\"gpt_neo\"",
	    "model_type \"gpt_neo\", want \"gpt2\"");
	expect_config("model_type", NULL, "model_type: want \"gpt2\"");
	expect_config("model_type", "2", "model_type: want \"gpt2\"");
	expect_config("activation_function", "\"gelu_new\"", "");
	expect_config("activation_function", "\"relu\"",
	    "activation_function \"relu\", want \"gelu_new\"");
	expect_config("n_inner", "null", "");
	expect_config("n_inner", "8", "");
	expect_config("n_inner", "7", "n_inner 7, want null or 8");
	expect_config("n_inner", "8.0", "n_inner: want null or 8");
	expect_config("scale_attn_weights", "true", "");
	expect_config("scale_attn_weights", "false",
	    "scale_attn_weights is false, want true");
	expect_config(
	    "scale_attn_weights", "1", "scale_attn_weights: want true");
	expect_config("scale_attn_by_inverse_layer_idx", "false", "");
	expect_config("scale_attn_by_inverse_layer_idx", "true",
	    "scale_attn_by_inverse_layer_idx is true, want false");
	expect_config("add_cross_attention", "true",
	    "add_cross_attention is true, want false");
	expect_config("n_ctx", "17", "");
}

static void
test_config_files(void)
{
	static char large[1048577];

	memset(large, ' ', sizeof(large));
	put("config.json", large, sizeof(large));
	expect_open("config.json: larger than 1048576 bytes");
	put("config.json", large, sizeof(large) - 1);
	expect_open("config.json: line 1 column 1048576: '[' or '{' expected "
		    "near end of file");
	put_text("config.json", "");
	expect_open("config.json: line 1 column 0: '[' or '{' expected near "
		    "end of file");
	memset(large, '[', sizeof(large));
	put("config.json", large, sizeof(large) - 1);
	expect_open("config.json: line 1 column 2049: maximum parsing depth "
		    "reached near '['");
	put_text("config.json", "[]");
	expect_open("config.json: want a JSON object");
	put_text("config.json", "{\"n_layer\":1,\n\"n_layer\":2}");
	expect_open("config.json: line 2 column 9: duplicate object key near "
		    "'\"n_layer\"'");
	put_text("config.json", "{} x");
	expect_open("config.json: line 1 column 4: end of file expected near "
		    "'x'");
	put_text("config.json", "version https://git-lfs.github.com/spec/v1\n");
	expect_open("config.json: is a Git LFS pointer, not a model");
	drop("config.json");
	expect_open("config.json: No such file or directory");
	mkdir(in_dir("config.json"), 0777);
	expect_open("config.json: Is a directory");
	rmdir(in_dir("config.json"));
	mkfifo(in_dir("config.json"), 0666);
	expect_open("config.json: not a regular file");
	drop("config.json");
	expect_config("n_ctx", "3", "");
}

static void
expect_read(const struct checkpoint *c, const char *name, size_t rows,
    size_t cols, const char *want)
{
	float out[8];

	if (checkpoint_read(c, name, rows, cols, out, why) == 0)
		why[0] = '\0';
	expect(want);
}

static void
test_single(void)
{
	static const struct safetensor_out t[] = { { "wte.weight", 4, 2, wte },
		{ "transformer.wpe.weight", 3, 2, wpe },
		{ "h.0.ln_1.bias", 0, 2, bias },
		{ "h.0.attn.bias", 1, 2, bias },
		{ "lm_head.weight", 4, 2, wte } };
	static const char lfs[] = "version https://git-lfs.github.com/spec/v1";
	struct checkpoint *c;
	float out[8] = { 0 };

	expect_open("no model.safetensors");
	put_text("pytorch_model.bin", "\x80\2x");
	expect_open("no model.safetensors; pytorch_model.bin is a PyTorch "
		    "pickle, want safetensors");
	put_text("a\n.safetensors", "{}");
	expect_open("no model.safetensors; there is a\\x0a.safetensors");
	drop("a\n.safetensors");
	put_text("model.safetensors", lfs);
	expect_open("model.safetensors: is a Git LFS pointer, not a model");
	put_tensors("model.safetensors", t, 5);
	expect_open("");
	if ((c = checkpoint_open(dir, why)) == NULL)
		return;
	ok(checkpoint_config(c)->n_positions == 3 &&
		checkpoint_config(c)->epsilon == 1e-5f,
	    "config.json is read");
	ok(checkpoint_read(c, "wpe.weight", 3, 2, out, why) == 0 &&
		memcmp(out, wpe, sizeof(wpe)) == 0,
	    "the prefix is found");
	expect_read(c, "h.0.ln_1.bias", 1, 2, "");
	expect_read(c, "h.0.attn.bias", 1, 2, "");
	expect_read(c, "h.3.ln_1.weight", 1, 2,
	    "model.safetensors: tensor h.3.ln_1.weight: missing");
	expect_read(c, "wte.weight", 2, 4,
	    "model.safetensors: tensor wte.weight: shape [4, 2], want [2, 4]");
	expect_read(c, "wte.weight", 4, 3,
	    "model.safetensors: tensor wte.weight: shape [4, 2], want [4, 3]");
	expect_read(c, "h.0.ln_1.bias", 1, 3,
	    "model.safetensors: tensor h.0.ln_1.bias: shape [2], want [3]");
	checkpoint_free(c);
	put_tensors("model.safetensors", t + 1, 4);
	expect_config("n_positions", "4", "");
	expect_open("config.json: n_positions 4, but wpe.weight has 3 rows");
	put_tensors("model.safetensors", t, 1);
	expect_config("vocab_size", "5", "");
	expect_open("config.json: vocab_size 5, but wte.weight has 4 rows");
	expect_config("n_ctx", "3", "");
	drop("pytorch_model.bin");
	drop("model.safetensors");
}

/* The index of the two shards, with a map and a total. */
static void
put_index(const char *map, const char *total)
{
	char text[1024];

	snprintf(text, sizeof(text),
	    "{\"metadata\":{\"total_size\":%s},\"weight_map\":{%s}}", total,
	    map);
	put_text("model.safetensors.index.json", text);
}

static void
test_shards(void)
{
	static const struct safetensor_out t[] = { { "wte.weight", 4, 2, wte },
		{ "wpe.weight", 3, 2, wpe },
		{ "transformer.h.0.ln_1.bias", 0, 2, bias } };
	static const char map[] =
	    "\"wte.weight\":\"a.safetensors\",\"wpe.weight\":\"b.safetensors\","
	    "\"transformer.h.0.ln_1.bias\":\"b.safetensors\"";
	struct checkpoint *c;
	float out[8] = { 0 };

	put_tensors("a.safetensors", t, 1);
	put_tensors("b.safetensors", t + 1, 2);
	put_index(map, "64");
	expect_open("");
	put_index(map, "64.0");
	expect_open("");
	if ((c = checkpoint_open(dir, why))) {
		ok(checkpoint_read(c, "wpe.weight", 3, 2, out, why) == 0 &&
			memcmp(out, wpe, sizeof(wpe)) == 0 &&
			checkpoint_read(c, "h.0.ln_1.bias", 1, 2, out, why) ==
			    0 &&
			out[1] == 0.25f,
		    "tensors of both shards");
		expect_read(c, "ln_f.bias", 1, 2,
		    "model.safetensors.index.json: tensor ln_f.bias: missing");
		expect_read(c, "wpe.weight", 2, 2,
		    "b.safetensors: tensor wpe.weight: shape [3, 2], want "
		    "[2, 2]");
		checkpoint_free(c);
	}
#define INDEX "model.safetensors.index.json: "
	put_index(map, "65");
	expect_open(INDEX "total_size 65, the tensors have 64 bytes");
	put_index(map, "\"64\"");
	expect_open(INDEX "total_size: want whole number");
	put_text("model.safetensors.index.json", "{\"weight_map\":[]}");
	expect_open(INDEX "weight_map: want an object");
	put_index("\"wte.weight\":\"../a.safetensors\"", "32");
	expect_open(INDEX "tensor \"wte.weight\": bad file name");
	put_index("\"wte.weight\":\"x/../a.safetensors\"", "32");
	expect_open(INDEX "tensor \"wte.weight\": bad file name");
	put_index("\"wte.weight\":7", "32");
	expect_open(INDEX "tensor \"wte.weight\": bad file name");
	put_index(
	    "\"wte.weight\":\"a.safetensors\",\"x\":\"c.safetensors\"", "32");
	expect_open(INDEX "c.safetensors: No such file or directory");
	put_index(
	    "\"wte.weight\":\"a.safetensors\",\"x\":\"a.safetensors\"", "32");
	expect_open(INDEX "tensor \"x\": not in a.safetensors");
	put_index("\"wte.weight\":\"b.safetensors\",\"wpe.weight\":"
		  "\"a.safetensors\"",
	    "56");
	expect_open(INDEX "tensor \"wpe.weight\": in b.safetensors, the index "
			  "says a.safetensors");
	put_index("\"wpe.weight\":\"b.safetensors\"", "24");
	expect_open(INDEX "tensor \"transformer.h.0.ln_1.bias\": in "
			  "b.safetensors, not in the index");
	put_tensors("a.safetensors", t, 2);
	put_index(map, "64");
	expect_open(INDEX "tensor \"wpe.weight\": in a.safetensors and in "
			  "b.safetensors");
	put_text("a.safetensors", "GGUF");
	expect_open(INDEX "a.safetensors: is a GGUF model, want safetensors");
	drop("a.safetensors");
	drop("b.safetensors");
	drop("model.safetensors.index.json");
}

/* For tests/checkpoint.t: a tensor's values as they lie in memory. */
static int
print_tensor(char *argv[])
{
	const size_t rows = (size_t)atoi(argv[2]), cols = (size_t)atoi(argv[3]);
	struct checkpoint *c = checkpoint_open(argv[0], why);
	float *out = malloc(rows * cols * sizeof(*out));
	int rc = 1;

	if (c && checkpoint_read(c, argv[1], rows, cols, out, why) == 0)
		rc = fwrite(out, sizeof(*out), rows * cols, stdout) !=
		     rows * cols;
	else
		fprintf(stderr, "%s\n", why);
	free(out);
	checkpoint_free(c);
	return rc;
}

int
main(int argc, char *argv[])
{
	if (argc == 6 && strcmp(argv[1], "read") == 0)
		return print_tensor(argv + 2);
	if (mkdtemp(dir) == NULL)
		return 1;
	test_sizes();
	test_switches();
	test_config_files();
	test_single();
	test_shards();
	drop("config.json");
	ok(rmdir(dir) == 0, "nothing is left");
	return done_testing();
}
