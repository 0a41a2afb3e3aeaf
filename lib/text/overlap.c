/*
 * Containment of texts; see overlap.h. A run of words is known by a polynomial
 * over their hashes (Karp & Rabin 1987), so that every run of a text follows
 * from its prefixes' sums; only runs as long as a text of the other set are
 * looked up.
 */
#include "text/overlap.h"

#include <stdint.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sys/num.h"
#include "sys/why.h"

#define MULTIPLIER 0x9e3779b97f4a7c15u

static int
grow(void **array, size_t *room, size_t n, size_t size, char *why)
{
	size_t more = num_max(2 * *room, 1024);
	void *p;

	if (n < *room)
		return 0;
	if ((p = realloc(*array, more * size)) == NULL) {
		why_memory(why);
		return -1;
	}
	*array = p;
	*room = more;
	return 0;
}

static int
add_sum(struct overlap_set *s, unsigned long long sum, char *why)
{
	size_t n = s->starts[s->n + 1];

	if (grow((void **)&s->sums, &s->sums_room, n, sizeof(*s->sums), why) <
	    0)
		return -1;
	s->sums[n] = sum;
	s->starts[s->n + 1] = n + 1;
	return 0;
}

static bool
is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r');
}

int
overlap_add(struct overlap_set *s, const char *text, size_t len, char *why)
{
	unsigned long long sum = 0;
	size_t i = 0;

	if (grow((void **)&s->starts, &s->starts_room, s->n + 2,
		sizeof(*s->starts), why) < 0)
		return -1;
	if (s->n == 0)
		s->starts[0] = 0;
	s->starts[s->n + 1] = s->starts[s->n];
	if (add_sum(s, sum, why) < 0)
		return -1;
	while (i < len) {
		size_t end = i;

		while (end < len && !is_blank(text[end]))
			end++;
		if (end > i) {
			sum = sum * MULTIPLIER + XXH64(text + i, end - i, 1);
			if (add_sum(s, sum, why) < 0)
				return -1;
		}
		i = end + 1;
	}
	s->n++;
	return 0;
}

void
overlap_clear(struct overlap_set *s)
{
	free(s->sums);
	free(s->starts);
	*s = (struct overlap_set){ NULL, NULL, 0, 0, 0 };
}

static size_t
words(const struct overlap_set *s, size_t i)
{
	return s->starts[i + 1] - s->starts[i] - 1;
}

/* The hash of words from … from + n - 1 of text i; power: MULTIPLIER^n. */
static uint64_t
run_hash(const struct overlap_set *s, size_t i, size_t from, size_t n,
    uint64_t power)
{
	const unsigned long long *sum = s->sums + s->starts[i];

	return sum[from + n] - sum[from] * power;
}

/* Whole texts by hash: open addressing, texts of equal hash linked. */
struct whole {
	size_t *slots; /* index + 1 of a text, 0: free */
	size_t *next;  /* (n) index + 1 of another text of the same hash */
	uint64_t *hashes;
	size_t mask;
	bool *lengths; /* (longest + 1) that occur */
	size_t longest;
};

static void
whole_close(struct whole *w)
{
	free(w->slots);
	free(w->next);
	free(w->hashes);
	free(w->lengths);
}

static uint64_t
power_of(size_t n)
{
	uint64_t p = 1;

	while (n-- > 0)
		p *= MULTIPLIER;
	return p;
}

static int
whole_open(struct whole *w, const struct overlap_set *s, char *why)
{
	size_t room = 16;

	while (room < 2 * s->n)
		room *= 2;
	w->mask = room - 1;
	w->longest = 0;
	for (size_t i = 0; i < s->n; i++)
		w->longest = num_max(w->longest, words(s, i));
	w->slots = calloc(room, sizeof(*w->slots));
	w->next = calloc(s->n + 1, sizeof(*w->next));
	w->hashes = calloc(s->n + 1, sizeof(*w->hashes));
	w->lengths = calloc(w->longest + 1, sizeof(*w->lengths));
	if (!w->slots || !w->next || !w->hashes || !w->lengths) {
		whole_close(w);
		why_memory(why);
		return -1;
	}
	for (size_t i = 0; i < s->n; i++) {
		size_t n = words(s, i), at;

		if (n < OVERLAP_WORDS)
			continue;
		w->lengths[n] = true;
		w->hashes[i] = run_hash(s, i, 0, n, power_of(n));
		at = w->hashes[i] & w->mask;
		while (
		    w->slots[at] && w->hashes[w->slots[at] - 1] != w->hashes[i])
			at = (at + 1) & w->mask;
		w->next[i] = w->slots[at];
		w->slots[at] = i + 1;
	}
	return 0;
}

