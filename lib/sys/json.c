/* JSON strings of any bytes; see json.h. */
#include "sys/json.h"

#include <stdio.h>
#include <stdlib.h>

json_t *
json_bytes(const char *s, size_t len)
{
	json_t *json = json_stringn(s, len);
	char *text, *p;

	if (json || (text = p = malloc(4 * len + 1)) == NULL)
		return json;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];

		p += sprintf(p, c < 0x80 ? "%c" : "\\x%02x", c);
	}
	json = json_stringn(text, (size_t)(p - text));
	free(text);
	return json;
}
