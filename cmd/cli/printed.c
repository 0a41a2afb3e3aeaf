/* Predictions that some program printed; see printed.h. */
#include "cli/printed.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "head/labels.h"
#include "sys/num.h"
#include "text/reader.h"

/* One record: indices of what is true, or none, and of what was said. */
struct pair {
	size_t label, answer;
	double p;
};

enum { NONE = MOST_CLASSES };

/* The two files, read side by side. */
struct pairs {
	const char *predictions, *labels; /* names for messages */
	struct text_reader *said;
	struct rows *rows;
	const struct head *head;
	struct labels *known; /* without a head: all that occur */
	bool *is_label;	      /* (MOST_CLASSES) in the file of labels */
	bool *is_answer;      /* (MOST_CLASSES) in that of predictions */
	struct pair *list;
	size_t n, room;
};

static const char *
name_of(const char *path)
{
	return strcmp(path, "-") == 0 ? "stdin" : path;
}

static int
open_file(const char *path)
{
	int fd = STDIN_FILENO;

	if (strcmp(path, "-") != 0 &&
	    (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		cli_fail(path, strerror(errno));
	return fd;
}

_Noreturn static void
fail_line(const struct pairs *ps, const char *why)
{
	char line[WHYSZ];

	why_set(line, "line %llu: %.900s",
	    (unsigned long long)text_number(ps->said), why);
	cli_fail(ps->predictions, line);
}

/* The index of a label: the head's class, or a number of its own. */
static size_t
index_of(const struct pairs *ps, const char *label, size_t len, char *why)
{
	char shown[WHYSZ / 2];
	long i;

	if (ps->head) {
		i = (long)head_class(ps->head, label, len);
		if ((size_t)i == ps->head->K)
			i = why_set(why, "label \"%s\" not in head",
			    why_escape(shown, sizeof(shown), label, len));
	} else {
		i = labels_add(ps->known, label, len, why);
	}
	return i < 0 ? NONE : (size_t)i;
}

/* The last two fields of a line: a label and its probability. */
static void
read_answer(struct pairs *ps, struct pair *pair)
{
	static const char want[] = "want a label, a tab, a probability";
	const uint8_t *text;
	const char *label, *tab;
	size_t len;
	char number[64], *end, why[WHYSZ];
	int rc = text_read(ps->said, &text, &len, why);

	if (rc < 0)
		cli_fail(ps->predictions, why);
	if (rc == 0) {
		why_set(why, "%zu predictions, but more labels", ps->n);
		cli_fail(ps->predictions, why);
	}
	label = (const char *)text;
	if ((tab = memrchr(label, '\t', len)) == NULL)
		fail_line(ps, want);
	len -= (size_t)(tab + 1 - label);
	memcpy(number, tab + 1, num_min(len, sizeof(number) - 1));
	number[num_min(len, sizeof(number) - 1)] = '\0';
	pair->p = strtod(number, &end);
	if (len == 0 || len >= sizeof(number) || *end != '\0' ||
	    !(pair->p >= 0 && pair->p <= 1))
		fail_line(ps, want);
	len = (size_t)(tab - label);
	if ((text = memrchr(label, '\t', len)) != NULL) {
		len -= (size_t)((const char *)text + 1 - label);
		label = (const char *)text + 1;
	}
	if (len == 0)
		fail_line(ps, want);
	if ((pair->answer = index_of(ps, label, len, why)) == NONE)
		fail_line(ps, why);
	ps->is_answer[pair->answer] = true;
}

/* False where the row has no label. */
static bool
read_label(struct pairs *ps, struct pair *pair, const struct row *row,
    enum text_format format)
{
	const char *label = format == TEXT_LINES ? row->text : row->label;
	size_t len = format == TEXT_LINES ? row->text_len : row->label_len;
	struct text_reader *text = rows_reader(ps->rows);
	char why[WHYSZ], line[WHYSZ];

	pair->label = NONE;
	if (label == NULL || len == 0)
		return false;
	if ((pair->label = index_of(ps, label, len, why)) == NONE) {
		why_set(line, "%s %llu: %.900s", text_unit(text),
		    (unsigned long long)text_number(text), why);
		cli_fail(ps->labels, line);
	}
	ps->is_label[pair->label] = true;
	return true;
}

static void
keep(struct pairs *ps, struct pair pair)
{
	if (ps->n == ps->room) {
		ps->room = ps->room ? 2 * ps->room : 1024;
		ps->list = realloc(ps->list, ps->room * sizeof(*ps->list));
		if (ps->list == NULL)
			err(1, "memory");
	}
	ps->list[ps->n++] = pair;
}

static void
read_all(struct pairs *ps, struct printed *p, enum text_format format)
{
	const uint8_t *text;
	struct row row;
	size_t len;
	char why[WHYSZ];
	int rc;

	while ((rc = rows_read(ps->rows, &row, why)) > 0) {
		struct pair pair;

		p->unlabelled += !read_label(ps, &pair, &row, format);
		read_answer(ps, &pair);
		keep(ps, pair);
	}
	if (rc < 0)
		cli_fail(ps->labels, why);
	if ((rc = text_read(ps->said, &text, &len, why)) < 0)
		cli_fail(ps->predictions, why);
	if (rc > 0) {
		why_set(why, "%zu labels, but more predictions", ps->n);
		cli_fail(ps->labels, why);
	}
	p->records = ps->n;
	if (p->records == p->unlabelled)
		cli_fail(ps->labels, "no labelled records");
}

/* Where no prediction is ever a label, the names are surely others. */
static void
check_names(const struct pairs *ps)
{
	size_t common = 0;

	for (size_t i = 0; i < MOST_CLASSES; i++)
		common += ps->is_label[i] && ps->is_answer[i];
	if (common == 0)
		errx(1,
		    "%s: no prediction is one of the labels of %s: name a "
		    "head that has both names (-H)",
		    ps->predictions, ps->labels);
}

/* The classes' names, and each index's class; NULL: indices are classes. */
static size_t *
name_classes(const struct pairs *ps, struct printed *p)
{
	size_t *classes, *counts;
	char why[WHYSZ];

	if (ps->head) {
		p->K = ps->head->K;
		if ((p->names = calloc(p->K, sizeof(char *))) == NULL)
			err(1, "memory");
		for (size_t k = 0; k < p->K; k++) {
			p->names[k] = strdup(ps->head->names[k]);
			if (p->names[k] == NULL)
				err(1, "memory");
		}
		return NULL;
	}
	p->K = labels_count(ps->known);
	classes = calloc(p->K, sizeof(*classes));
	counts = calloc(p->K, sizeof(*counts));
	if (classes == NULL || counts == NULL)
		err(1, "memory");
	if ((p->names = labels_sort(ps->known, classes, counts, why)) == NULL)
		cli_die(why);
	free(counts);
	return classes;
}

static void
judge_all(const struct pairs *ps, struct printed *p)
{
	size_t *classes = name_classes(ps, p);
	char why[WHYSZ];

	if ((p->score = score_new(p->K, why)) == NULL)
		cli_die(why);
	for (size_t i = 0; i < ps->n; i++) {
		const struct pair *pair = &ps->list[i];

		if (pair->label == NONE)
			continue;
		score_add_answer(p->score,
		    classes ? classes[pair->label] : pair->label,
		    classes ? classes[pair->answer] : pair->answer, pair->p);
	}
	free(classes);
}

void
printed_judge(struct printed *p, const char *predictions, const char *labels,
    const struct rows_options *options, const struct head *head)
{
	struct text_options text = { .null = options->null };
	struct pairs ps = { .predictions = name_of(predictions),
		.labels = name_of(labels),
		.head = head };
	char why[WHYSZ];
	int said = open_file(predictions), rows = open_file(labels);

	ps.is_label = calloc(MOST_CLASSES, sizeof(bool));
	ps.is_answer = calloc(MOST_CLASSES, sizeof(bool));
	if (ps.is_label == NULL || ps.is_answer == NULL)
		err(1, "memory");
	if ((ps.said = text_reader_open(said, &text, why)) == NULL)
		cli_fail(ps.predictions, why);
	if ((ps.rows = rows_open(rows, options, why)) == NULL)
		cli_fail(ps.labels, why);
	if (head == NULL && (ps.known = labels_new(why)) == NULL)
		cli_die(why);
	read_all(&ps, p, options->format);
	if (head == NULL)
		check_names(&ps);
	judge_all(&ps, p);
	text_reader_free(ps.said);
	rows_free(ps.rows);
	labels_free(ps.known);
	close(said);
	close(rows);
	free(ps.is_label);
	free(ps.is_answer);
	free(ps.list);
}

void
printed_free(struct printed *p)
{
	for (size_t k = 0; k < p->K; k++)
		free(p->names[k]);
	free(p->names);
	score_free(p->score);
}
