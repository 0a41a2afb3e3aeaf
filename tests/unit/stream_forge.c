/*
 * Forged streams: blocks with right hashes, but lengths, numbers, orders and
 * headers that no writer makes, meet the checks behind the hashes.
 */
#include "stream.h"

#include "sys/bytes.h"

/* A head that promises more than there is. */
static void
forge_head(struct forge *f, uint32_t type, uint32_t len)
{
	uint8_t *head = f->data + f->len;

	bytes_put32(head, type);
	bytes_put32(head + 4, len);
	bytes_put64(head + 8, f->sequence++);
	bytes_put64(head + 16, 0);
	f->chain = XXH64(head, 24, f->chain);
	bytes_put64(head + 24, f->chain);
	f->len += BLOCK_HEADSZ;
}

static void
forge_start(struct forge *f, enum stream_kind kind)
{
	struct stream_header h = header(kind);
	char why[WHYSZ], *text = stream_header_format(&h, why);

	f->len = 0;
	forge_magic(f);
	forge_block(f, BLOCK_HEADER, text, strlen(text));
	free(text);
}

/* A RECORD of eight numbers and what follows them. */
static void
forge_record(
    struct forge *f, const uint32_t fields[8], const void *rest, size_t len)
{
	uint8_t payload[256];

	for (size_t i = 0; i < 8; i++)
		bytes_put32(payload + 4 * i, fields[i]);
	memcpy(payload + 32, rest, len);
	forge_block(f, BLOCK_RECORD, payload, 32 + len);
}

static void
forge_end(struct forge *f, uint64_t blocks, uint64_t records, uint64_t cut)
{
	struct end_mark e = { blocks, records, cut, 0 };
	uint8_t payload[END_SIZE];

	end_format(payload, &e);
	forge_block(f, BLOCK_END, payload, END_SIZE);
}

/* The forged stream gives n records and then the message, "" for its end. */
/* flags, part, parts, length, tokens, vectors, bytes of label and id */
static const uint32_t good[8] = { 0, 1, 1, 1, 1, 0, 0, 0 };

/* A good record, then one whose field i is v, with len bytes behind it. */
static void
expect_field(size_t i, uint32_t v, size_t len, const char *want)
{
	static const uint8_t rest[64];
	uint32_t fields[8];
	struct forge f;
	char line[WHYSZ];

	memcpy(fields, good, sizeof(fields));
	fields[i] = v;
	forge_start(&f, STREAM_TOKENS);
	forge_record(&f, good, "\1\0\0\0", 4);
	forge_record(&f, fields, rest, len);
	sprintf(line, "record 2: %s", want);
	expect(&f, STREAM_TOKENS, 1, line, line);
}

static void
test_forged_records(void)
{
	struct forge f;

	expect_field(0, 8, 4, "unknown flag");
	expect_field(1, 0, 4, "part 0 of 1 out of order");
	expect_field(1, 2, 4, "part 2 of 1 out of order");
	expect_field(4, 2, 4, "bad length");
	expect_field(4, 0x40000000, 4, "bad length");
	expect_field(4, 0xffffffff, 4, "bad length");
	expect_field(5, 1, 4, "bad number of vectors");
	expect_field(6, 2, 4, "bad length");
	expect_field(6, 2, 6, "bad length");
	expect_field(7, 0xffffffff, 3, "bad length");
	expect_field(7, 1, 5, "bad length");
	forge_start(&f, STREAM_TOKENS);
	forge_record(&f, good, "\x2c\1\0\0", 4);
	expect(&f, STREAM_TOKENS, 0, "record 1: token 300 out of range",
	    "a token out of range");
	forge_start(&f, STREAM_TOKENS);
	forge_block(&f, BLOCK_RECORD, "0123456789", 10);
	expect(&f, STREAM_TOKENS, 0, "record 1: bad length", "no whole record");
}

static void
test_forged_parts(void)
{
	static const uint32_t order[][4] = { /* part, parts; part, parts */
		{ 1, 2, 1, 2 }, { 1, 3, 3, 3 }, { 1, 2, 2, 3 }, { 1, 1, 2, 2 },
		{ 1, 0, 2, 3 }
	};
	uint32_t fields[8];
	struct forge f;

	memcpy(fields, good, sizeof(fields));
	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		char line[WHYSZ];

		forge_start(&f, STREAM_TOKENS);
		fields[1] = order[i][0];
		fields[2] = order[i][1];
		forge_record(&f, fields, "\1\0\0\0", 4);
		fields[1] = order[i][2];
		fields[2] = order[i][3];
		forge_record(&f, fields, "\1\0\0\0", 4);
		sprintf(line, "record %d: part %u of %u out of order",
		    i == 3 ? 2 : 1, fields[1], fields[2]);
		expect(&f, STREAM_TOKENS, 1, line, line);
	}
	forge_start(&f, STREAM_TOKENS);
	fields[1] = 1;
	fields[2] = 2;
	forge_record(&f, fields, "\1\0\0\0", 4);
	forge_end(&f, 1, 0, 0);
	expect(&f, STREAM_TOKENS, 1, "record 1: parts missing",
	    "a last record in one of two parts");
}

