/*
 * Rows of every text format. The first three bytes choose the format and the
 * fields, the rest is the file.
 */
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "sys/why.h"
#include "text/reader.h"
#include "text/rows.h"

/* A label or id stands in lines and messages. */
static void
check_name(const char *name, size_t len)
{
	MUST(len <= LABEL_MOST);
	for (size_t i = 0; i < len; i++)
		MUST((uint8_t)name[i] >= 0x20 && name[i] != 0x7f);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const fields[] = { NULL, "1", "2", "text", "label",
		"id", "9", NULL };
	struct rows_options o = { TEXT_LINES, false, false, false, NULL, NULL,
		NULL };
	struct rows *rows;
	struct row row;
	char why[WHYSZ];
	uint64_t sum = 0, n = 0;
	int fd, rc;

	if (size < 3)
		return 0;
	o.format = (enum text_format)(data[0] % 5);
	o.null = data[0] >> 3 & 1;
	o.exact = data[0] >> 4 & 1;
	o.header = data[0] >> 5 & 1;
	o.text = fields[data[1] & 7];
	o.label = fields[data[1] >> 3 & 7];
	o.id = fields[data[2] & 7];
	fd = fuzz_file(data + 3, size - 3);
	MUST((rows = rows_open(fd, &o, why)) != NULL);
	while ((rc = rows_read(rows, &row, why)) == 1 || rc == ROWS_BAD) {
		MUST(++n <= size);
		if (rc == ROWS_BAD) {
			MUST(strlen(why) < WHYSZ && why[0] != '\0');
			continue;
		}
		for (size_t i = 0; i < row.text_len; i++)
			sum += (uint8_t)row.text[i];
		MUST(row.text_len <= size);
		check_name(row.label, row.label ? row.label_len : 0);
		check_name(row.id, row.id ? row.id_len : 0);
	}
	MUST(rc == 0 || why[0] != '\0');
	MUST(text_bytes(rows_reader(rows)) <= size);
	rows_free(rows);
	close(fd);
	return 0;
}
