/* Reading text: records however they arrive, fields, white space. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/why.h"
#include "tap.h"
#include "text/reader.h"
#include "text/rows.h"
#include "text/utf8.h"

/* A pipe that holds the text; *in is its other end, or closed for NULL. */
static int
make_pipe(const void *text, size_t len, int *in)
{
	int fds[2];

	if (pipe(fds) < 0 || write(fds[1], text, len) != (ssize_t)len)
		return -1;
	if (in)
		*in = fds[1];
	else
		close(fds[1]);
	return fds[0];
}

static void
check_waiting(void)
{
	const struct text_options options = { false, false };
	char why[WHYSZ];
	const uint8_t *text;
	size_t len;
	int in, fd = make_pipe("\xef\xbb\xbfone\r\ntw", 10, &in);
	struct text_reader *t = text_reader_open(fd, &options, why);

	ok(text_ready(t), "a whole line is ready");
	ok(text_read(t, &text, &len, why) == 1 && len == 3 &&
		memcmp(text, "one", 3) == 0,
	    "and read without mark and CR");
	ok(!text_ready(t), "half a line is not");
	ok(write(in, "o\n", 2) == 2 && text_ready(t), "its end comes");
	ok(text_read(t, &text, &len, why) == 1 && len == 3 &&
		memcmp(text, "two", 3) == 0 && text_number(t) == 2,
	    "line 2");
	ok(!text_ready(t), "then nothing");
	close(in);
	ok(text_ready(t) && text_read(t, &text, &len, why) == 0 &&
		text_terminated(t),
	    "the end");
	text_reader_free(t);
	close(fd);
}

static void
check_end(bool null, const char *all, size_t size, size_t records,
    bool terminated, const char *name)
{
	const struct text_options options = { null, true };
	char why[WHYSZ];
	const uint8_t *text;
	size_t len, n = 0;
	int fd = make_pipe(all, size, NULL);
	struct text_reader *t = text_reader_open(fd, &options, why);

	while (text_read(t, &text, &len, why) == 1)
		n++;
	ok(n == records && text_terminated(t) == terminated &&
		text_bytes(t) == size,
	    "%s", name);
	text_reader_free(t);
	close(fd);
}

static void
check_fault(const char *all, size_t size, const char *want)
{
	const struct text_options options = { false, false };
	char why[WHYSZ];
	const uint8_t *text;
	size_t len;
	int fd = make_pipe(all, size, NULL);
	struct text_reader *t = text_reader_open(fd, &options, why);

	ok(text_read(t, &text, &len, why) == -1 && strcmp(why, want) == 0, "%s",
	    want);
	text_reader_free(t);
	close(fd);
}

/* A row is written as [id] label: text. */
static void
check_rows(const struct rows_options *o, const char *all, const char *want,
    const char *name)
{
	char why[WHYSZ], got[4096] = "", *end = got;
	struct row row;
	int fd = make_pipe(all, strlen(all), NULL), rc;
	struct rows *r = rows_open(fd, o, why);

	while ((rc = rows_read(r, &row, why)) == 1)
		end += snprintf(end, (size_t)(got + sizeof(got) - end),
		    "[%.*s] %.*s: %.*s\n", (int)row.id_len, row.id,
		    (int)row.label_len, row.label, (int)row.text_len, row.text);
	if (rc < 0)
		snprintf(end, (size_t)(got + sizeof(got) - end), "%s", why);
	if (!ok(strcmp(got, want) == 0, "%s", name))
		printf("# got %s\n", got);
	rows_free(r);
	close(fd);
}

static void
check_strip(const char *text, const char *want)
{
	const uint8_t *p = (const uint8_t *)text;
	size_t len = strlen(text);

	utf8_strip(&p, &len);
	ok(len == strlen(want) && memcmp(p, want, len) == 0, "strip to \"%s\"",
	    want);
}

