/* Tokenizing: the reference's ids, all ways to the same result, and back. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bpe/bpe.h"
#include "bpe/merge.h"
#include "bpe/prepare.h"
#include "bpe/vocab.h"
#include "sys/buffer.h"
#include "sys/why.h"
#include "tap.h"

static uint64_t seed = 1;

/* The next of a fixed sequence of numbers below n. */
static size_t
next_number(size_t n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (size_t)(seed >> 33) % n;
}

static bool
encodes_to(struct bpe_encoder *e, const void *text, size_t len,
    const uint32_t *ids, size_t n)
{
	struct buffer out = { 0 };
	char why[WHYSZ];
	bool same = bpe_encode(e, text, len, &out, why) == 0 &&
		    out.len == n * sizeof(*ids) &&
		    (n == 0 || memcmp(out.data, ids, out.len) == 0);

	free(out.data);
	return same;
}

/* Lines {"text": "…", "ids": […]} of a file. */
static void
check_vectors(const struct bpe *b, const char *path, size_t at_least)
{
	struct bpe_encoder *e;
	char why[WHYSZ], *line = NULL;
	size_t room = 0, n = 0, wrong = 0;
	FILE *f = fopen(path, "r");

	if (f == NULL) {
		ok(1, "%s # SKIP not there", path);
		return;
	}
	e = bpe_encoder_open(b, why);
	while (getline(&line, &room, f) > 0) {
		json_t *root = json_loads(line, JSON_ALLOW_NUL, NULL);
		json_t *text = json_object_get(root, "text");
		json_t *list = json_object_get(root, "ids");
		size_t n_ids = json_array_size(list);
		uint32_t *ids = calloc(n_ids + 1, sizeof(*ids));

		for (size_t i = 0; i < n_ids; i++)
			ids[i] = (uint32_t)json_integer_value(
			    json_array_get(list, i));
		if (!encodes_to(e, json_string_value(text),
			json_string_length(text), ids, n_ids)) {
			printf("# wrong: %s", line);
			wrong++;
		}
		n++;
		free(ids);
		json_decref(root);
	}
	ok(wrong == 0 && n >= at_least, "%zu vectors of %s", n, path);
	free(line);
	fclose(f);
	bpe_encoder_free(e);
}

static char *
read_file(const char *path)
{
	char *text = calloc(1, 1 << 16);
	FILE *f = fopen(path, "r");

	if (f)
		text[fread(text, 1, (1 << 16) - 1, f)] = '\0';
	if (f)
		fclose(f);
	return text;
}

/* llama.cpp's pair: texts between marks, ids on a line each. */
static void
check_llama(const struct bpe *b)
{
	static const char mark[] = "\n__ggml_vocab_test__\n";
	char *texts = read_file("../shared/data/llama.cpp-gpt-2.2026.inp");
	char *ids = read_file("../shared/data/llama.cpp-gpt-2.2026.out");
	char *text = texts, *line = ids, *end, why[WHYSZ];
	struct bpe_encoder *e = bpe_encoder_open(b, why);
	size_t n = 0, wrong = 0;

	while ((end = strstr(text, mark)) && *line) {
		uint32_t want[4096];
		size_t k = 0;
		char *stop = line + strcspn(line, "\n");

		while (line < stop)
			want[k++] = (uint32_t)strtoul(line, &line, 10);
		line = stop + 1;
		wrong += !encodes_to(e, text, (size_t)(end - text), want, k);
		text = end + sizeof(mark) - 1;
		n++;
	}
	ok(wrong == 0 && n == 46, "%zu cases of llama.cpp", n);
	free(texts);
	free(ids);
	bpe_encoder_free(e);
}

/* Random text in which every rule of the pattern is used. */
static size_t
make_text(uint8_t *text, size_t most)
{
	static const char *const pieces[] = { "a", "the", "movie", "X", " ",
		" ", " ", "  ", "\n", "\t", "\r\n", "'s", "'re", "'ll", "'",
		"'v", "7", "2026", "!", "...", "\u00e9", "\u4e2d", "\u3000",
		"\u00a0", "\xc2\x85", "\u0663", "\u00bd", "\u0301",
		"\U0001f600", "\U00010400", "\xe2\x82", "\xff", "\xc0\xaf",
		"\xed\xa0\x80", "\x80" };
	const size_t n_pieces = sizeof(pieces) / sizeof(pieces[0]);
	size_t len = 0, n = next_number(120), from = next_number(n_pieces);

	for (size_t i = 0; i < n; i++) {
		/* Half the texts use few kinds. */
		size_t k = n % 2 ? next_number(n_pieces)
				 : (from + next_number(4)) % n_pieces;
		size_t size = strlen(pieces[k]);

		if (len + size > most)
			break;
		memcpy(text + len, pieces[k], size);
		len += size;
	}
	return len;
}

