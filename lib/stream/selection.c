/* Some records of streams; see selection.h. */
#include "stream/selection.h"

#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "stream/cache.h"
#include "sys/why.h"

/* A record of the cache, with what it is sorted by. */
struct place {
	uint64_t key;
	size_t part; /* its first */
};

struct selection {
	struct selection_options options;
	struct stream_reader *in;   /* one after the other … */
	struct stream_cache *cache; /* … or in any order */
	struct place *places;	    /* (n) */
	size_t n, next, part;	    /* the record and part to come */
	uint64_t read;		    /* records read of the streams */
	uint64_t number;	    /* of them selected */
	bool wanted;		    /* the last one is */
	bool left;		    /* there were more */
};

static bool
selected(const struct selection_options *o, uint64_t number)
{
	return number >= o->first && number <= o->last &&
	       (number - o->first) % o->shards == o->shard - 1;
}

static int
compare_places(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->part < y->part ? -1 : x->part > y->part;
}

/* Lists the selected records; the order is that of a hash of seed and place. */
static int
list_places(struct selection *s, char *why)
{
	size_t parts = stream_cache_count(s->cache);

	if ((s->places = calloc(parts + 1, sizeof(*s->places))) == NULL) {
		why_memory(why);
		return -1;
	}
	for (size_t i = 0; i < parts; i++) {
		struct place *p = &s->places[s->n];
		uint64_t place = s->n;

		if (stream_cache_record(s->cache, i).part != 1)
			continue;
		s->wanted = selected(&s->options, ++s->read);
		if (!s->wanted)
			continue;
		p->part = i;
		if (s->options.shuffle)
			p->key = XXH64(&place, sizeof(place), s->options.seed);
		s->n++;
	}
	qsort(s->places, s->n, sizeof(*s->places), compare_places);
	return 0;
}

struct selection *
selection_open(const char *const *files, size_t n,
    const struct selection_options *options, char *why)
{
	struct selection *s = calloc(1, sizeof(*s));
	bool open;

	if (s == NULL)
		return why_memory(why);
	s->options = *options;
	if (options->shuffle || options->again) {
		s->cache = stream_cache_open(files, n, STREAM_ANY, why);
		open = s->cache && list_places(s, why) == 0;
	} else {
		s->in = stream_reader_open(files, n, STREAM_ANY, why);
		open = s->in != NULL;
	}
	if (open)
		return s;
	selection_free(s);
	return NULL;
}

void
selection_free(struct selection *s)
{
	if (s == NULL)
		return;
	stream_reader_free(s->in);
	stream_cache_free(s->cache);
	free(s->places);
	free(s);
}

const struct stream_header *
selection_header(const struct selection *s)
{
	return s->cache ? stream_cache_header(s->cache)
			: stream_reader_header(s->in);
}

static int
read_cache(struct selection *s, struct record *r)
{
	if (s->next == s->n)
		return 0;
	*r = stream_cache_record(s->cache, s->places[s->next].part + s->part);
	s->number += s->part++ == 0;
	if (r->part == r->parts) {
		s->next++;
		s->part = 0;
	}
	return 1;
}

int
selection_read(struct selection *s, struct record *r, char *why)
{
	int rc;

	if (s->cache)
		return read_cache(s, r);
	while (!s->left && (rc = stream_read(s->in, r, why)) != 0) {
		if (rc < 0)
			return -1;
		if (r->part == 1) {
			s->left = s->read == s->options.last;
			s->wanted = selected(&s->options, ++s->read);
			s->number += s->wanted;
		}
		if (s->wanted)
			return 1;
	}
	return 0;
}

void
selection_rewind(struct selection *s)
{
	s->next = s->part = 0;
	s->number = 0;
}

uint64_t
selection_number(const struct selection *s)
{
	return s->number;
}

bool
selection_ready(struct selection *s)
{
	return s->cache || stream_reader_ready(s->in);
}

bool
selection_terminated(const struct selection *s)
{
	size_t last = 0;

	if (s->in)
		return !s->wanted || stream_reader_terminated(s->in);
	for (size_t i = 0; i < s->n; i++)
		last = s->places[i].part > s->places[last].part ? i : last;
	return !s->wanted || last + 1 != s->n ||
	       stream_cache_terminated(s->cache);
}

bool
selection_reads(const struct selection *s, const struct file_out *f)
{
	return s->in && stream_reader_reads(s->in, f);
}

uint64_t
selection_bytes(const struct selection *s, uint64_t *all)
{
	*all = 0;
	return s->in ? stream_reader_bytes(s->in, all) : 0;
}
