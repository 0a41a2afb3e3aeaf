/* A file read through a buffer; see source.h. */
#include "stream/source.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/num.h"
#include "sys/why.h"

enum { READ_AT_ONCE = 1 << 18 };

int
source_open(struct source *s, const char *path, char *why)
{
	struct stat st;

	s->buffer.len = s->start = 0;
	s->offset = s->size = 0;
	s->ended = false;
	if (strcmp(path, "-") == 0) {
		s->name = "stdin";
		s->fd = STDIN_FILENO;
	} else {
		s->name = path;
		if ((s->fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
			return why_errno(why);
	}
	if (isatty(s->fd))
		return why_set(why, "is a terminal; want binary data");
	if (fstat(s->fd, &st) < 0)
		return why_errno(why);
	if (S_ISREG(st.st_mode) && lseek(s->fd, 0, SEEK_CUR) == 0)
		s->size = (uint64_t)st.st_size;
	else if (s->spooling && (s->spool = file_temporary(why)) < 0)
		return -1;
	return 0;
}

void
source_close(struct source *s)
{
	if (s->fd > STDERR_FILENO)
		close(s->fd);
	if (s->spool >= 0)
		close(s->spool);
	s->fd = s->spool = -1;
}

const uint8_t *
source_data(const struct source *s)
{
	return s->buffer.data + s->start;
}

size_t
source_held(const struct source *s)
{
	return s->buffer.len - s->start;
}

void
source_skip(struct source *s, size_t len)
{
	s->start += len;
	s->offset += len;
}

bool
source_readable(const struct source *s)
{
	struct pollfd p = { s->fd, POLLIN, 0 };

	return s->size > 0 || poll(&p, 1, 0) != 0;
}

/*
 * Blocks are multiples of 8 bytes and the front of the buffer is aligned, so
 * what is moved to the front stays aligned.
 */
int
source_fill_some(struct source *s, size_t len, char *why)
{
	size_t held = source_held(s);
	ssize_t n;

	if (s->start > 0 && (held == 0 || s->start >= READ_AT_ONCE ||
				len > s->buffer.room - s->start)) {
		memmove(s->buffer.data, s->buffer.data + s->start, held);
		s->buffer.len = held;
		s->start = 0;
	}
	if (buffer_reserve(&s->buffer,
		num_max(READ_AT_ONCE, len > held ? len - held : 0), why) < 0)
		return -1;
	do
		n = read(s->fd, s->buffer.data + s->buffer.len,
		    s->buffer.room - s->buffer.len);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return why_errno(why);
	if (s->spool >= 0 && file_write_all(s->spool,
				 s->buffer.data + s->buffer.len, (size_t)n) < 0)
		return why_set(why, "spool in $TMPDIR: %s", strerror(errno));
	s->ended = n == 0;
	s->buffer.len += (size_t)n;
	return 0;
}

int
source_fill(struct source *s, size_t len, char *why)
{
	while (source_held(s) < len) {
		if (s->ended)
			return 0;
		if (source_fill_some(s, len, why) < 0)
			return -1;
	}
	return 1;
}
