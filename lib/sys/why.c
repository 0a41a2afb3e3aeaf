/* Reasons for failures; see why.h. */
#include "sys/why.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int
why_set(char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, WHYSZ, fmt, ap);
	va_end(ap);
	return -1;
}

int
why_errno(char *why)
{
	return why_set(why, "%s", strerror(errno));
}

void *
why_memory(char *why)
{
	why_set(why, "memory: %s", strerror(ENOMEM));
	return NULL;
}

char *
why_escape(char *out, size_t size, const char *s, size_t len)
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < len && n + 5 <= size; i++) {
		unsigned char c = (unsigned char)s[i];

		if (c < 0x20 || c == 0x7f) {
			out[n++] = '\\';
			out[n++] = 'x';
			out[n++] = hex[c >> 4];
			out[n++] = hex[c & 15];
		} else {
			out[n++] = s[i];
		}
	}
	out[n] = '\0';
	return out;
}
