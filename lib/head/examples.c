/* The labelled records of a cached stream; see examples.h. */
#include "head/examples.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "head/labels.h"
#include "sys/buffer.h"
#include "sys/num.h"
#include "sys/why.h"

struct examples_id {
	XXH3_state_t *state;
};

struct examples_id *
examples_id_new(char *why)
{
	struct examples_id *id = malloc(sizeof(*id));

	if (id && (id->state = XXH3_createState()) == NULL) {
		free(id);
		id = NULL;
	}
	if (id == NULL)
		return why_memory(why);
	XXH3_128bits_reset(id->state);
	return id;
}

void
examples_id_add(struct examples_id *id, const struct record *r)
{
	uint64_t sizes[3] = { r->n_tokens, r->label_len, r->part };

	XXH3_128bits_update(id->state, sizes, sizeof(sizes));
	XXH3_128bits_update(
	    id->state, r->tokens, r->n_tokens * sizeof(*r->tokens));
	XXH3_128bits_update(id->state, r->label, r->label_len);
}

void
examples_id_end(struct examples_id *id, char out[STREAM_IDSZ])
{
	XXH128_hash_t h = XXH3_128bits_digest(id->state);

	snprintf(out, STREAM_IDSZ, "%016llx%016llx",
	    (unsigned long long)h.high64, (unsigned long long)h.low64);
	XXH3_freeState(id->state);
	free(id);
}

/* Finds the class, or the index of a new label, of a record: -1 with why. */
struct classify {
	struct labels *labels;	 /* learning */
	const struct head *head; /* or known */
};

static long
classify(const struct classify *c, const struct record *r, char *why)
{
	char label[256];
	size_t k;

	if (c->labels)
		return labels_add(c->labels, r->label, r->label_len, why);
	k = head_class(c->head, r->label, r->label_len);
	if (k == c->head->K)
		return why_set(why, "label \"%s\" not in head",
		    why_escape(label, sizeof(label), r->label, r->label_len));
	return (long)k;
}

/* Adds the record whose first part is i. */
static int
add_example(struct examples *e, struct buffer *list, const struct classify *c,
    size_t i, size_t record, char *why)
{
	struct record r = stream_cache_record(e->cache, i), part = r;
	struct example example = { i, 0, 0 };
	char reason[WHYSZ];
	long class;

	if (r.label == NULL || r.label_len == 0) {
		e->unlabelled++;
		return 0;
	}
	if ((class = classify(c, &r, reason)) < 0)
		return why_set(why, "record %zu: %.900s", record, reason);
	example.class = (uint32_t) class;
	/* The last part alone is sure to say how many there are. */
	do {
		part = stream_cache_record(e->cache, i + example.parts++);
		e->tokens += part.n_tokens;
		e->longest = num_max(e->longest, part.n_tokens);
	} while (part.part != part.parts);
	e->parts += example.parts;
	e->cut += r.was_cut;
	e->n++;
	return buffer_append(list, &example, sizeof(example), why);
}

static int
collect(struct examples *e, const struct classify *c, char *why)
{
	struct examples_id *id = examples_id_new(why);
	struct buffer list = { NULL, 0, 0 };
	size_t records = 0;
	int rc = id ? 0 : -1;

	for (size_t i = 0; rc == 0 && i < stream_cache_count(e->cache); i++) {
		struct record r = stream_cache_record(e->cache, i);

		examples_id_add(id, &r);
		if (r.part == 1)
			rc = add_example(e, &list, c, i, ++records, why);
	}
	if (id)
		examples_id_end(id, e->id);
	e->list = (struct example *)(void *)list.data;
	return rc;
}

/* For sorting: a hash of an example's tokens, its class and its place. */
struct print {
	uint64_t hash;
	uint32_t class;
	size_t place;
};

static int
compare_prints(const void *a, const void *b)
{
	const struct print *x = a, *y = b;

	if (x->hash != y->hash)
		return x->hash < y->hash ? -1 : 1;
	return x->place < y->place ? -1 : 1;
}

/* Counts examples whose tokens came before, and those that contradict. */
static int
count_duplicates(struct examples *e, char *why)
{
	struct print *prints = calloc(e->n + 1, sizeof(*prints));

	if (prints == NULL) {
		why_memory(why);
		return -1;
	}
	for (size_t i = 0; i < e->n; i++) {
		prints[i].class = e->list[i].class;
		prints[i].place = i;
		for (size_t k = 0; k < e->list[i].parts; k++) {
			struct record r =
			    stream_cache_record(e->cache, e->list[i].first + k);

			prints[i].hash = XXH64(r.tokens,
			    r.n_tokens * sizeof(*r.tokens), prints[i].hash);
		}
	}
	qsort(prints, e->n, sizeof(*prints), compare_prints);
	for (size_t i = 1, first = 0; i < e->n; i++) {
		if (prints[i].hash != prints[first].hash) {
			first = i;
			continue;
		}
		e->duplicates++;
		e->contradictions += prints[i].class != prints[first].class;
	}
	free(prints);
	return 0;
}

static struct examples *
gather(const struct stream_cache *cache, const struct classify *c, char *why)
{
	struct examples *e = calloc(1, sizeof(*e));

	if (e == NULL)
		return why_memory(why);
	e->cache = cache;
	if (collect(e, c, why) < 0 || count_duplicates(e, why) < 0) {
		examples_free(e);
		return NULL;
	}
	return e;
}

