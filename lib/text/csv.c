/*
 * Comma-separated values after RFC 4180, by libcsv. Its defaults drop blank
 * lines and the blanks around a field; both are data here.
 */
#include <csv.h>
#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/why.h"
#include "text/parse.h"
#include "text/reader.h"

struct csv {
	struct csv_parser parser;
	struct buffer text; /* of all fields of the row */
	size_t *ends;	    /* (n) of the fields in text */
	size_t n, room;
	size_t taken; /* bytes of the row so far */
	bool whole;   /* its end has been seen */
	bool failed;  /* no memory */
	char *why;
};

static int
never(unsigned char c)
{
	(void)c;
	return 0;
}

static int
ends_line(unsigned char c)
{
	return c == '\n';
}

struct csv *
csv_open(char *why)
{
	struct csv *c = calloc(1, sizeof(*c));

	if (c == NULL ||
	    csv_init(&c->parser, CSV_STRICT | CSV_REPALL_NL) != 0) {
		free(c);
		return why_memory(why);
	}
	csv_set_space_func(&c->parser, never);
	csv_set_term_func(&c->parser, ends_line);
	return c;
}

void
csv_close(struct csv *c)
{
	if (c == NULL)
		return;
	csv_free(&c->parser);
	free(c->text.data);
	free(c->ends);
	free(c);
}

/* libcsv's call for each field. */
static void
on_field(void *field, size_t len, void *arg)
{
	struct csv *c = arg;

	if (c->failed)
		return;
	if (c->n == c->room) {
		size_t room = c->room + c->room / 2 + 16;
		size_t *ends = realloc(c->ends, room * sizeof(*ends));

		if (ends == NULL) {
			why_memory(c->why);
			c->failed = true;
			return;
		}
		c->ends = ends;
		c->room = room;
	}
	if (len > 0 && buffer_append(&c->text, field, len, c->why) < 0)
		c->failed = true;
	c->ends[c->n++] = c->text.len;
}

/* libcsv's call at the end of a row. */
static void
on_row(int character, void *arg)
{
	struct csv *c = arg;

	(void)character;
	c->whole = true;
}

static int
list_fields(struct csv *c, struct fields *f, char *why)
{
	size_t start = 0;

	f->n = 0;
	if (c->n == 0)
		return fields_add(f, "", 0, why); /* a blank line */
	for (size_t i = 0; i < c->n; i++) {
		const char *text = (const char *)c->text.data;

		if (fields_add(f, c->ends[i] > start ? text + start : "",
			c->ends[i] - start, why) < 0)
			return -1;
		start = c->ends[i];
	}
	return 0;
}

/* After an error libcsv goes on where it stood: begin anew. */
static int
start_again(struct csv *c, int rc)
{
	csv_fini(&c->parser, NULL, NULL, NULL);
	c->taken = 0;
	return rc;
}

int
csv_take(
    struct csv *c, struct fields *f, const uint8_t *p, size_t len, char *why)
{
	if (c->taken == 0) {
		c->text.len = c->n = 0;
		c->whole = c->failed = false;
	}
	c->why = why;
	c->taken += len + 1;
	if (c->taken > TEXT_MOST) {
		why_set(why, "longer than %d bytes", TEXT_MOST);
		return ROWS_ERROR;
	}
	if (csv_parse(&c->parser, p, len, on_field, on_row, c) != len ||
	    csv_parse(&c->parser, "\n", 1, on_field, on_row, c) != 1) {
		if (csv_error(&c->parser) == CSV_ENOMEM) {
			why_memory(why);
			return ROWS_ERROR;
		}
		why_set(why, "a quote inside a field");
		return start_again(c, ROWS_BAD);
	}
	if (c->failed)
		return ROWS_ERROR;
	if (!c->whole)
		return 0;
	c->taken = 0;
	return list_fields(c, f, why) < 0 ? ROWS_ERROR : 1;
}
