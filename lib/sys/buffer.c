/* A growing array of bytes; see buffer.h. */
#include "sys/buffer.h"

#include <stdlib.h>
#include <string.h>

#include "sys/num.h"
#include "sys/why.h"

int
buffer_reserve(struct buffer *b, size_t more, char *why)
{
	size_t need, room;
	uint8_t *data;

	if (b->data && more <= b->room - b->len)
		return 0;
	if (!num_add(b->len, more, &need) || need > SIZE_MAX / 4) {
		why_memory(why);
		return -1;
	}
	room = num_max(num_max(b->room + b->room / 2, need), 64);
	if ((data = realloc(b->data, room)) == NULL) {
		why_memory(why);
		return -1;
	}
	b->data = data;
	b->room = room;
	return 0;
}

int
buffer_append(struct buffer *b, const void *p, size_t len, char *why)
{
	if (buffer_reserve(b, len, why) < 0)
		return -1;
	if (len > 0)
		memcpy(b->data + b->len, p, len);
	b->len += len;
	return 0;
}
