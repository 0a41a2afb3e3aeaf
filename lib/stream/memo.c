/* Hidden states by their tokens; see memo.h. */
#include "stream/memo.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "stream/scan.h"
#include "sys/file.h"
#include "sys/map.h"
#include "sys/num.h"
#include "sys/why.h"

enum { FORGET_AT = 16 << 20 }; /* bytes of the file in memory at once */

struct entry {
	uint64_t hash; /* XXH3-64 of the tokens */
	uint64_t at;   /* where the payload begins; 0: an empty place */
};

struct memo {
	struct file_out *file;
	int fd;
	struct stream_header header;
	struct stream_header_owned first; /* the file's */
	size_t vectors_of_record;	  /* 1 where pooled, else 0 */
	size_t vector_size;

	pthread_mutex_t lock; /* of the table */
	struct entry *table;  /* (room), a power of two; probed linearly */
	size_t room, n;

	struct stream_progress progress; /* of the file's last stream … */
	bool inside;			 /* … if it has no end mark */
	struct stream_writer *writer;
	uint64_t base;	  /* where the writer's bytes begin */
	uint64_t flushed; /* bytes that can be read back */
	int64_t synced;	  /* ns */
};

/* ---- the table ---- */

static uint64_t
hash_tokens(const uint32_t *tokens, size_t n)
{
	return XXH3_64bits(tokens, n * sizeof(*tokens));
}

static void
insert(struct memo *m, struct entry e)
{
	size_t i = e.hash & (m->room - 1);

	while (m->table[i].at != 0)
		i = (i + 1) & (m->room - 1);
	m->table[i] = e;
	m->n++;
}

/* Makes room for one more: at most three of four places are taken. */
static int
grow(struct memo *m, char *why)
{
	struct entry *old = m->table;
	size_t room = m->room;

	if (m->n + 1 <= room / 4 * 3)
		return 0;
	m->room = room ? 2 * room : 1024;
	if ((m->table = calloc(m->room, sizeof(*m->table))) == NULL) {
		m->table = old;
		m->room = room;
		why_memory(why);
		return -1;
	}
	m->n = 0;
	for (size_t i = 0; i < room; i++) {
		if (old[i].at != 0)
			insert(m, old[i]);
	}
	free(old);
	return 0;
}

static int
remember(struct memo *m, uint64_t hash, uint64_t at, char *why)
{
	int rc;

	pthread_mutex_lock(&m->lock);
	if ((rc = grow(m, why)) == 0)
		insert(m, (struct entry){ hash, at });
	pthread_mutex_unlock(&m->lock);
	return rc;
}

static bool
read_at(const struct memo *m, void *to, size_t len, uint64_t at)
{
	return pread(m->fd, to, len, (off_t)at) == (ssize_t)len;
}

/* Whether the payload at this place has these tokens. */
static bool
has_tokens(const struct memo *m, uint64_t at, const uint32_t *tokens, size_t n)
{
	uint32_t head[RECORD_HEADSZ / 4], some[512];

	if (!read_at(m, head, sizeof(head), at) || head[4] != n)
		return false;
	at += RECORD_HEADSZ;
	while (n > 0) {
		size_t k = num_min(n, 512);

		if (!read_at(m, some, k * sizeof(*some), at) ||
		    memcmp(some, tokens, k * sizeof(*some)) != 0)
			return false;
		tokens += k;
		at += k * sizeof(*some);
		n -= k;
	}
	return true;
}

/*
 * Where the payload with these tokens is, or 0. What is not yet written is
 * taken for it by its hash alone, where only its being there matters.
 */
