/* Containment of texts, against comparing every pair. */
#include "text/overlap.h"

#include <stdlib.h>
#include <string.h>

#include "sys/why.h"
#include "tap.h"

static char why[WHYSZ];

static void
add(struct overlap_set *s, const char *const *texts)
{
	for (size_t i = 0; texts[i]; i++)
		overlap_add(s, texts[i], strlen(texts[i]), why);
}

static void
check_known(void)
{
	static const char *const train[] = { "a very long and winding road",
		"long  and winding", "of the", "quite another thing", NULL };
	static const char *const dev[] = { "and winding road ahead",
		"and winding road", "a very long and winding road", "of the",
		"say quite another thing or two", "", NULL };
	static const bool want[] = { false, true, true, false, true, false };
	struct overlap_set a = { 0 }, b = { 0 };
	bool marks[6] = { false };

	add(&a, dev);
	add(&b, train);
	ok(overlap_mark(&a, &b, marks, why) == 3, "three of six overlap");
	for (size_t i = 0; i < 6; i++)
		ok(marks[i] == want[i], "\"%s\"", dev[i]);
	overlap_clear(&a);
	overlap_clear(&b);
}

/* Texts of few different words, so that runs recur. */
static void
make_text(char *text, unsigned *state, const char *words)
{
	size_t n;

	*state = *state * 1103515245 + 12345;
	n = (*state >> 16) % 9;
	text[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		*state = *state * 1103515245 + 12345;
		strncat(text, words + (*state >> 16) % strlen(words), 1);
		strcat(text, " ");
	}
}

/* Blanks stand behind every word, so substrings at word borders are runs. */
static bool
contains(const char *a, const char *b)
{
	size_t n = strlen(b) / 2;

	return n >= OVERLAP_WORDS && strstr(a, b) != NULL;
}

static void
check_random(void)
{
	enum { N = 60 };
	static char a[N][32], b[N][32];
	struct overlap_set sa = { 0 }, sb = { 0 };
	bool marks[N] = { false }, want[N] = { false };
	unsigned state = 7;

	for (size_t i = 0; i < N; i++) {
		make_text(a[i], &state, "xxy");
		make_text(b[i], &state, "xxy");
		overlap_add(&sa, a[i], strlen(a[i]), why);
		overlap_add(&sb, b[i], strlen(b[i]), why);
	}
	for (size_t i = 0; i < N; i++) {
		for (size_t k = 0; k < N; k++)
			want[i] |= contains(a[i], b[k]) || contains(b[k], a[i]);
	}
	overlap_mark(&sa, &sb, marks, why);
	ok(memcmp(marks, want, sizeof(marks)) == 0,
	    "the same as by comparing all pairs");
	overlap_clear(&sa);
	overlap_clear(&sb);
}

/* The groups by joining pairs until nothing changes. */
static long
group_slowly(char (*texts)[32], size_t n, size_t *groups)
{
	bool changed = true;
	long count = 0;

	for (size_t i = 0; i < n; i++)
		groups[i] = i;
	while (changed) {
		changed = false;
		for (size_t i = 0; i < n * n; i++) {
			size_t a = i / n, b = i % n;

			if (groups[a] > groups[b] &&
			    (contains(texts[a], texts[b]) ||
				contains(texts[b], texts[a]))) {
				groups[a] = groups[b];
				changed = true;
			}
		}
	}
	for (size_t i = 0; i < n; i++)
		groups[i] =
		    groups[i] == i ? (size_t)count++ : groups[groups[i]];
	return count;
}

static void
check_groups(void)
{
	enum { N = 200 };
	static char texts[N][32];
	static size_t groups[N], want[N];
	struct overlap_set s = { 0 };
	unsigned state = 3;
	long n;

	for (size_t i = 0; i < N; i++) {
		make_text(texts[i], &state, "abcd");
		overlap_add(&s, texts[i], strlen(texts[i]), why);
	}
	n = group_slowly(texts, N, want);
	ok(n > 20 && n < N - 20, "%ld groups of %d texts", n, N);
	ok(overlap_group(&s, groups, why) == n &&
		memcmp(groups, want, sizeof(want)) == 0,
	    "the same groups as by comparing all pairs");
	overlap_clear(&s);
}

int
main(void)
{
	check_known();
	check_random();
	check_groups();
	return done_testing();
}
