/* Records of text; see reader.h. */
#include "text/reader.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/buffer.h"
#include "sys/num.h"
#include "sys/why.h"

enum { READ_AT_ONCE = 1 << 18 };

struct text_reader {
	int fd;
	int delimiter;
	bool exact;
	bool ended, terminated;
	int error; /* errno of a read that failed; 0: none */
	struct buffer buffer;
	size_t start;	/* of the record to come */
	size_t scanned; /* no delimiter before this */
	bool found;	/* buffer.data[scanned] is the delimiter */
	uint64_t number, bytes;
};

struct text_reader *
text_reader_open(int fd, const struct text_options *o, char *why)
{
	struct text_reader *t = calloc(1, sizeof(*t));

	if (t == NULL)
		return why_memory(why);
	t->fd = fd;
	t->delimiter = o->null ? '\0' : '\n';
	t->exact = o->exact;
	t->terminated = true;
	if (buffer_reserve(&t->buffer, 2 * READ_AT_ONCE, why) < 0) {
		free(t);
		return NULL;
	}
	return t;
}

void
text_reader_free(struct text_reader *t)
{
	if (t == NULL)
		return;
	free(t->buffer.data);
	free(t);
}

/* True once a whole record is held. */
static bool
find_delimiter(struct text_reader *t)
{
	const uint8_t *from = t->buffer.data + t->scanned, *p;

	if (t->found)
		return true;
	p = memchr(from, t->delimiter, t->buffer.len - t->scanned);
	t->found = p != NULL;
	t->scanned = p ? (size_t)(p - t->buffer.data) : t->buffer.len;
	return t->found;
}

/* Reads once. 0 at the end too; -1: no memory. */
static int
fill(struct text_reader *t, char *why)
{
	size_t held = t->buffer.len - t->start;
	ssize_t n;

	if (t->start > 0) {
		memmove(t->buffer.data, t->buffer.data + t->start, held);
		t->buffer.len = held;
		t->scanned -= t->start;
		t->start = 0;
	}
	if (buffer_reserve(&t->buffer, READ_AT_ONCE, why) < 0)
		return -1;
	do
		n = read(t->fd, t->buffer.data + t->buffer.len,
		    num_min(t->buffer.room - t->buffer.len, READ_AT_ONCE));
	while (n < 0 && errno == EINTR);
	if (n < 0)
		t->error = errno;
	if (n <= 0)
		t->ended = true;
	else
		t->buffer.len += (size_t)n;
	return 0;
}

/* A record that is whole, or already too long, or the last. */
static bool
is_decided(struct text_reader *t)
{
	return find_delimiter(t) || t->ended ||
	       t->buffer.len - t->start > TEXT_MOST + 1;
}

bool
text_ready(struct text_reader *t)
{
	char why[WHYSZ];

	while (!is_decided(t)) {
		struct pollfd p = { t->fd, POLLIN, 0 };

		if (poll(&p, 1, 0) == 0)
			return false;
		if (fill(t, why) < 0)
			return true;
	}
	return true;
}

/* What can be told from the first record: 0, or -1. */
static int
check_first(struct text_reader *t, char *why)
{
	const uint8_t *p = t->buffer.data + t->start;
	size_t len = t->scanned - t->start;

	if (len >= 4 && memcmp(p, "\x89G2T", 4) == 0)
		return why_set(why, "already a token stream");
	if (len >= 2 &&
	    (memcmp(p, "\xff\xfe", 2) == 0 || memcmp(p, "\xfe\xff", 2) == 0))
		return why_set(why, "looks like UTF-16; convert with iconv");
	if (len >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
		t->start += 3;
	return 0;
}

int
text_read(struct text_reader *t, const uint8_t **text, size_t *len, char *why)
{
	while (!is_decided(t)) {
		if (fill(t, why) < 0)
			return -1;
	}
	if (t->error)
		return why_set(why, "%s", strerror(t->error));
	if (!t->found && t->start == t->buffer.len)
		return 0;
	if (t->number == 0 && !t->exact && check_first(t, why) < 0)
		return -1;
	if (!t->found && t->start == t->buffer.len)
		return 0; /* a byte order mark and nothing else */
	t->number++;
	*text = t->buffer.data + t->start;
	*len = t->scanned - t->start;
	if (!t->exact && t->found && t->delimiter == '\n' && *len > 0 &&
	    (*text)[*len - 1] == '\r')
		--*len;
	if (*len > TEXT_MOST)
		return why_set(why, "%s %llu: longer than %d bytes",
		    text_unit(t), (unsigned long long)t->number, TEXT_MOST);
	t->terminated = t->found;
	t->bytes += t->scanned + t->found - t->start;
	t->start = t->scanned = t->scanned + t->found;
	t->found = false;
	return 1;
}

const char *
text_unit(const struct text_reader *t)
{
	return t->delimiter == '\n' ? "line" : "record";
}

uint64_t
text_number(const struct text_reader *t)
{
	return t->number;
}

bool
text_terminated(const struct text_reader *t)
{
	return t->terminated;
}

uint64_t
text_bytes(const struct text_reader *t)
{
	return t->bytes;
}
