/*
 * Streams: what is written is read again, and nothing else is: every cut and
 * every flipped bit is noticed, and blocks keep their order.
 */
#include "stream.h"

#include <fcntl.h>
#include <math.h>

#include "stream/cache.h"
#include "sys/bytes.h"
#include "sys/file.h"

/* ---- writing by the library ---- */

static void
write_records(struct stream_writer *w, enum stream_kind kind)
{
	static const uint32_t tokens[] = { 5, 299, 0, 7, 7 };
	static const float x[] = { 1, -0.0f, 1e17f, 1e-40f, -2, 0.5f, 3, 4, 5,
		6, 7, 8, 9, 10, 11 };
	bool hidden = kind == STREAM_HIDDEN;
	struct record list[] = {
		{ "i1", "yes", 2, 3, 1, 1, 3, false, 3, 3, tokens, x },
		{ NULL, NULL, 0, 0, 1, 1, 900, true, 1, 1, tokens, x },
		{ "", "", 0, 0, 1, 2, 5, true, 5, 5, tokens, x },
		{ "", "", 0, 0, 2, 2, 5, true, 2, 2, tokens, x },
		{ "x", NULL, 1, 0, 1, 0, 4, false, 2, 2, tokens, x },
		{ "x", NULL, 1, 0, 2, 2, 4, false, 2, 2, tokens, x },
		{ NULL, "no", 0, 2, 1, 1, 0, false, 0, 0, tokens, x },
	};
	char why[WHYSZ];

	if (hidden)
		list[6].n_tokens = list[6].n_vectors = 1;
	for (size_t i = 0; i < 7; i++) {
		if (!hidden)
			list[i].n_vectors = 0;
		if (stream_write(w, &list[i], why) < 0)
			ok(0, "record %zu is written: %s", i, why);
	}
}

/* A whole stream of 7 blocks, 5 records, 2 of them cut; free() it. */
static uint8_t *
make_stream(enum stream_kind kind, size_t *len)
{
	char name[] = "/tmp/stream.XXXXXX", why[WHYSZ] = "";
	int fd = mkstemp(name);
	struct stream_header h = header(kind);
	struct file_out *out = file_create(name, why);
	struct stream_writer *w = out ? stream_writer_open(out, &h, why) : NULL;
	uint8_t *data = malloc(1 << 16);

	if (w) {
		write_records(w, kind);
		ok(stream_end(w, true, why) == 0 && file_commit(out, why) == 0,
		    "a %s stream is written",
		    kind == STREAM_TOKENS ? "token" : "hidden-state");
	}
	stream_writer_free(w);
	close(fd);
	fd = w ? open(name, O_RDONLY) : -1;
	*len = (size_t)read(fd, data, 1 << 16);
	close(fd);
	unlink(name);
	return data;
}

/* ---- damage ---- */

/* Where the blocks of a stream begin; the last is its end. Returns how many. */
static size_t
find_blocks(const uint8_t *p, size_t len, size_t *starts)
{
	size_t n = 0, at = MAGIC_SIZE;

	while (at < len) {
		starts[n++] = at;
		at += BLOCK_HEADSZ + block_padded(bytes_get32(p + at + 4));
	}
	starts[n] = len;
	return n;
}

static void
test_cuts(const uint8_t *p, size_t len, enum stream_kind kind)
{
	struct outcome whole = read_stream(p, len, kind);
	size_t starts[16], blocks = find_blocks(p, len, starts), wrong = 0;

	ok(whole.rc == 0 && whole.n == 7 && whole.terminated && blocks == 9,
	    "it is read again");
	for (size_t cut = 0; cut < len; cut++) {
		struct outcome o = read_stream(p, cut, kind);
		const char *name = kind ? "hidden-state" : "token";
		char want[WHYSZ];
		size_t parts = 0, records;

		while (parts < 7 && starts[parts + 2] <= cut)
			parts++;
		records = parts - (parts > 2) - (parts > 4);
		if (cut == 0)
			sprintf(want, "empty: not a %s stream", name);
		else if (cut < starts[1])
			sprintf(
			    want, "ends early in the header (byte %zu)", cut);
		else
			sprintf(want, "ends early after record %zu (byte %zu)",
			    records, cut);
		if ((o.rc != -1 || !is_prefix(&o, &whole, parts) ||
			strcmp(o.why, want) != 0) &&
		    wrong++ == 0)
			printf("# cut %zu: %d %zu %s\n", cut, o.rc, o.n, o.why);
	}
	ok(wrong == 0, "cut at each of %zu bytes: noticed", len);
}

