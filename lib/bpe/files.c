/*
 * vocab.json and merges.txt. Parsing GPT-2's vocab.json takes longer than
 * all else at the start of a program; where the two files are ones that are
 * known, it holds nothing new: merge i makes token 256 + i, before them stand
 * the bytes and behind them <|endoftext|>.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bpe/vocab.h"
#include "checkpoint/folder.h"
#include "checkpoint/jsontext.h"
#include "sys/num.h"
#include "sys/why.h"

struct bytes {
	const uint8_t *data;
	size_t size;
};

struct known {
	XXH128_hash_t vocab, merges; /* XXH3-128 of the files */
	size_t n_merges;
};

static const struct known known_files[] = {
	/* GPT-2 */
	{ { 0x4594f2ded8b31025u, 0x907aa883a1f3f250u },
	    { 0xe1a102e27c272620u, 0x5caa565dbb3b366bu }, 50000 },
	/* examples/mini */
	{ { 0xa28ed6105897d29bu, 0xa7a6e4a79875bf2cu },
	    { 0x804c8c26bb7a141bu, 0x136b4d25884eece3u }, 7935 },
};

static const struct known *
find_known(const struct bytes *vocab, const struct bytes *merges)
{
	XXH128_hash_t v = XXH3_128bits(vocab->data, vocab->size);
	XXH128_hash_t m = XXH3_128bits(merges->data, merges->size);

	for (size_t i = 0; i < sizeof(known_files) / sizeof(known_files[0]);
	     i++) {
		const struct known *k = &known_files[i];

		if (XXH128_isEqual(v, k->vocab) && XXH128_isEqual(m, k->merges))
			return k;
	}
	return NULL;
}

/* ---- vocab.json ---- */

struct entry {
	const char *text;
	size_t len;
};

static int
bad_token(const char *text, size_t len, const char *what, char *why)
{
	char shown[128];

	return why_set(why, "token \"%s\": %s",
	    why_escape(shown, sizeof(shown), text, len), what);
}

/* Puts each token at its id. */
static int
sort_tokens(
    struct entry *entries, size_t n, json_t *root, size_t *total, char *why)
{
	for (void *i = json_object_iter(root); i;
	     i = json_object_iter_next(root, i)) {
		const char *text = json_object_iter_key(i);
		const json_t *value = json_object_iter_value(i);
		json_int_t id = json_integer_value(value);
		size_t len = strlen(text);

		if (!json_is_integer(value) || id < 0 || (size_t)id >= n ||
		    entries[id].text)
			return bad_token(text, len, "bad id", why);
		entries[id] = (struct entry){ text, len };
		*total += len;
	}
	return 0;
}

static int
add_tokens(struct bpe *b, const struct entry *entries, size_t n, char *why)
{
	for (size_t i = 0; i < n; i++) {
		uint8_t *to = vocab_next(b);
		size_t len = alphabet_decode(
		    &b->alphabet, to, entries[i].text, entries[i].len);

		if (len == SIZE_MAX)
			return bad_token(entries[i].text, entries[i].len,
			    "not in GPT-2's alphabet of bytes", why);
		vocab_add(b, to, len);
	}
	return vocab_check(b, why);
}

int
vocab_read_tokens(struct bpe *b, json_t *object, char *why)
{
	size_t n = json_object_size(object), total = 0;
	struct entry *entries = calloc(n + 1, sizeof(*entries));
	int rc = -1;

	if (entries == NULL)
		why_memory(why);
	else if (sort_tokens(entries, n, object, &total, why) == 0 &&
		 vocab_size(b, n, n, total, why) == 0)
		rc = add_tokens(b, entries, n, why);
	free(entries);
	return rc;
}

static int
read_vocab(struct bpe *b, const struct bytes *m, char *why)
{
	json_t *root = jsontext_parse(m->data, m->size, VOCAB_FILE_MOST, why);
	int rc = root ? vocab_read_tokens(b, root, why) : -1;

	json_decref(root);
	return rc;
}

/* ---- merges.txt ---- */

/* The id of a token in the alphabet; its bytes go to *to. */
static uint32_t
find_token(
    const struct bpe *b, const char *text, size_t len, uint8_t *to, size_t *n)
{
	*n = alphabet_decode(&b->alphabet, to, text, len);
	return *n == SIZE_MAX ? NO_TOKEN : vocab_find(b, to, *n);
}

static int
no_token(const struct spelling *s, const char *text, size_t len, char *why)
{
	char shown[128];

	return why_set(why, "token \"%s\" not in %s",
	    why_escape(shown, sizeof(shown), text, len), s->where);
}

