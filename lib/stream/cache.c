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
	struct stream_reader *first; /* owns the header */
	struct map *maps;	     /* (n_files) */
	size_t n_files;
	struct buffer places;
	bool terminated;
};

/* Notes where the records are, to the stream's end, and maps its file. */
static int
read_places(struct stream_cache *c, struct stream_reader *r, char *why)
{
	struct map *map = &c->maps[c->n_files];
	struct place p = { 0, 0, (uint32_t)c->n_files };
	struct record record;
	int rc;

	while ((rc = stream_read(r, &record, why)) > 0) {
		p.offset = stream_reader_payload(r, &p.len);
		if (buffer_append(&c->places, &p, sizeof(p), why) < 0)
			return -1;
	}
	if (rc < 0 || map_descriptor(map, stream_reader_descriptor(r), why) < 0)
		return -1;
	c->n_files++;
	c->terminated = stream_reader_terminated(r);
	if (p.offset + p.len > map->size)
		return why_set(why, "%s: a file was cut short while in use",
		    stream_reader_name(r));
	return 0;
}

static int
read_file(struct stream_cache *c, const char *const *file,
    enum stream_kind kind, char *why)
{
	struct stream_reader *r = stream_reader_spool(file, kind, why);
	char reason[WHYSZ];
	int rc = 0;

	if (r == NULL)
		return -1;
	if (c->first == NULL)
		c->first = r;
	else if (stream_header_compare(stream_reader_header(r),
		     stream_cache_header(c), reason) < 0)
		rc = why_set(why, "%s: %.700s", stream_reader_name(r), reason);
	if (rc == 0)
		rc = read_places(c, r, why);
	if (r != c->first)
		stream_reader_free(r);
	return rc;
}

struct stream_cache *
stream_cache_open(
    const char *const *files, size_t n, enum stream_kind kind, char *why)
{
	static const char *const standard_input[] = { "-" };
	struct stream_cache *c = calloc(1, sizeof(*c));

	if (c == NULL)
		return why_memory(why);
	if (n == 0) {
		files = standard_input;
		n = 1;
	}
	if ((c->maps = calloc(n, sizeof(*c->maps))) == NULL) {
		stream_cache_free(c);
		return why_memory(why);
	}
	for (size_t i = 0; i < n; i++) {
		if (read_file(c, &files[i], kind, why) < 0) {
			stream_cache_free(c);
			return NULL;
		}
	}
	return c;
}

void
stream_cache_free(struct stream_cache *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < c->n_files; i++)
		map_close(&c->maps[i]);
	stream_reader_free(c->first);
	free(c->maps);
	free(c->places.data);
	free(c);
}

const struct stream_header *
stream_cache_header(const struct stream_cache *c)
{
	return stream_reader_header(c->first);
}

size_t
stream_cache_count(const struct stream_cache *c)
{
	return c->places.len / sizeof(struct place);
}

bool
stream_cache_terminated(const struct stream_cache *c)
{
	return c->terminated;
}

void
stream_cache_want(const struct stream_cache *c, size_t i)
{
	const struct place *p = (const struct place *)(void *)c->places.data;
	const struct map *map = &c->maps[p[i].file];
	size_t end = map->size;

	if (i + 1 < stream_cache_count(c) && p[i + 1].file == p[i].file)
		end = p[i + 1].offset;
	map_want(map->data + p[i].offset, end - p[i].offset);
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