static void
test_flips(uint8_t *p, size_t len, enum stream_kind kind)
{
	struct outcome whole = read_stream(p, len, kind);
	size_t starts[16], blocks = find_blocks(p, len, starts), wrong = 0;

	for (size_t i = 0; i < 8 * len; i++) {
		struct outcome o;
		size_t parts = 0;

		while (parts + 2 < blocks && starts[parts + 2] <= i / 8)
			parts++;
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		o = read_stream(p, len, kind);
		p[i / 8] ^= (uint8_t)(1 << i % 8);
		if ((o.rc != -1 || !is_prefix(&o, &whole, parts)) &&
		    wrong++ == 0)
			printf("# bit %zu: %d %zu %s\n", i, o.rc, o.n, o.why);
	}
	ok(wrong == 0, "each of %zu bits flipped: noticed", 8 * len);
}

/* Blocks dropped, doubled and swapped: each order but the right one. */
static void
test_moves(const uint8_t *p, size_t len, enum stream_kind kind)
{
	struct outcome whole = read_stream(p, len, kind);
	size_t starts[16], blocks = find_blocks(p, len, starts), wrong = 0;
	uint8_t *moved = malloc(2 * len);

	for (size_t i = 1; i < 3 * blocks; i++) {
		size_t a = i % blocks, how = i / blocks, out = starts[0];
		struct outcome o;

		memcpy(moved, p, out);
		for (size_t k = 0; k < blocks; k++) {
			size_t from = k, times = 1;

			if (k == a)
				times = how == 0 ? 0 : how == 1 ? 2 : 1;
			if (how == 2 && (k == a || k == (a + 1) % blocks))
				from = k == a ? (a + 1) % blocks : a;
			for (; times > 0; times--) {
				size_t size = starts[from + 1] - starts[from];

				memcpy(moved + out, p + starts[from], size);
				out += size;
			}
		}
		o = read_stream(moved, out, kind);
		if ((o.rc != -1 || (a > 0 && !is_prefix(&o, &whole, o.n))) &&
		    wrong++ == 0)
			printf("# %zu %zu: %s\n", how, a, o.why);
	}
	ok(wrong == 0, "blocks dropped, doubled, swapped: noticed");
	free(moved);
}

/* ---- several streams ---- */

static void
test_two(const uint8_t *p, size_t len)
{
	uint8_t *both = malloc(2 * len);
	struct outcome once = read_stream(p, len, STREAM_TOKENS), twice;
	struct stream_header h = header(STREAM_TOKENS);
	struct forge f;
	char why[WHYSZ], *text;

	memcpy(both, p, len);
	memcpy(both + len, p, len);
	twice = read_stream(both, 2 * len, STREAM_TOKENS);
	ok(twice.rc == 0 && twice.n == 2 * once.n &&
		memcmp(twice.hashes + once.n, once.hashes,
		    once.n * sizeof(once.hashes[0])) == 0,
	    "two streams on end are one");
	h.preparation.strip = false;
	text = stream_header_format(&h, why);
	memcpy(f.data, p, len);
	f.len = len;
	forge_magic(&f);
	forge_block(&f, BLOCK_HEADER, text, strlen(text));
	expect(&f, STREAM_TOKENS, once.n,
	    "stream 2: other preparation (with --exact, want without)",
	    "a second with another header");
	free(text);
	free(both);
}