/* Gives the classes to the head, and the examples their final numbers. */
static int
settle(struct examples *e, const struct labels *labels, struct head *h,
    size_t **counts, char *why)
{
	size_t K = labels_count(labels);
	size_t *classes = calloc(K + 1, sizeof(*classes));

	*counts = calloc(K + 1, sizeof(**counts));
	h->names = calloc(K + 1, sizeof(char *));
	if (classes && *counts && h->names)
		h->labels = labels_sort(labels, classes, *counts, why);
	if (h->labels == NULL) {
		free(classes);
		why_memory(why);
		return -1;
	}
	h->K = K;
	for (size_t i = 0; i < e->n; i++)
		e->list[i].class = (uint32_t)classes[e->list[i].class];
	free(classes);
	for (size_t k = 0; k < K; k++) {
		if ((h->names[k] = strdup(h->labels[k])) == NULL) {
			why_memory(why);
			return -1;
		}
	}
	return 0;
}

struct examples *
examples_learn(const struct stream_cache *cache, struct head *h,
    size_t **counts, char *why)
{
	struct classify c = { labels_new(why), NULL };
	struct examples *e = c.labels ? gather(cache, &c, why) : NULL;
	int rc = 0;

	*counts = NULL;
	if (e && e->n == 0)
		rc = why_set(why, "no examples");
	if (e && rc == 0)
		rc = settle(e, c.labels, h, counts, why);
	if (e && rc == 0 && h->K < 2)
		rc = why_set(why, "only one class (\"%s\")", h->labels[0]);
	labels_free(c.labels);
	if (rc < 0) {
		free(*counts);
		*counts = NULL;
		examples_free(e);
		return NULL;
	}
	return e;
}

struct examples *
examples_open(const struct stream_cache *cache, const struct head *h, char *why)
{
	struct classify c = { NULL, h };

	return gather(cache, &c, why);
}

/* A group of examples, and what it is sorted by. */
struct group {
	uint64_t key;
	size_t number, n;
	bool taken;
};

static int
compare_groups(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	if (x->key != y->key)
		return x->key < y->key ? -1 : 1;
	return x->number < y->number ? -1 : x->number > y->number;
}

static int
compare_numbers(const void *a, const void *b)
{
	const struct group *x = a, *y = b;

	return x->number < y->number ? -1 : x->number > y->number;
}

/* Takes groups in the order of a hash, those that still fit, up to target. */
static void
take_groups(struct group *list, size_t n, size_t target)
{
	size_t taken = 0;

	qsort(list, n, sizeof(*list), compare_groups);
	for (size_t i = 0; i < n && taken < target; i++) {
		list[i].taken = taken + list[i].n <= target;
		taken += list[i].taken ? list[i].n : 0;
	}
	qsort(list, n, sizeof(*list), compare_numbers);
}

/* (groups) of the examples, as yet none taken; *n becomes how many. */
static struct group *
list_groups(
    const struct examples *e, const size_t *groups, uint64_t seed, size_t *n)
{
	struct group *list = calloc(e->n + 1, sizeof(*list));

	*n = 0;
	for (size_t i = 0; list && i < e->n; i++) {
		uint64_t number = groups[i];
		struct group *g = &list[number];

		if (g->n++ > 0)
			continue;
		g->number = number;
		g->key = XXH64(&number, sizeof(number), seed);
		*n = num_max(*n, number + 1);
	}
	return list;
}

/* Counts what the list of examples says; id and duplicates too. */
static int
count_examples(struct examples *e, size_t K, size_t *counts, char *why)
{
	struct examples_id *id = examples_id_new(why);

	if (id == NULL)
		return -1;
	e->parts = e->tokens = e->longest = e->cut = 0;
	e->duplicates = e->contradictions = 0;
	memset(counts, 0, K * sizeof(*counts));
	for (size_t i = 0; i < e->n; i++) {
		const struct example *x = &e->list[i];

		counts[x->class]++;
		e->parts += x->parts;
		for (size_t k = 0; k < x->parts; k++) {
			struct record r =
			    stream_cache_record(e->cache, x->first + k);

			examples_id_add(id, &r);
			e->tokens += r.n_tokens;
			e->longest = num_max(e->longest, r.n_tokens);
			e->cut += k == 0 && r.was_cut;
		}
	}
	examples_id_end(id, e->id);
	return count_duplicates(e, why);
}

/* Moves the examples of taken groups from e to the other set. */
static void
move_examples(struct examples *e, struct examples *taken,
    const struct group *list, const size_t *groups)
{
	size_t left = 0;

	for (size_t i = 0; i < e->n; i++) {
		if (list[groups[i]].taken)
			taken->list[taken->n++] = e->list[i];
		else
			e->list[left++] = e->list[i];
	}
	e->n = left;
}

struct examples *
examples_split(struct examples *e, const size_t *groups, double share,
    uint64_t seed, size_t K, size_t *counts, char *why)
{
	size_t n, target = num_max((size_t)(share * (double)e->n + 0.5), 1);
	struct group *list = list_groups(e, groups, seed, &n);
	struct examples *taken = calloc(1, sizeof(*taken));
	int rc = 0;

	if (taken)
		taken->list = calloc(e->n, sizeof(*taken->list));
	if (list == NULL || taken == NULL || taken->list == NULL) {
		why_memory(why);
		rc = -1;
	} else {
		taken->cache = e->cache;
		take_groups(list, n, target);
		move_examples(e, taken, list, groups);
	}
	if (rc == 0 && (taken->n == 0 || e->n == 0))
		rc = why_set(why, "cannot be split: the records hang together");
	if (rc == 0 && (count_examples(taken, K, counts, why) < 0 ||
			   count_examples(e, K, counts, why) < 0))
		rc = -1;
	free(list);
	if (rc == 0)
		return taken;
	examples_free(taken);
	return NULL;
}

void
examples_free(struct examples *e)
{
	if (e == NULL)
		return;
	free(e->list);
	free(e);
}
