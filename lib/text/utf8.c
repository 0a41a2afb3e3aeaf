/* UTF-8 and white space; see utf8.h. */
#include "text/utf8.h"

#include "sys/num.h"

bool
utf8_is_space(uint32_t c)
{
	if (c < 0x80)
		return c == 0x20 || (c >= 0x09 && c <= 0x0d);
	return c == 0x85 || c == 0xa0 || c == 0x1680 ||
	       (c >= 0x2000 && c <= 0x200a) || c == 0x2028 || c == 0x2029 ||
	       c == 0x202f || c == 0x205f || c == 0x3000;
}

/* The length of the white space character that ends at p + len, or 0. */
static size_t
space_before(const uint8_t *p, size_t len)
{
	uint32_t code;

	for (size_t n = 1; n <= num_min(len, 3); n++) {
		if (utf8_decode(p + len - n, n, &code) == n)
			return utf8_is_space(code) ? n : 0;
	}
	return 0;
}

void
utf8_strip(const uint8_t **text, size_t *len)
{
	const uint8_t *p = *text;
	size_t n = *len, step;
	uint32_t code;

	while (n > 0 && (step = utf8_decode(p, n, &code)) > 0 &&
	       utf8_is_space(code)) {
		p += step;
		n -= step;
	}
	while ((step = space_before(p, n)) > 0)
		n -= step;
	*text = p;
	*len = n;
}

size_t
utf8_unfinished(const uint8_t *p, size_t len)
{
	for (size_t n = 1; n <= num_min(len, 3); n++) {
		uint8_t c = p[len - n];

		if (c >= 0xc2 && c <= 0xf4)
			return n < (c < 0xe0 ? 2u : c < 0xf0 ? 3u : 4u) ? n : 0;
		if ((c & 0xc0) != 0x80)
			return 0;
	}
	return 0;
}
