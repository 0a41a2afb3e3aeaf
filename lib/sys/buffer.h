/*
 * A growing array of bytes. A zeroed struct is an empty buffer; free(data)
 * releases it.
 */
#ifndef SYS_BUFFER_H
#define SYS_BUFFER_H

#include <stddef.h>
#include <stdint.h>

struct buffer {
	uint8_t *data;
	size_t len;  /* bytes in use */
	size_t room; /* bytes allocated */
};

/* Makes room for more bytes behind the len in use; -1: no memory. */
int buffer_reserve(struct buffer *, size_t more, char *why);

/* Appends; -1: no memory, nothing appended. */
int buffer_append(struct buffer *, const void *, size_t len, char *why);

#endif