/* Any start of a stream has no end of what may come: never ready too early. */
static void
test_ready(const uint8_t *p, size_t len)
{
	size_t starts[16], wrong = 0, blocks = find_blocks(p, len, starts);
	struct stream_reader *r;
	struct record record;
	char why[WHYSZ];
	int fds[2], saved = dup(0);

	if (pipe(fds) < 0 || dup2(fds[0], 0) < 0)
		abort();
	wrong += write(fds[1], p, starts[1]) < 0;
	r = stream_reader_open(NULL, 0, STREAM_TOKENS, why);
	for (size_t i = 1; r && i + 1 < blocks; i++) {
		size_t size = starts[i + 1] - starts[i];

		for (size_t k = 0; k < size; k++) {
			wrong += stream_reader_ready(r);
			wrong += write(fds[1], p + starts[i] + k, 1) < 0;
		}
		wrong += !stream_reader_ready(r);
		wrong += stream_read(r, &record, why) != 1;
	}
	wrong += write(fds[1], p + starts[blocks - 1], END_SIZE + 32) < 0;
	wrong += stream_reader_ready(r);
	close(fds[1]);
	wrong += stream_read(r, &record, why) != 0;
	ok(r && wrong == 0, "a reader knows when it would have to wait");
	stream_reader_free(r);
	dup2(saved, 0);
	close(saved);
	close(fds[0]);
}

/* A cache of a pipe, of a file read from its middle, and of two files. */
static void
test_cache(const uint8_t *p, size_t len)
{
	struct stream_cache *c;
	char why[WHYSZ] = "";
	const char *const two[] = { path, path };
	struct record r;
	int saved = dup(0);

	give(p, len);
	c = stream_cache_open(two, 2, STREAM_HIDDEN, why);
	ok(c && stream_cache_count(c) == 14, "two files in a cache: %s", why);
	if (c) {
		struct record a = stream_cache_record(c, 0);

		r = stream_cache_record(c, 7);
		ok(hash(&a) == hash(&r) && r.label_len == 3, "and its records");
	}
	stream_cache_free(c);
	if (pwrite(memory, "xyz", 3, 0) != 3 ||
	    pwrite(memory, p, len, 3) != (ssize_t)len || dup2(memory, 0) < 0 ||
	    lseek(0, 3, SEEK_SET) < 0)
		abort();
	c = stream_cache_open(NULL, 0, STREAM_HIDDEN, why);
	ok(c && stream_cache_count(c) == 7, "a file read from its byte 3: %s",
	    why);
	if (c) {
		r = stream_cache_record(c, 0);
		ok(r.n_tokens == 3 && r.tokens[1] == 299, "and its records");
	}
	stream_cache_free(c);
	dup2(saved, 0);
	close(saved);
}

/* The writer refuses what a reader would refuse. */
static void
test_writer(void)
{
	static const uint32_t token = 1;
	const float bad[C] = { 1, 2, NAN };
	struct stream_header h = header(STREAM_HIDDEN);
	struct record r = { NULL, NULL, 0, 0, 1, 1, 1, false, 1, 1, &token,
		bad };
	char why[WHYSZ] = "";
	struct file_out *out = file_create("/dev/null", why);
	struct stream_writer *w = stream_writer_open(out, &h, why);

	ok(stream_write(w, &r, why) < 0 &&
		strcmp(why, "record 1: not a finite number") == 0,
	    "NaN is not written: %s", why);
	r.n_vectors = 0;
	r.part = 2;
	ok(stream_write(w, &r, why) < 0 &&
		strcmp(why, "part 2 of 1 out of order") == 0,
	    "parts in order: %s", why);
	stream_writer_free(w);
	file_abandon(out);
}

int
main(void)
{
	uint8_t *tokens, *hidden;
	size_t n_tokens, n_hidden;

	stream_open_memory();
	tokens = make_stream(STREAM_TOKENS, &n_tokens);
	test_cuts(tokens, n_tokens, STREAM_TOKENS);
	test_flips(tokens, n_tokens, STREAM_TOKENS);
	test_moves(tokens, n_tokens, STREAM_TOKENS);
	hidden = make_stream(STREAM_HIDDEN, &n_hidden);
	test_cuts(hidden, n_hidden, STREAM_HIDDEN);
	test_flips(hidden, n_hidden, STREAM_HIDDEN);
	test_moves(hidden, n_hidden, STREAM_HIDDEN);
	test_two(tokens, n_tokens);
	test_ready(tokens, n_tokens);
	test_cache(hidden, n_hidden);
	test_writer();
	free(tokens);
	free(hidden);
	return done_testing();
}
