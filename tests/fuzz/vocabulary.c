/*
 * Vocabularies: vocab.json, a NUL, merges.txt, or where there is no NUL
 * tokenizer.json. One that is accepted encodes all bytes and decodes them.
 */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpe/bpe.h"
#include "fuzz.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/why.h"

static void
write_file(const char *name, const uint8_t *data, size_t size)
{
	char path[FUZZ_PATH];
	int fd;

	fuzz_path(path, name);
	fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	MUST(fd >= 0 && file_write_all(fd, data, size) == 0);
	close(fd);
}

static void
remove_file(const char *name)
{
	char path[FUZZ_PATH];

	fuzz_path(path, name);
	unlink(path);
}

/* Every byte, some of them often, and back. */
static void
use(const struct bpe *b)
{
	struct bpe_encoder *e;
	struct buffer ids = { 0 };
	uint8_t text[600];
	const uint8_t *bytes;
	char why[WHYSZ];
	size_t at = 0, len;

	for (size_t i = 0; i < sizeof(text); i++)
		text[i] = (uint8_t)(i < 300 ? i : i * i % 7 + 'a');
	MUST((e = bpe_encoder_open(b, why)) != NULL);
	MUST(bpe_encode(e, text, sizeof(text), &ids, why) == 0);
	for (size_t i = 0; i < ids.len / 4; i++) {
		uint32_t id = ((const uint32_t *)(const void *)ids.data)[i];

		MUST((bytes = bpe_token_bytes(b, id, &len)) != NULL);
		MUST(len > 0 && at + len <= sizeof(text));
		MUST(memcmp(bytes, text + at, len) == 0);
		at += len;
	}
	MUST(at == sizeof(text));
	free(ids.data);
	bpe_encoder_free(e);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *nul = size > 0 ? memchr(data, 0, size) : NULL;
	struct bpe *b;
	char why[WHYSZ] = "", dir[FUZZ_PATH];

	if (nul) {
		write_file("vocab.json", data, (size_t)(nul - data));
		write_file(
		    "merges.txt", nul + 1, size - 1 - (size_t)(nul - data));
	} else {
		write_file("tokenizer.json", data, size);
	}
	fuzz_path(dir, "");
	if ((b = bpe_open(dir, why)))
		use(b);
	else
		MUST(why[0] != '\0');
	bpe_free(b);
	remove_file("vocab.json");
	remove_file("merges.txt");
	remove_file("tokenizer.json");
	return 0;
}
