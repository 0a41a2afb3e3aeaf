/* GPT-2's stand-ins for bytes; see alphabet.h. */
#include "bpe/alphabet.h"

#include <stdbool.h>

/* Latin-1 characters that print stand for themselves. */
static bool
stands_for_itself(unsigned b)
{
	return (b >= 33 && b <= 126) || (b >= 161 && b <= 172) || b >= 174;
}

/* The others get the code points from 256 up, in order. */
void
alphabet_fill(struct alphabet *a)
{
	unsigned next = 256;
	size_t n = 0;

	for (size_t i = 0; i < sizeof(a->byte) / sizeof(a->byte[0]); i++)
		a->byte[i] = -1;
	for (unsigned b = 0; b < 256; b++) {
		if (stands_for_itself(b)) {
			a->byte[b] = (int16_t)b;
			a->order[n++] = (uint8_t)b;
		}
	}
	for (unsigned b = 0; b < 256; b++) {
		if (!stands_for_itself(b)) {
			a->byte[next++] = (int16_t)b;
			a->order[n++] = (uint8_t)b;
		}
	}
}

size_t
alphabet_decode(
    const struct alphabet *a, uint8_t *out, const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text, *end = p + len;
	size_t n = 0;

	while (p < end) {
		unsigned code = *p++;

		if (code >= 0x80) {
			if (code < 0xc2 || code > 0xc5 || p == end ||
			    (*p & 0xc0) != 0x80)
				return SIZE_MAX;
			code = (code & 0x1f) << 6 | (*p++ & 0x3f);
		}
		if (code >= sizeof(a->byte) / sizeof(a->byte[0]) ||
		    a->byte[code] < 0)
			return SIZE_MAX;
		out[n++] = (uint8_t)a->byte[code];
	}
	return n;
}