/* One record of C values, the last of which is x. */
static void
expect_value(uint32_t bits, const char *want, const char *name)
{
	static const uint32_t fields[8] = { 0, 1, 1, 1, 1, 1, 0, 0 };
	uint8_t rest[4 + 4 * C] = { 1 };
	struct forge f;

	bytes_put32(rest + 4 * C, bits);
	forge_start(&f, STREAM_HIDDEN);
	forge_record(&f, fields, rest, sizeof(rest));
	forge_end(&f, 1, 1, 0);
	expect(&f, STREAM_HIDDEN, want[0] ? 0 : 1, want, name);
}

static void
test_forged_values(void)
{
	static const char bad[] = "record 1: not a finite number";
	static const uint32_t none[8] = { 0, 1, 1, 0, 0, 0, 0, 0 };
	static const uint32_t two[8] = { 0, 1, 1, 2, 2, 1, 0, 0 };
	uint8_t rest[8 + 4 * C] = { 1 };
	struct forge f;

	expect_value(0x7f800000, bad, "infinity");
	expect_value(0xff800000, bad, "minus infinity");
	expect_value(0x7fc00000, bad, "NaN");
	expect_value(0x7e967699, bad, "1e38");
	expect_value(0x00000001, "", "a denormal");
	expect_value(0x5d7fffff, "", "just under 2^60");
	expect_value(0x5d800000, bad, "2^60");
	forge_start(&f, STREAM_HIDDEN);
	forge_record(&f, none, "", 0);
	expect(&f, STREAM_HIDDEN, 0, "record 1: bad number of vectors",
	    "hidden states of no token");
	forge_start(&f, STREAM_HIDDEN);
	forge_record(&f, two, rest, sizeof(rest));
	expect(&f, STREAM_HIDDEN, 0, "record 1: bad number of vectors",
	    "fewer vectors than tokens");
}

static void
test_forged_blocks(void)
{
	struct forge f;

	forge_start(&f, STREAM_TOKENS);
	forge_record(&f, good, "\1\0\0\0", 4);
	forge_block(&f, 9 | BLOCK_SKIPPABLE, "what?", 5);
	forge_record(&f, good, "\2\0\0\0", 4);
	forge_block(&f, BLOCK_RECORD | BLOCK_SKIPPABLE, "", 0);
	forge_end(&f, 2, 2, 0);
	expect(&f, STREAM_TOKENS, 2, "", "unknown blocks are skipped");
	forge_start(&f, STREAM_TOKENS);
	forge_record(&f, good, "\1\0\0\0", 4);
	forge_block(&f, 9, "what?", 5);
	expect(&f, STREAM_TOKENS, 1, "record 2: block type 9 not known",
	    "but not those that are needed");
	forge_start(&f, STREAM_TOKENS);
	forge_block(&f, BLOCK_HEADER, "{}", 2);
	expect(&f, STREAM_TOKENS, 0, "record 1: block type 1 not known",
	    "a second header");
	forge_start(&f, STREAM_TOKENS);
	forge_head(&f, BLOCK_RECORD, UINT32_MAX);
	expect(&f, STREAM_TOKENS, 0,
	    "record 1: block length 4294967295 over limit", "4 GB");
	forge_start(&f, STREAM_TOKENS);
	forge_head(&f, BLOCK_RECORD, BLOCK_MOST + 1);
	expect(&f, STREAM_TOKENS, 0,
	    "record 1: block length 83886081 over limit", "80 MiB and 1");
	forge_start(&f, STREAM_TOKENS);
	f.sequence = 2;
	forge_record(&f, good, "\1\0\0\0", 4);
	expect(&f, STREAM_TOKENS, 0, "record 1: block out of order",
	    "a number left out");
	f.len = 0;
	forge_magic(&f);
	forge_record(&f, good, "\1\0\0\0", 4);
	expect(&f, STREAM_TOKENS, 0, "header: missing", "no header");
}

static void
test_ends(void)
{
	struct forge f;

	for (uint64_t i = 0; i < 8; i++) {
		char want[WHYSZ];

		forge_start(&f, STREAM_TOKENS);
		forge_record(&f, good, "\1\0\0\0", 4);
		forge_end(&f, 1 ^ (i & 1), 1 ^ (i >> 1 & 1), i >> 2);
		sprintf(want, i ? "end mark says %d records, read 1" : "",
		    i & 2 ? 0 : 1);
		expect(&f, STREAM_TOKENS, 1, want, "counts in the end mark");
	}
	forge_start(&f, STREAM_TOKENS);
	forge_block(&f, BLOCK_END, "0123456789", 10);
	expect(
	    &f, STREAM_TOKENS, 0, "end mark: bad length", "a short end mark");
	for (size_t extra = 1; extra < 40; extra += 6) {
		char want[WHYSZ];

		forge_start(&f, STREAM_TOKENS);
		forge_record(&f, good, "\1\0\0\0", 4);
		forge_end(&f, 1, 1, 0);
		sprintf(want, "trailing garbage at byte %zu", f.len);
		memset(f.data + f.len, extra == 7 ? 0 : 'x', extra);
		f.len += extra;
		expect(&f, STREAM_TOKENS, 1, want, want);
	}
}

