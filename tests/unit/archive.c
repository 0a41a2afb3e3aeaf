/*
 * Models in archives: the same files from tar and zip, compressed or not;
 * every bad archive with its message; every cut and every flipped bit.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/folder.h"
#include "checkpoint/unpack.h"
#include "sys/buffer.h"
#include "sys/map.h"
#include "sys/why.h"
#include "tap.h"

static char why[WHYSZ], dir[] = "/tmp/archive.XXXXXX";

static const char config[] =
    "{\"model_type\":\"gpt2\",\"n_layer\":1,\"n_head\":1,\"n_embd\":2,"
    "\"n_positions\":3,\"vocab_size\":4,\"layer_norm_epsilon\":1e-5}";

/* Adds a member to a tar: POSIX 1003.1, "ustar Interchange Format". */
static void
add_as(struct buffer *tar, const char *name, char type, const void *data,
    size_t len, size_t stated)
{
	char head[512] = { 0 };
	unsigned sum = 0;
	static const char zeros[512];

	snprintf(head, 100, "%s", name);
	memcpy(head + 100, "0000644\0000000000\0000000000", 24);
	snprintf(head + 124, 24, "%011zo", stated);
	memcpy(head + 136, "00000000000", 12);
	memset(head + 148, ' ', 8);
	head[156] = type;
	if (type == '1' || type == '2')
		strcpy(head + 157, "/etc/passwd");
	memcpy(head + 257, "ustar\00000", 8);
	for (size_t i = 0; i < 512; i++)
		sum += (unsigned char)head[i];
	snprintf(head + 148, 8, "%06o", sum);
	buffer_append(tar, head, 512, why);
	buffer_append(tar, data, len, why);
	buffer_append(tar, zeros, (512 - len % 512) % 512, why);
}

static void
add(struct buffer *tar, const char *name, const void *data, size_t len)
{
	add_as(tar, name, '0', data, len, len);
}

static void
add_text(struct buffer *tar, const char *name, const char *text)
{
	add(tar, name, text, strlen(text));
}

static void
end(struct buffer *tar)
{
	static const char zeros[1024];

	buffer_append(tar, zeros, sizeof(zeros), why);
}

static const char *
in_dir(const char *name)
{
	static char path[2][64];
	static int which;

	which = !which;
	snprintf(path[which], sizeof(path[which]), "%s/%s", dir, name);
	return path[which];
}

static void
put(const char *name, const void *data, size_t len)
{
	int fd = open(in_dir(name), O_WRONLY | O_CREAT | O_TRUNC, 0666);

	if (fd < 0 || write(fd, data, len) != (ssize_t)len)
		perror(name);
	close(fd);
}

static void
expect(const char *want)
{
	if (!ok(strcmp(why, want) == 0, "%s", *want ? want : "accepted"))
		printf("# got:  %s\n", why);
}

/* The configuration in the archive of that name, or why not. */
static void
expect_file(const char *name, const char *want)
{
	struct checkpoint_config c = { 0 };

	if (checkpoint_config_read(&c, in_dir(name), why) == 0)
		strcpy(why, c.n_embd == 2 ? "" : "wrong");
	expect(want);
}

/* The same for the tar, which is then emptied. */
static void
expect_tar(struct buffer *tar, const char *want)
{
	put("t.tar", tar->data, tar->len);
	tar->len = 0;
	expect_file("t.tar", want);
}

