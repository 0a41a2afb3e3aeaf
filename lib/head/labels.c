/* Labels and classes; see labels.h. */
#include "head/labels.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "sys/why.h"
#include "text/utf8.h"

enum { SLOTS = 1 << 17 }; /* a power of two over MOST_CLASSES */

struct label {
	char *text;
	size_t count;
	size_t index; /* in order of appearance */
};

struct labels {
	struct label *list;
	size_t n, room;
	uint32_t slots[SLOTS]; /* index + 1 of a label, 0: free */
};

/* A decimal number: sign, digits, perhaps a fraction. */
static bool
is_number(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.')
		s += 1 + (part = strspn(s + 1, "0123456789"));
	return whole + part > 0 && *s == '\0';
}

int
labels_compare(const char *a, const char *b)
{
	bool a_number = is_number(a), b_number = is_number(b);

	if (a_number != b_number)
		return a_number ? -1 : 1;
	if (a_number) {
		double x = strtod(a, NULL), y = strtod(b, NULL);

		if (x != y)
			return x < y ? -1 : 1;
	}
	return strcmp(a, b);
}

struct labels *
labels_new(char *why)
{
	struct labels *l = calloc(1, sizeof(*l));

	return l ? l : why_memory(why);
}

void
labels_free(struct labels *l)
{
	if (l == NULL)
		return;
	for (size_t i = 0; i < l->n; i++)
		free(l->list[i].text);
	free(l->list);
	free(l);
}

int
labels_check(const char *label, size_t len, char *why)
{
	const uint8_t *p = (const uint8_t *)label;
	uint32_t code;

	if (len > MOST_LABEL)
		return why_set(why, "label longer than %d bytes", MOST_LABEL);
	for (size_t i = 0, n; i < len; i += n) {
		if ((n = utf8_decode(p + i, len - i, &code)) == 0)
			return why_set(why, "label is not UTF-8");
		if (code < ' ' || code == 0x7f)
			return why_set(why, "label has a control byte");
	}
	return 0;
}

static long
append(struct labels *l, const char *label, size_t len, char *why)
{
	if (l->n == MOST_CLASSES)
		return why_set(why, "more than %d classes", MOST_CLASSES);
	if (l->n == l->room) {
		size_t room = l->room ? l->room * 2 : 16;
		struct label *list = realloc(l->list, room * sizeof(*list));

		if (list == NULL) {
			why_memory(why);
			return -1;
		}
		l->list = list;
		l->room = room;
	}
	l->list[l->n] = (struct label){ strndup(label, len), 1, l->n };
	if (l->list[l->n].text == NULL) {
		why_memory(why);
		return -1;
	}
	return (long)l->n++;
}

long
labels_add(struct labels *l, const char *label, size_t len, char *why)
{
	uint64_t at = XXH3_64bits(label, len);
	long index;

	for (;; at++) {
		uint32_t *slot = &l->slots[at % SLOTS];
		struct label *known;

		if (*slot == 0) {
			if (labels_check(label, len, why) < 0 ||
			    (index = append(l, label, len, why)) < 0)
				return -1;
			*slot = (uint32_t)index + 1;
			return index;
		}
		known = &l->list[*slot - 1];
		if (strlen(known->text) == len &&
		    memcmp(known->text, label, len) == 0) {
			known->count++;
			return (long)*slot - 1;
		}
	}
}

size_t
labels_count(const struct labels *l)
{
	return l->n;
}

static int
compare(const void *a, const void *b)
{
	return labels_compare(
	    ((const struct label *)a)->text, ((const struct label *)b)->text);
}

char **
labels_sort(const struct labels *l, size_t *classes, size_t *counts, char *why)
{
	struct label *sorted = calloc(l->n + 1, sizeof(*sorted));
	char **texts = calloc(l->n + 1, sizeof(char *));
	bool whole = sorted && texts;

	if (whole && l->n > 0) {
		memcpy(sorted, l->list, l->n * sizeof(*sorted));
		qsort(sorted, l->n, sizeof(*sorted), compare);
	}
	for (size_t i = 0; whole && i < l->n; i++) {
		whole = (texts[i] = strdup(sorted[i].text)) != NULL;
		classes[sorted[i].index] = i;
		counts[i] = sorted[i].count;
	}
	free(sorted);
	if (whole)
		return texts;
	for (size_t i = 0; texts && i < l->n; i++)
		free(texts[i]);
	free(texts);
	return why_memory(why);
}