/* Each processor's kernel finds the same tokens; they decode to the text. */
static void
check_kernels(const struct bpe *b)
{
	static const char *const isas[] = { "generic", "avx2", "avx512" };
	struct bpe_encoder *e[3];
	char why[WHYSZ];
	size_t differ = 0, lost = 0;

	for (size_t i = 0; i < 3; i++) {
		setenv("GPT2_ISA", isas[i], 1);
		e[i] = bpe_encoder_open(b, why);
	}
	unsetenv("GPT2_ISA");
	for (size_t round = 0; round < 20000; round++) {
		uint8_t text[1024];
		struct buffer out = { 0 }, back = { 0 };
		size_t len = make_text(text, sizeof(text));

		if (round % 4 == 0) {
			len = next_number(300);
			for (size_t i = 0; i < len; i++)
				text[i] = (uint8_t)next_number(256);
		}
		bpe_encode(e[0], text, len, &out, why);
		for (size_t i = 1; i < 3; i++)
			differ += !encodes_to(e[i], text, len,
			    (const uint32_t *)(const void *)out.data,
			    out.len / sizeof(uint32_t));
		for (size_t i = 0; i < out.len; i += sizeof(uint32_t)) {
			const uint8_t *bytes;
			uint32_t id;
			size_t n;

			memcpy(&id, out.data + i, sizeof(id));
			bytes = bpe_token_bytes(b, id, &n);
			buffer_append(&back, bytes, n, why);
		}
		lost += back.len != len ||
			(len > 0 && memcmp(back.data, text, len) != 0);
		free(out.data);
		free(back.data);
	}
	ok(differ == 0, "generic, avx2 and avx512 agree");
	ok(lost == 0, "the tokens' bytes are the text");
	for (size_t i = 0; i < 3; i++)
		bpe_encoder_free(e[i]);
}

/* The definition, as it is written: one pass over all for each merge. */
static size_t
merge_plainly(const struct bpe *b, uint32_t *t, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		t[i] = b->byte_token[p[i]];
	for (;;) {
		uint32_t least = NO_RANK;
		size_t to = 0;

		for (size_t i = 0; i + 1 < n; i++) {
			uint32_t rank = vocab_rank(b, t[i], t[i + 1]);

			least = rank < least ? rank : least;
		}
		if (least == NO_RANK)
			return n;
		for (size_t i = 0; i < n; to++) {
			const struct merge *m = &b->merges[least];
			bool fits = i + 1 < n && t[i] == m->left &&
				    t[i + 1] == m->right;

			t[to] = fits ? m->result : t[i];
			i += fits ? 2 : 1;
		}
		n = to;
	}
}

static void
check_merges(const struct bpe *b)
{
	char why[WHYSZ];
	struct merger *m = merger_open(b, why);
	size_t wrong_short = 0, wrong_long = 0;

	for (size_t round = 0; round < 20000; round++) {
		uint32_t want[400], got[400];
		uint8_t text[400];
		size_t len = 1 + next_number(round % 10 ? 64 : 400);
		size_t kinds = 1 + next_number(26), n, k;

		for (size_t i = 0; i < len; i++)
			text[i] = (uint8_t)('a' + next_number(kinds));
		n = merge_plainly(b, want, text, len);
		k = merge_long(m, got, text, len, why);
		wrong_long += k != n || memcmp(got, want, n * 4) != 0;
		if (len > MERGE_SHORT)
			continue;
		k = merge_short(b, got, text, len);
		wrong_short += k != n || memcmp(got, want, n * 4) != 0;
	}
	ok(wrong_short == 0, "short pretokens are merged by the definition");
	ok(wrong_long == 0, "long pretokens too");
	merger_free(m);
}

/* Parts, by their lengths, of a text of n blanks and words. */
static void
check_parts(const struct bpe *b)
{
	const struct preparation how = { true, "Review:", " Good",
		SPECIAL_LITERAL };
	char why[WHYSZ], text[1200];
	struct preparer *p = preparer_open(b, &how, 50, LONG_SPLIT, why);
	struct prepared *batch = p ? prepared_new(p, why) : NULL;
	struct bpe_encoder *e = bpe_encoder_open(b, why);
	struct record r;
	size_t least = 50, most = 0;
	long n;

	for (size_t i = 0; i < sizeof(text); i += 3)
		memcpy(text + i, " it", 3);
	prepared_add(batch, (uint8_t *)text, sizeof(text), why);
	prepared_add(batch, (const uint8_t *)"  ", 2, why);
	prepared_run(batch, e, why);
	n = prepared_parts(batch, 0, why);
	for (long k = 0; k < n; k++) {
		prepared_part(batch, 0, (size_t)k, &r);
		least = r.n_tokens < least ? r.n_tokens : least;
		most = r.n_tokens > most ? r.n_tokens : most;
	}
	ok(n > 8 && most <= 50 && most - least <= 1 && r.was_cut &&
		r.part == n && r.parts == n,
	    "a split record's parts are equal to one token");
	prepared_part(batch, 1, 0, &r);
	ok(r.n_tokens > 0 && r.parts == 1 && !r.was_cut,
	    "an empty text has its prefix and suffix");
	prepared_free(batch);
	bpe_encoder_free(e);
	preparer_free(p);
	ok(preparer_open(b, &how, 2, LONG_SPLIT, why) == NULL &&
		strstr(why, "tokens, limit 2"),
	    "no room for a text: %s", why);
}

static struct bpe *
open_first(const char *dir, const char *other)
{
	char why[WHYSZ];
	struct bpe *b = bpe_open(access(dir, F_OK) == 0 ? dir : other, why);

	if (b == NULL)
		printf("# %s\n", why);
	return b;
}

int
main(void)
{
	struct bpe *b = open_first("examples/mini", "../shared/models/mini");

	if (!ok(b != NULL, "the shipped model's vocabulary"))
		return done_testing();
	check_vectors(b, "tests/bpe-vectors.jsonl", 150);
	check_kernels(b);
	check_merges(b);
	check_parts(b);
	bpe_free(b);
	if (access("../shared/models/gpt2-tokenizer", F_OK) < 0) {
		ok(1, "GPT-2's vocabulary # SKIP no ../shared");
		return done_testing();
	}
	b = open_first("../shared/models/gpt2-tokenizer", "");
	ok(b && bpe_vocab_size(b) == 50257 && bpe_end_of_text(b) == 50256,
	    "GPT-2's vocabulary");
	check_vectors(b, "../shared/data/gpt2_vectors.jsonl", 137);
	check_llama(b);
	check_merges(b);
	bpe_free(b);
	return done_testing();
}