static void
test_members(void)
{
	struct buffer t = { 0 };
	static const char *const places[] = { "config.json", "./config.json",
		"mini/config.json", "./a/b/mini/config.json" };

	for (size_t i = 0; i < 4; i++) {
		add_text(&t, "other", "x");
		add_text(&t, places[i], config);
		add_text(&t, "last", "x");
		end(&t);
		expect_tar(&t, "");
	}
	add_text(&t, "gpt2/onnx/config.json", "{}");
	add_text(&t, "gpt2/config.json", config);
	end(&t);
	expect_tar(&t, "");
	add_text(&t, "a/config.json", config);
	add_text(&t, "b/config.json", config);
	end(&t);
	expect_tar(&t, "config.json is in the archive twice");
	add_text(&t, "config.json", config);
	add_text(&t, "./config.json", config);
	end(&t);
	expect_tar(&t, "config.json is in the archive twice");
	add_text(&t, "vocab.json", "{}");
	end(&t);
	expect_tar(&t, "no config.json in archive");
	end(&t);
	expect_tar(&t, "no config.json in archive");
	add_text(&t, "../config.json", config);
	add_text(&t, "/config.json", config);
	add_text(&t, "a/../config.json", config);
	end(&t);
	expect_tar(&t, "no config.json in archive");
	add_as(&t, "config.json", '2', "", 0, 0);
	end(&t);
	expect_tar(&t, "config.json is a link, not a file");
	add_as(&t, "config.json", '1', "", 0, 0);
	end(&t);
	expect_tar(&t, "config.json is a link, not a file");
	add_as(&t, "config.json", '3', "", 0, 0);
	end(&t);
	expect_tar(&t, "config.json is a device, not a file");
	add_as(&t, "config.json", '6', "", 0, 0);
	end(&t);
	expect_tar(&t, "config.json is a FIFO, not a file");
	add_as(&t, "config.json", '5', "", 0, 0);
	end(&t);
	expect_tar(&t, "config.json is a directory, not a file");
	add_as(&t, "a\nb.safetensors", '2', "", 0, 0);
	end(&t);
	expect_tar(&t, "a\\x0ab.safetensors is a link, not a file");
	free(t.data);
}

static void
test_sizes(void)
{
	struct buffer t = { 0 };
	char *large = calloc(1, 8388609);

	memset(large, ' ', 8388609);
	add(&t, "config.json", large, 8388609);
	end(&t);
	expect_tar(&t, "config.json larger than 8388608 bytes");
	memcpy(large, config, strlen(config));
	add(&t, "config.json", large, 1048576);
	end(&t);
	expect_tar(&t, "");
	add_as(&t, "config.json", '0', "", 0, (size_t)7 << 30);
	end(&t);
	expect_tar(&t, "archive ends early");
	add_as(&t, "other", '0', "", 0, (size_t)7 << 30);
	end(&t);
	expect_tar(&t, "archive ends early");
	for (int i = 0; i < 10000; i++)
		add_text(&t, "x", "");
	add_text(&t, "config.json", config);
	end(&t);
	expect_tar(&t, "more than 10000 entries");
	for (int i = 0; i < 9; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%d/config.json", i);
		add(&t, name, large, 8388608);
	}
	end(&t);
	expect_tar(&t, "more than 67108864 bytes of JSON");
	free(large);
	free(t.data);
}

static void
test_others(void)
{
	static const char lfs[] = "version https://git-lfs.github.com/spec/v1";

	put("t.tar", "", 0);
	expect_file("t.tar", "not a tar or zip archive");
	put("t.tar", "hello", 5);
	expect_file("t.tar", "not a tar or zip archive");
	put("t.tar", lfs, strlen(lfs));
	expect_file("t.tar", "is a Git LFS pointer, not a model");
	put("t.tar", "GGUF", 4);
	expect_file("t.tar", "is a GGUF model, want safetensors");
	put("t.tar", "PK\3\4", 4);
	expect_file("t.tar", "not a tar or zip archive");
	put("t.tar", "\x1f\x8b", 2);
	expect_file("t.tar", "archive ends early");
	put("t.tar", "070707000000000000000000000000000000", 36);
	expect_file("t.tar", "not a tar or zip archive");
	put("t.tar", "7z\xbc\xaf\x27\x1c\0\4", 8);
	expect_file("t.tar", "not a tar or zip archive");
	unlink(in_dir("t.tar"));
	mkfifo(in_dir("t.tar"), 0666);
	expect_file("absent", "No such file or directory");
	unlink(in_dir("t.tar"));
}