int
vocab_read_merge(struct bpe *b, const struct spelling *s, uint8_t *scratch,
    bool known, size_t first, char *why)
{
	uint32_t left, right, result, before;
	size_t n, m;

	left = find_token(b, s->left, s->left_len, scratch, &n);
	if (left == NO_TOKEN)
		return no_token(s, s->left, s->left_len, why);
	right = find_token(b, s->right, s->right_len, scratch + n, &m);
	if (right == NO_TOKEN)
		return no_token(s, s->right, s->right_len, why);
	if (known) {
		result = (uint32_t)b->n_tokens;
		vocab_add(b, scratch, n + m);
	} else if ((result = vocab_find(b, scratch, n + m)) == NO_TOKEN) {
		char joined[128];
		int len = snprintf(joined, sizeof(joined), "%.*s%.*s",
		    (int)num_min(s->left_len, 60), s->left,
		    (int)num_min(s->right_len, 60), s->right);

		return no_token(s, joined, (size_t)len, why);
	}
	before = vocab_merge(b, left, right, result);
	if (before == NO_RANK)
		return 0;
	return why_set(
	    why, "merge listed twice (%s %zu)", s->unit, before + first);
}

/* Splits a line at its one blank. */
static int
split_line(struct spelling *s, const char *p, size_t len)
{
	const char *blank = memchr(p, ' ', len);

	if (blank == NULL)
		return -1;
	s->left = p;
	s->left_len = (size_t)(blank - p);
	s->right = blank + 1;
	s->right_len = len - s->left_len - 1;
	if (s->left_len == 0 || s->right_len == 0 ||
	    memchr(s->right, ' ', s->right_len) || memchr(p, '\r', len))
		return -1;
	return 0;
}

/* The merge of a line; scratch is room for the bytes of both its tokens. */
static int
read_line(struct bpe *b, const char *p, size_t len, uint8_t *scratch,
    bool known, size_t first, char *why)
{
	struct spelling s = { .where = "vocab.json", .unit = "line" };

	if (split_line(&s, p, len) < 0)
		return why_set(why, "want two tokens");
	if (!known && b->n_merges == b->n_tokens)
		return why_set(why, "more merges than tokens");
	if (known)
		scratch = vocab_next(b);
	return vocab_read_merge(b, &s, scratch, known, first, why);
}

/* Only the first line may be a comment: "#" is a token as any other. */
static int
read_merges(struct bpe *b, const struct bytes *m, bool known, char *why)
{
	const char *p = (const char *)m->data, *end = p + m->size;
	const bool has_version = m->size >= 8 && !memcmp(p, "#version", 8);
	const size_t first = has_version ? 2 : 1;
	uint8_t *scratch = known ? NULL : malloc(m->size + 1);
	char reason[WHYSZ];
	int rc = 0;

	if (!known && scratch == NULL) {
		why_memory(why);
		return -1;
	}
	for (size_t line = 1; p < end && rc == 0; line++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t len = (size_t)((stop ? stop : end) - p);

		if (line >= first &&
		    read_line(b, p, len, scratch, known, first, reason) < 0)
			rc = why_set(why, "line %zu: %.900s", line, reason);
		p += len + 1;
	}
	free(scratch);
	return rc;
}

/* ---- both ---- */

/* Tokens and merges of known files, from merges.txt alone. */
static int
read_known(
    struct bpe *b, const struct bytes *merges, size_t n_merges, char *why)
{
	/* A merge's result has at most the bytes of its line. */
	if (vocab_size(b, n_merges + 257, n_merges, merges->size + 512, why) <
	    0)
		return -1;
	for (size_t i = 0; i < 256; i++)
		vocab_add(b, &b->alphabet.order[i], 1);
	if (read_merges(b, merges, true, why) < 0)
		return -1;
	vocab_add(b, (const uint8_t *)END_OF_TEXT, sizeof(END_OF_TEXT) - 1);
	return vocab_check(b, why);
}

static int
blame(const char *file, const char *reason, char *why)
{
	return why_set(why, "%s: %.900s", file, reason);
}

int
vocab_read_files(struct bpe *b, struct folder *f, char *why)
{
	struct bytes vocab, merges;
	const struct known *known;
	char reason[WHYSZ];

	if (folder_get(f, "vocab.json", &vocab.data, &vocab.size, why) < 0 ||
	    folder_get(f, "merges.txt", &merges.data, &merges.size, why) < 0)
		return -1;
	if (merges.size > VOCAB_FILE_MOST)
		return why_set(
		    why, "merges.txt: larger than %d bytes", VOCAB_FILE_MOST);
	known = find_known(&vocab, &merges);
	if (known) {
		if (read_known(b, &merges, known->n_merges, reason) < 0)
			return blame("merges.txt", reason, why);
		return 0;
	}
	if (read_vocab(b, &vocab, reason) < 0)
		return blame("vocab.json", reason, why);
	if (read_merges(b, &merges, false, reason) < 0)
		return blame("merges.txt", reason, why);
	return 0;
}
