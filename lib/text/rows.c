/* Rows of text; see rows.h. */
#include "text/rows.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/why.h"
#include "text/parse.h"
#include "text/reader.h"

#define NO_FIELD SIZE_MAX

struct rows {
	struct rows_options options;
	struct text_reader *reader;
	struct csv *csv;
	json_t *root; /* of the last row */
	struct fields fields;
	bool begun; /* the fields' places are known */
	bool has_header;
	size_t n_fields;	/* that every row must have */
	size_t text, label, id; /* places, from 0, or NO_FIELD */
};

enum text_format
rows_format(const char *path, enum text_format otherwise)
{
	static const char *const suffixes[] = { "", ".tsv", ".csv", ".jsonl" };
	const char *dot = strrchr(path, '.');

	for (size_t i = TEXT_TSV; dot && i <= TEXT_JSONL; i++) {
		if (strcmp(dot, suffixes[i]) == 0)
			return (enum text_format)i;
	}
	return otherwise;
}

struct rows *
rows_open(int fd, const struct rows_options *o, char *why)
{
	struct text_options t = { o->null, o->exact };
	struct rows *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return why_memory(why);
	r->options = *o;
	if ((r->reader = text_reader_open(fd, &t, why)) == NULL ||
	    (o->format == TEXT_CSV && (r->csv = csv_open(why)) == NULL)) {
		rows_free(r);
		return NULL;
	}
	return r;
}

void
rows_free(struct rows *r)
{
	if (r == NULL)
		return;
	text_reader_free(r->reader);
	csv_close(r->csv);
	json_decref(r->root);
	free(r->fields.at);
	free(r);
}

struct text_reader *
rows_reader(struct rows *r)
{
	return r->reader;
}

/* Puts the line's number in front of the reason; returns rc. */
static int
blame(const struct rows *r, uint64_t number, int rc, const char *reason,
    char *why)
{
	why_set(why, "%s %llu: %.900s", text_unit(r->reader),
	    (unsigned long long)number, reason);
	return rc;
}

/* ---- fields and their places ---- */

int
fields_add(struct fields *f, const char *text, size_t len, char *why)
{
	if (f->n == f->room) {
		size_t room = f->room + f->room / 2 + 16;
		struct field *at = realloc(f->at, room * sizeof(*at));

		if (at == NULL) {
			why_memory(why);
			return -1;
		}
		f->at = at;
		f->room = room;
	}
	f->at[f->n++] = (struct field){ text, len };
	return 0;
}

int
parse_tsv(struct fields *f, const uint8_t *p, size_t len, char *why)
{
	const char *text = (const char *)p, *end = text + len, *tab;

	f->n = 0;
	while ((tab = memchr(text, '\t', (size_t)(end - text)))) {
		if (fields_add(f, text, (size_t)(tab - text), why) < 0)
			return -1;
		text = tab + 1;
	}
	return fields_add(f, text, (size_t)(end - text), why);
}

/* The place of a field of that name in the header, or NO_FIELD. */
static size_t
find_name(const struct fields *f, const char *name)
{
	size_t len = strlen(name);

	for (size_t i = 0; i < f->n; i++) {
		if (f->at[i].len == len &&
		    memcmp(f->at[i].text, name, len) == 0)
			return i;
	}
	return NO_FIELD;
}

static bool
is_number(const char *name, uint64_t *n)
{
	return num_parse(name, strlen(name), 1u << 24, n) && *n > 0;
}

/* The place that an option gives: a number, or a name of the header. */
static int
place_option(size_t *place, const struct fields *f, const char *name,
    const char *option, char *why)
{
	uint64_t n;

	if (name == NULL)
		return 0;
	if (is_number(name, &n))
		*place = (size_t)n - 1;
	else if ((*place = find_name(f, name)) == NO_FIELD)
		return why_set(why, "no field \"%.100s\" for %s", name, option);
	return 0;
}

/*
 * Decides from the first row where the text, label and id are, and whether it
 * is a header: because an option says so or needs one, or, where no option
 * says anything, because a field is called "sentence" or "text".
 */
static int
place_fields(struct rows *r, char *why)
{
	const struct rows_options *o = &r->options;
	const char *const asked[] = { o->text, o->label, o->id };
	size_t named = find_name(&r->fields, "sentence");
	bool any = false;
	uint64_t n;

	if (named == NO_FIELD)
		named = find_name(&r->fields, "text");
	r->has_header = o->header;
	for (size_t i = 0; i < 3; i++) {
		any |= asked[i] != NULL;
		if (asked[i] && !is_number(asked[i], &n))
			r->has_header = true;
	}
	if (!any && named != NO_FIELD)
		r->has_header = true;
	r->n_fields = r->fields.n;
	r->text = 0;
	r->id = NO_FIELD;
	r->label = any ? NO_FIELD : 1;
	if (r->has_header) {
		r->label = find_name(&r->fields, "label");
		if (named != NO_FIELD)
			r->text = named;
		else if (!any && r->label == NO_FIELD)
			r->label = 1;
	}
	if (place_option(&r->text, &r->fields, o->text, "--text", why) < 0 ||
	    place_option(&r->label, &r->fields, o->label, "--label", why) < 0)
		return -1;
	return place_option(&r->id, &r->fields, o->id, "--id", why);
}