/* Every sequence of three bytes decodes as Unicode's table 3-7 says. */
static void
check_decoding(void)
{
	size_t wrong = 0, chars = 0;

	for (uint32_t i = 0; i < 1u << 24; i += 1 + (i % 7) * (i > 1u << 22)) {
		const uint8_t p[4] = { (uint8_t)(i >> 16), (uint8_t)(i >> 8),
			(uint8_t)i, 0xbf };
		uint32_t code = 0;
		size_t len = utf8_decode(p, 4, &code);
		uint8_t back[4] = { 0 };

		if (len == 0)
			continue;
		chars++;
		if (len == 1) {
			back[0] = (uint8_t)code;
		} else {
			for (size_t k = len; k-- > 1; code >>= 6)
				back[k] = (uint8_t)(0x80 | (code & 0x3f));
			back[0] = (uint8_t)((0xf00 >> len) | code);
		}
		wrong += memcmp(p, back, len) != 0;
	}
	ok(wrong == 0 && chars > 0, "what is decoded can be encoded again");
}

static void
check_utf8(void)
{
	static const char *const invalid[] = { "\x80", "\xc0\xaf", "\xc1\xbf",
		"\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
		"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "\xc3(",
		"\xff" };
	static const struct {
		const char *text;
		size_t unfinished;
	} ends[] = { { "", 0 }, { "a", 0 }, { "a\xc3", 1 }, { "\xc3\xa9", 0 },
		{ "\xe2\x82", 2 }, { "\xe2", 1 }, { "\xf0\x9f\x98", 3 },
		{ "\xf0\x9f\x98\x80", 0 }, { "\x98\x98\x98", 0 },
		{ "\xff", 0 } };
	uint32_t code;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(invalid) / sizeof(invalid[0]); i++)
		n += utf8_decode((const uint8_t *)invalid[i],
			 strlen(invalid[i]), &code) != 0;
	ok(n == 0, "invalid sequences");
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		n += utf8_unfinished((const uint8_t *)ends[i].text,
			 strlen(ends[i].text)) != ends[i].unfinished;
	ok(n == 0, "unfinished characters");
	check_decoding();
	check_strip(" \t\r\na b\x0b\x0c ", "a b");
	check_strip("\u00a0\u3000a\u2029\u2003", "a");
	check_strip("\u200b\x1c", "\u200b\x1c");
	check_strip(" \u3000", "");
	check_strip("\x80\x80", "\x80\x80");
}

int
main(void)
{
	const struct rows_options tsv = { .format = TEXT_TSV };
	const struct rows_options named = {
		.format = TEXT_TSV, .text = "b", .id = "1"
	};
	const struct rows_options header = { .format = TEXT_TSV,
		.header = true };

	check_waiting();
	check_end(false, "", 0, 0, true, "nothing");
	check_end(false, "a\nb\n", 4, 2, true, "two lines");
	check_end(false, "a\n\nb", 4, 3, false, "the last is open");
	check_end(true, "a\0b\n\0", 5, 2, true, "NUL ends records");
	check_fault("\xff\xfe"
		    "a",
	    3, "looks like UTF-16; convert with iconv");
	check_fault("\xfe\xff", 2, "looks like UTF-16; convert with iconv");
	check_fault("\x89G2T\r\n\x1a\n", 8, "already a token stream");
	check_rows(&tsv, "t\t1\nu\t0\n", "[] 1: t\n[] 0: u\n", "no header");
	check_rows(&tsv, "label\ttext\n1\tt\n", "[] 1: t\n", "a header");
	check_rows(&tsv, "sentence\tx\nt\t1\n", "[] : t\n", "no label");
	check_rows(
	    &tsv, "a\tb\nt\n", "[] b: a\nline 2: no label", "a short row");
	check_rows(&named, "a\tb\tlabel\nx\ty\tz\n", "[x] z: y\n", "by name");
	check_rows(&header, "a\tb\nt\t1\n", "[] 1: t\n", "--header");
	check_utf8();
	return done_testing();
}