/* The first of the whole texts with that hash, + 1; 0: none. */
static size_t
whole_find(const struct whole *w, uint64_t hash)
{
	size_t at = hash & w->mask;

	while (w->slots[at] && w->hashes[w->slots[at] - 1] != hash)
		at = (at + 1) & w->mask;
	return w->slots[at];
}

/* What to do with a run of text i that is the whole text first. */
typedef void hit_function(void *arg, size_t i, size_t first);

/* Looks up every run of the texts of s among the whole texts. */
static void
search(const struct overlap_set *s, const struct whole *w, hit_function *hit,
    void *arg)
{
	uint64_t power = power_of(OVERLAP_WORDS);

	for (size_t n = OVERLAP_WORDS; n <= w->longest;
	     n++, power *= MULTIPLIER) {
		for (size_t i = 0; w->lengths[n] && i < s->n; i++) {
			size_t count = words(s, i);

			for (size_t k = 0; k + n <= count; k++) {
				size_t first =
				    whole_find(w, run_hash(s, i, k, n, power));

				if (first)
					hit(arg, i, first - 1);
			}
		}
	}
}

static void
mark_container(void *arg, size_t i, size_t first)
{
	bool *marks = arg;

	(void)first;
	marks[i] = true;
}

static void
mark_contained(void *arg, size_t i, size_t first)
{
	bool *marks = arg;

	(void)i;
	marks[first] = true;
}

long
overlap_mark(const struct overlap_set *a, const struct overlap_set *b,
    bool *marks, char *why)
{
	struct whole of_a, of_b;
	long count = 0;

	if (whole_open(&of_a, a, why) < 0)
		return -1;
	if (whole_open(&of_b, b, why) < 0) {
		whole_close(&of_a);
		return -1;
	}
	search(b, &of_a, mark_contained, marks);
	/* Of equal texts only the last had a place of its own. */
	for (size_t i = a->n; i-- > 0;) {
		if (of_a.next[i] && marks[i])
			marks[of_a.next[i] - 1] = true;
	}
	search(a, &of_b, mark_container, marks);
	whole_close(&of_a);
	whole_close(&of_b);
	for (size_t i = 0; i < a->n; i++)
		count += marks[i];
	return count;
}

/* ---- groups: a forest, each text's parent before it or itself ---- */

static size_t
root(size_t *parents, size_t i)
{
	while (parents[i] != i) {
		parents[i] = parents[parents[i]];
		i = parents[i];
	}
	return i;
}

static void
join(void *arg, size_t i, size_t first)
{
	size_t *parents = arg, a = root(parents, i), b = root(parents, first);

	parents[num_max(a, b)] = num_min(a, b);
}

long
overlap_group(const struct overlap_set *s, size_t *groups, char *why)
{
	struct whole w;
	long count = 0;

	if (whole_open(&w, s, why) < 0)
		return -1;
	for (size_t i = 0; i < s->n; i++)
		groups[i] = i;
	search(s, &w, join, groups);
	for (size_t i = 0; i < s->n; i++) {
		if (w.next[i])
			join(groups, i, w.next[i] - 1);
	}
	whole_close(&w);
	/* A root comes before the others: numbers take the parents' place. */
	for (size_t i = 0; i < s->n; i++)
		groups[i] = root(groups, i);
	for (size_t i = 0; i < s->n; i++)
		groups[i] =
		    groups[i] == i ? (size_t)count++ : groups[groups[i]];
	return count;
}