/* The field at a place, or -1 "no WHAT" where the row is too short. */
static int
take_field(const struct rows *r, size_t place, const char **text, size_t *len,
    const char *what, char *why)
{
	*text = NULL;
	*len = 0;
	if (place == NO_FIELD)
		return 0;
	if (place >= r->fields.n)
		return why_set(why, "no %s", what);
	*text = r->fields.at[place].text;
	*len = r->fields.at[place].len;
	return 0;
}

static int
take_fields(const struct rows *r, struct row *row, char *why)
{
	if (take_field(r, r->text, &row->text, &row->text_len, "text", why) <
		0 ||
	    take_field(
		r, r->label, &row->label, &row->label_len, "label", why) < 0 ||
	    take_field(r, r->id, &row->id, &row->id_len, "id", why) < 0)
		return ROWS_BAD;
	if (r->fields.n != r->n_fields) {
		why_set(why, "%zu fields, want %zu", r->fields.n, r->n_fields);
		return ROWS_BAD;
	}
	return 1;
}

/* Reads one row's fields: as rows_read; *number is its first line's. */
static int
read_fields(struct rows *r, uint64_t *number, char *why)
{
	const uint8_t *p;
	char reason[WHYSZ];
	size_t len;
	int rc = text_read(r->reader, &p, &len, why);

	*number = text_number(r->reader);
	if (rc <= 0)
		return rc;
	if (r->options.format == TEXT_TSV)
		return parse_tsv(&r->fields, p, len, why) < 0 ? -1 : 1;
	while ((rc = csv_take(r->csv, &r->fields, p, len, reason)) == 0) {
		rc = text_read(r->reader, &p, &len, why);
		if (rc < 0)
			return -1;
		if (rc == 0)
			return blame(r, *number, ROWS_ERROR,
			    "a quoted field does not end", why);
	}
	return rc < 0 ? blame(r, *number, rc, reason, why) : 1;
}

static int
read_table(struct rows *r, struct row *row, uint64_t *number, char *why)
{
	char reason[WHYSZ];
	int rc = read_fields(r, number, why);

	if (rc == 1 && !r->begun) {
		if (place_fields(r, reason) < 0)
			return blame(r, *number, ROWS_ERROR, reason, why);
		r->begun = true;
		if (r->has_header)
			rc = read_fields(r, number, why);
	}
	if (rc != 1)
		return rc;
	rc = take_fields(r, row, reason);
	return rc < 0 ? blame(r, *number, rc, reason, why) : rc;
}

/* ---- any row ---- */

static int
read_record(struct rows *r, struct row *row, uint64_t *number, char *why)
{
	const uint8_t *p;
	char reason[WHYSZ];
	size_t len;
	int rc = text_read(r->reader, &p, &len, why);

	*number = text_number(r->reader);
	if (rc <= 0)
		return rc;
	*row = (struct row){ .text = (const char *)p, .text_len = len };
	if (r->options.format == TEXT_JSONL) {
		json_decref(r->root);
		r->root = NULL;
		rc = parse_json(row, &r->root, &r->options, p, len, reason);
	} else if (r->options.format == TEXT_FASTTEXT) {
		rc = parse_fasttext(row, p, len, reason);
	}
	return rc < 0 ? blame(r, *number, rc, reason, why) : 1;
}

/* Labels and ids stand in lines of text and in messages. */
static int
check_name(const char *p, size_t len, const char *what, char *why)
{
	if (len > LABEL_MOST)
		return why_set(
		    why, "%s longer than %d bytes", what, LABEL_MOST);
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return why_set(why, "%s has a control byte", what);
	}
	return 0;
}

int
rows_read(struct rows *r, struct row *row, char *why)
{
	const enum text_format format = r->options.format;
	char reason[WHYSZ];
	uint64_t number;
	int rc;

	if (format == TEXT_TSV || format == TEXT_CSV)
		rc = read_table(r, row, &number, why);
	else
		rc = read_record(r, row, &number, why);
	if (rc <= 0 || format == TEXT_LINES)
		return rc;
	if (row->label_len == 0)
		row->label = NULL; /* unlabelled */
	if (check_name(row->label, row->label_len, "label", reason) < 0 ||
	    check_name(row->id, row->id_len, "id", reason) < 0)
		return blame(r, number, ROWS_BAD, reason, why);
	return 1;
}