static uint64_t
look_up(struct memo *m, const uint32_t *tokens, size_t n, bool unwritten)
{
	uint64_t hash = hash_tokens(tokens, n), found = 0;

	pthread_mutex_lock(&m->lock);
	for (size_t i = hash & (m->room - 1); m->room > 0 && !found;
	     i = (i + 1) & (m->room - 1)) {
		const struct entry *e = &m->table[i];

		if (e->at == 0)
			break;
		if (e->hash == hash &&
		    (e->at < m->flushed ? has_tokens(m, e->at, tokens, n)
					: unwritten))
			found = e->at;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

uint64_t
memo_count(struct memo *m)
{
	return m->n;
}

bool
memo_find(struct memo *m, const uint32_t *tokens, size_t n, void *vectors)
{
	uint64_t at = look_up(m, tokens, n, false);
	size_t count = m->vectors_of_record ? m->vectors_of_record : n;

	return at != 0 && read_at(m, vectors, count * m->vector_size,
			      at + RECORD_HEADSZ + n * sizeof(*tokens));
}

/* ---- opening, adding, closing ---- */

/* A file being looked through. */
struct load {
	struct memo *memo;
	struct map map;
	uint64_t forgotten; /* bytes of it */
};

static int
learn(void *arg, const struct record *r, uint64_t at, char *why)
{
	struct load *l = arg;

	if (at - l->forgotten > FORGET_AT) {
		map_forget(l->map.data, at);
		l->forgotten = at;
	}
	return remember(l->memo, hash_tokens(r->tokens, r->n_tokens), at, why);
}

/* Learns what the file holds, and removes what is unfinished at its end. */
static int
load(struct memo *m, uint64_t *dropped, char *why)
{
	struct load l = { .memo = m };
	struct scan s = { .want = &m->header, .record = learn, .arg = &l };
	int rc;

	if (map_descriptor(&l.map, m->fd, why) < 0)
		return -1;
	s.data = l.map.data;
	s.size = l.map.size;
	rc = scan_run(&s, why);
	map_close(&l.map);
	m->first = s.first;
	m->progress = s.progress;
	m->inside = s.inside;
	m->base = m->flushed = s.at;
	*dropped = s.size - s.at;
	if (rc == 0 && *dropped > 0 && ftruncate(m->fd, (off_t)s.at) < 0)
		rc = why_errno(why);
	if (rc == 0 && lseek(m->fd, 0, SEEK_END) < 0)
		rc = why_errno(why);
	return rc;
}

struct memo *
memo_open(const char *path, const struct stream_header *h, uint64_t *dropped,
    char *why)
{
	struct memo *m = calloc(1, sizeof(*m));

	if (m == NULL)
		return why_memory(why);
	pthread_mutex_init(&m->lock, NULL);
	m->header = *h;
	m->vectors_of_record = h->pool == POOL_LAST;
	m->vector_size = h->n_embd * stream_dtype_size(h->dtype);
	m->file = file_append(path, why);
	m->fd = m->file ? file_descriptor(m->file) : -1;
	if (m->file == NULL || load(m, dropped, why) < 0) {
		memo_free(m);
		return NULL;
	}
	return m;
}

void
memo_free(struct memo *m)
{
	if (m == NULL)
		return;
	stream_writer_free(m->writer);
	file_abandon(m->file);
	stream_header_clear(&m->first);
	pthread_mutex_destroy(&m->lock);
	free(m->table);
	free(m);
}

/* Goes on in the last stream, or begins another with the same header. */
static int
open_writer(struct memo *m, char *why)
{
	struct stream_header h = m->header;

	if (m->first.header.vocab_size != 0)
		h.preparation = m->first.header.preparation;
	m->writer = m->inside
			? stream_writer_resume(m->file, &h, &m->progress, why)
			: stream_writer_open(m->file, &h, why);
	return m->writer ? 0 : -1;
}

int
memo_add(struct memo *m, const struct record *r, char *why)
{
	struct record bare = { .part = 1,
		.parts = 1,
		.length = (uint32_t)r->n_tokens,
		.n_tokens = r->n_tokens,
		.n_vectors = r->n_vectors,
		.tokens = r->tokens,
		.vectors = r->vectors };
	uint64_t at;

	if (look_up(m, r->tokens, r->n_tokens, true) != 0)
		return 0;
	if (m->writer == NULL && open_writer(m, why) < 0)
		return -1;
	at = m->base + stream_writer_bytes(m->writer);
	if (stream_write(m->writer, &bare, why) < 0)
		return -1;
	return remember(
	    m, hash_tokens(r->tokens, r->n_tokens), at + BLOCK_HEADSZ, why);
}

static int64_t
nanoseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int
memo_flush(struct memo *m, char *why)
{
	int64_t now = nanoseconds();

	if (m->writer == NULL)
		return 0;
	if (stream_flush(m->writer, why) < 0)
		return -1;
	pthread_mutex_lock(&m->lock);
	m->flushed = m->base + stream_writer_bytes(m->writer);
	pthread_mutex_unlock(&m->lock);
	if (now - m->synced < 1000000000)
		return 0;
	m->synced = now;
	return fdatasync(m->fd) < 0 ? why_errno(why) : 0;
}

int
memo_end(struct memo *m, char *why)
{
	if (m->writer == NULL && !m->inside)
		return 0;
	if (m->writer == NULL && open_writer(m, why) < 0)
		return -1;
	if (stream_end(m->writer, true, why) < 0)
		return -1;
	return fsync(m->fd) < 0 ? why_errno(why) : 0;
}
