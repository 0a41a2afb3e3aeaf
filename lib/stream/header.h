/* A stream's header as JSON: in its HEADER block, and in heads. */
#ifndef STREAM_HEADER_H
#define STREAM_HEADER_H

#include "stream/stream.h"

enum { STREAM_VERSION = 0 };

/* A header with the strings it points to. */
struct stream_header_owned {
	struct stream_header header;
	char *prefix, *suffix, *model_name;
};

/* The JSON; the caller frees it. */
char *stream_header_format(const struct stream_header *, char *why);

/* Every value is checked. stream_header_clear releases the strings. */
int stream_header_parse(
    struct stream_header_owned *, const uint8_t *, size_t len, char *why);
void stream_header_clear(struct stream_header_owned *);

#endif
