/* UTF-8 and white space, as Unicode has them. */
#ifndef TEXT_UTF8_H
#define TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The length of the character at p, of which len > 0 bytes can be read, and
 * its code point; 0 where no valid one begins: overlong forms, surrogates and
 * what is beyond U+10FFFF are invalid (Unicode 15, table 3-7).
 */
static inline size_t
utf8_decode(const uint8_t *p, size_t len, uint32_t *code)
{
	uint32_t c = p[0];

	if (c < 0x80) {
		*code = c;
		return 1;
	}
	if (len < 2 || (p[1] & 0xc0) != 0x80 || c < 0xc2)
		return 0;
	if (c < 0xe0) {
		*code = (c & 0x1f) << 6 | (p[1] & 0x3f);
		return 2;
	}
	if (len < 3 || (p[2] & 0xc0) != 0x80)
		return 0;
	if (c < 0xf0) {
		c = (c & 0x0f) << 12 | (uint32_t)(p[1] & 0x3f) << 6 |
		    (p[2] & 0x3f);
		*code = c;
		return c >= 0x800 && (c & 0xf800) != 0xd800 ? 3 : 0;
	}
	if (len < 4 || (p[3] & 0xc0) != 0x80 || c > 0xf4)
		return 0;
	c = (c & 0x07) << 18 | (uint32_t)(p[1] & 0x3f) << 12 |
	    (uint32_t)(p[2] & 0x3f) << 6 | (p[3] & 0x3f);
	*code = c;
	return c >= 0x10000 && c <= 0x10ffff ? 4 : 0;
}

/* Unicode's property White_Space. */
bool utf8_is_space(uint32_t code);

/* Takes the white space off both ends of *text. */
void utf8_strip(const uint8_t **text, size_t *len);

/*
 * How many bytes at the end begin a character whose rest is still to come,
 * at most 3.
 */
size_t utf8_unfinished(const uint8_t *, size_t len);

#endif
