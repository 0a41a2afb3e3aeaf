/* Rows as fastText's supervised mode reads them: __label__L text. */
#include <string.h>

#include "sys/why.h"
#include "text/parse.h"

static const char mark[] = "__label__";

static bool
has_mark(const char *p, size_t len)
{
	return len >= sizeof(mark) - 1 &&
	       memcmp(p, mark, sizeof(mark) - 1) == 0;
}

int
parse_fasttext(struct row *row, const uint8_t *line, size_t len, char *why)
{
	const char *p = (const char *)line, *end = p + len;

	*row = (struct row){ .text = p, .text_len = len };
	if (!has_mark(p, len))
		return 1;
	p += sizeof(mark) - 1;
	row->label = p;
	while (p < end && *p != ' ' && *p != '\t')
		p++;
	row->label_len = (size_t)(p - row->label);
	while (p < end && (*p == ' ' || *p == '\t'))
		p++;
	row->text = p;
	row->text_len = (size_t)(end - p);
	if (!has_mark(p, row->text_len))
		return 1;
	why_set(why, "more than one label");
	return ROWS_BAD;
}