/* A shell command within the directory; true where it succeeds. */
static bool
run(const char *command)
{
	char line[512];

	snprintf(line, sizeof(line), "cd %s && { %s; } >/dev/null 2>&1", dir,
	    command);
	return system(line) == 0;
}

/*
 * Every cut is noticed. Every flipped bit is noticed or changes nothing
 * where the format has a checksum; nowhere is it more than noticed.
 */
static void
test_damage(const char *name, bool sums)
{
	struct unpacked *u;
	size_t cut = 0, flipped = 0;
	struct map m;
	uint8_t *p;

	if (map_open(&m, in_dir(name), why) < 0)
		return;
	for (size_t n = 0; n < m.size; n++) {
		p = malloc(n ? n : 1);
		memcpy(p, m.data, n);
		u = unpack_model(p, n, true, why);
		cut += u != NULL;
		unpack_free(u);
		free(p);
	}
	ok(cut == 0, "%s: cut at each of %zu bytes", name, m.size);
	p = malloc(m.size);
	memcpy(p, m.data, m.size);
	for (size_t i = 0; i < 8 * m.size; i++) {
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		u = unpack_model(p, m.size, true, why);
		if (u && (strcmp(u->base, "config.json") != 0 ||
			     u->bytes.len != strlen(config) ||
			     memcmp(u->bytes.data, config, strlen(config))))
			flipped++;
		unpack_free(u);
		p[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	ok(!sums || flipped == 0, "%s: each bit flipped", name);
	free(p);
	map_close(&m);
}

static void
test_packing(const char *tool, const char *name)
{
	char command[128];

	snprintf(command, sizeof(command), "%s < t.tar > %s", tool, name);
	if (run(command)) {
		expect_file(name, "");
		test_damage(name, true);
	} else {
		ok(1, "%s # SKIP no %s", name, tool);
	}
	unlink(in_dir(name));
}

static void
test_gzip(void)
{
	if (!run("gzip < t.tar > t.gz"))
		return;
	run("cp t.gz u.gz && printf xx >> u.gz");
	expect_file("u.gz", "gzip data damaged");
	run("head -c -8 t.gz > u.gz && printf 12345678 >> u.gz");
	expect_file("u.gz", "gzip checksum wrong");
	run("head -c 700 t.tar | gzip > u.gz; tail -c +701 t.tar | gzip >> "
	    "u.gz");
	expect_file("u.gz", "");
	run("echo hello | gzip > u.gz");
	expect_file("u.gz", "not a tar or zip archive");
	run("gzip < t.gz > u.gz");
	expect_file("u.gz", "not a tar or zip archive");
	run("rm t.gz u.gz");
}

static void
test_zip(void)
{
	put("config.json", config, strlen(config));
	if (!run("zip t.zip config.json && zip -P x e.zip config.json")) {
		ok(1, "zip # SKIP no zip");
	} else {
		expect_file("t.zip", "");
		test_damage("t.zip", true);
		expect_file("e.zip", "config.json is encrypted");
	}
	run("rm -f t.zip e.zip config.json");
}

int
main(void)
{
	struct buffer t = { 0 };

	if (mkdtemp(dir) == NULL)
		return 1;
	test_members();
	test_sizes();
	test_others();
	add_text(&t, "config.json", config);
	end(&t);
	put("t.tar", t.data, t.len);
	free(t.data);
	test_damage("t.tar", false);
	test_packing("gzip", "t.tar.gz");
	test_packing("xz", "t.tar.xz");
	test_packing("zstd", "t.tar.zst");
	test_gzip();
	test_zip();
	unlink(in_dir("t.tar"));
	ok(rmdir(dir) == 0, "nothing is left");
	return done_testing();
}
