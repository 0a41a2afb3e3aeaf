/* The layer's own: a reader whose file can be mapped after it was read. */
#ifndef STREAM_READER_H
#define STREAM_READER_H

#include "stream/stream.h"

/*
 * As stream_reader_open for one file; what is read of anything but a regular
 * file is also written to an unlinked one.
 */
struct stream_reader *stream_reader_spool(
    const char *const *file, enum stream_kind, char *why);

/* The regular file's descriptor, which stays the reader's. */
int stream_reader_descriptor(const struct stream_reader *);

/* Where the last record's payload lies in that file, and its length. */
uint64_t stream_reader_payload(const struct stream_reader *, uint32_t *len);

#endif