/* ---- headers ---- */

/* A stream whose header is the usual one with a string replaced. */
static void
expect_header(
    enum stream_kind kind, const char *from, const char *to, const char *want)
{
	struct stream_header h = header(kind);
	char why[WHYSZ], *text = stream_header_format(&h, why), made[2048];
	char *at = strstr(text, from);
	struct forge f;

	sprintf(made, "%.*s%s%s", (int)(at ? at - text : 0), text, to,
	    at ? at + strlen(from) : "?");
	free(text);
	f.len = 0;
	forge_magic(&f);
	forge_block(&f, BLOCK_HEADER, made, strlen(made));
	expect(&f, kind, 0, want, to[0] ? to : from);
}

static void
test_headers(void)
{
	static const char bad[] = "header: bad value";
	enum stream_kind T = STREAM_TOKENS, H = STREAM_HIDDEN;

	expect_header(T, "\"version\":0", "\"version\":2",
	    "version 2, this program reads 0");
	expect_header(
	    T, "\"version\":0", "\"version\":\"0\"", "header: no version");
	expect_header(T, "\"vocab_size\":300", "\"vocab_size\":0", bad);
	expect_header(
	    T, "\"vocab_size\":300", "\"vocab_size\":2147483648", bad);
	expect_header(T, "\"vocab_size\":300", "\"vocab_size\":300.5", bad);
	expect_header(T, "0123456789abcdef\"", "0123456789abcdeF\"", bad);
	expect_header(T, "0123456789abcdef\"", "0123456789abcde\"", bad);
	expect_header(T, "\"strip\":true", "\"strip\":1", bad);
	expect_header(T, "\"special\":\"literal\"", "\"special\":\"x\"", bad);
	expect_header(T, "\"kind\":\"tokens\"", "\"kind\":\"words\"", bad);
	expect_header(T, "\"kind\"", "\"kind\":\"tokens\",\"kind\"",
	    "header: duplicate object key near '\"kind\"'");
	expect_header(T, "{", "[", "header: ']' expected near ':'");
	expect_header(H, "\"n_embd\":3", "\"n_embd\":0", bad);
	expect_header(H, "\"n_embd\":3", "\"n_embd\":2147483648", bad);
	expect_header(H, "\"n_embd\":3", "\"n_embd\":-3", bad);
	expect_header(H, "\"n_head\":1", "\"n_head\":2", bad);
	expect_header(H, "\"cut\":2", "\"cut\":3", bad);
	expect_header(H, "\"dtype\":\"f32\"", "\"dtype\":\"f64\"", bad);
	expect_header(H, "\"pool\":\"none\"", "\"pool\":\"mean\"", bad);
	expect_header(H, "\"model\":\"f", "\"model\":\"", bad);
}

/* The first difference of two headers, in words. */
static void
expect_difference(const struct stream_header *a, const struct stream_header *b,
    const char *want)
{
	char why[WHYSZ] = "equal";

	stream_header_compare(a, b, why);
	if (!ok(strcmp(why, want) == 0, "%s", want))
		printf("# got %s\n", why);
}

static void
test_differences(void)
{
	struct stream_header a = header(STREAM_HIDDEN), b = a;

	expect_difference(&a, &b, "equal");
	b.precision = PRECISION_BF16;
	expect_difference(&a, &b, "other precision (f32, want bf16)");
	b.pool = POOL_LAST;
	expect_difference(&a, &b, "other pooling (none, want last)");
	b.dtype = DTYPE_F16;
	expect_difference(&a, &b, "other dtype (f32, want f16)");
	b.cut = 1;
	expect_difference(&a, &b, "other cut (2, want 1)");
	b.cut = 2;
	b.model[0] ^= 1;
	expect_difference(
	    &a, &b, "other model (tiny with other weights, want tiny)");
	b.model_name = "mini";
	expect_difference(&a, &b, "other model (tiny, want mini)");
	b.preparation.special = SPECIAL_ERROR;
	expect_difference(
	    &a, &b, "other preparation (--special literal, want error)");
	b.preparation.suffix = "x";
	expect_difference(
	    &a, &b, "other preparation (--suffix ' \xc3\xa9', want 'x')");
	b.preparation.prefix = "y";
	expect_difference(&a, &b, "other preparation (--prefix '', want 'y')");
	b.preparation.strip = false;
	expect_difference(
	    &a, &b, "other preparation (without --exact, want with)");
	b.vocab_size = 299;
	expect_difference(
	    &a, &b, "made with another vocabulary (300 tokens, want 299)");
}

int
main(void)
{
	stream_open_memory();
	test_forged_records();
	test_forged_parts();
	test_forged_values();
	test_forged_blocks();
	test_ends();
	test_headers();
	test_differences();
	return done_testing();
}
