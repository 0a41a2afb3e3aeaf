/* Whole hidden-state streams in memory; see cache.h. */
#include "stream/cache.h"

#include <stdlib.h>

#include "stream/block.h"
#include "stream/header.h"
#include "stream/reader.h"
#include "sys/buffer.h"
#include "sys/map.h"
#include "sys/why.h"

/* Where a part lies. */
struct place {
	uint64_t offset; /* of its payload */
	uint32_t len;
	uint32_t file;
};

struct stream_cache {
	struct stream_reader **readers; /* (n_files) they own the headers */
	struct map *maps;		/* (n_files) */
	size_t n_files;
	struct buffer places;
};

/* Reads file i to its end, notes where its records are, and maps it. */
static int
read_file(struct stream_cache *c, const char *const *file, char *why)
{
	uint32_t i = (uint32_t)c->n_files;
	struct stream_reader *r;
	struct record record;
	int rc;

	if ((r = stream_reader_spool(file, STREAM_HIDDEN, why)) == NULL)
		return -1;
	c->readers[c->n_files] = r;
	c->maps[c->n_files] = (struct map){ NULL, 0 };
	c->n_files++;
	while ((rc = stream_read(r, &record, why)) > 0) {
		struct place p = { 0, 0, i };

		p.offset = stream_reader_payload(r, &p.len);
		if (buffer_append(&c->places, &p, sizeof(p), why) < 0)
			return -1;
	}
	if (rc < 0 ||
	    map_descriptor(&c->maps[i], stream_reader_descriptor(r), why) < 0)
		return -1;
	return 0;
}

static int
read_files(
    struct stream_cache *c, const char *const *files, size_t n, char *why)
{
	char reason[WHYSZ];

	for (size_t i = 0; i < n; i++) {
		if (read_file(c, &files[i], why) < 0)
			return -1;
		if (stream_header_compare(stream_reader_header(c->readers[i]),
			stream_cache_header(c), reason) < 0)
			return why_set(why, "%.300s: %.700s", files[i], reason);
	}
	return 0;
}

struct stream_cache *
stream_cache_open(const char *const *files, size_t n, char *why)
{
	static const char *const standard_input[] = { "-" };
	struct stream_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return why_memory(why);
	if (n == 0) {
		files = standard_input;
		n = 1;
	}
	c->readers = calloc(n, sizeof(struct stream_reader *));
	c->maps = calloc(n, sizeof(*c->maps));
	if (c->readers == NULL || c->maps == NULL) {
		why_memory(why);
		stream_cache_free(c);
		return NULL;
	}
	if (read_files(c, files, n, why) < 0) {
		stream_cache_free(c);
		return NULL;
	}
	return c;
}

void
stream_cache_free(struct stream_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_files; i++) {
		map_close(&c->maps[i]);
		stream_reader_free(c->readers[i]);
	}
	free(c->readers);
	free(c->maps);
	free(c->places.data);
	free(c);
}

const struct stream_header *
stream_cache_header(const struct stream_cache *c)
{
	return stream_reader_header(c->readers[0]);
}

size_t
stream_cache_count(const struct stream_cache *c)
{
	return c->places.len / sizeof(struct place);
}

struct record
stream_cache_record(const struct stream_cache *c, size_t i)
{
	const struct place *p = (const struct place *)(void *)c->places.data;
	const struct map *map = &c->maps[p[i].file];
	struct record r;

	record_point(&r, map->data + p[i].offset, stream_cache_header(c));
	return r;
}
