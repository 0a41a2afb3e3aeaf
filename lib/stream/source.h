/* The layer's own: a file read through a buffer, with or without waiting. */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/buffer.h"

struct source {
	int fd;		  /* -1: closed */
	bool spooling;	  /* copy what is no regular file from its start … */
	int spool;	  /* … to this unlinked one; -1: none */
	const char *name; /* as typed, or "stdin" */
	struct buffer buffer;
	size_t start;	 /* of what has not been skipped, in the buffer */
	uint64_t offset; /* of the same, in the file */
	uint64_t size;	 /* of a regular file from its start, else 0 */
	bool ended;	 /* read(2) has returned 0 */
};

/* "-" is stdin. A terminal is refused. The buffer is kept from before. */
int source_open(struct source *, const char *path, char *why);

/* Closes the file; the buffer stays for the next. */
void source_close(struct source *);

/* Reads until len bytes are held: 1; 0: the file ends before; -1. */
int source_fill(struct source *, size_t len, char *why);

/* Reads once, with room for len bytes in all: -1 on error. */
int source_fill_some(struct source *, size_t len, char *why);

/* True when a read would not wait. */
bool source_readable(const struct source *);

/* What is held, and its length; valid until the next fill. */
const uint8_t *source_data(const struct source *);
size_t source_held(const struct source *);

/* Done with len of the bytes held. They stay in place until the next fill. */
void source_skip(struct source *, size_t len);

#endif
