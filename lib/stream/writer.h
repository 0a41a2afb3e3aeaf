/* The layer's own: a writer that goes on where another one stopped. */
#ifndef STREAM_WRITER_H
#define STREAM_WRITER_H

#include "stream/block.h"
#include "stream/stream.h"

/* How far a stream without end mark has come. */
struct stream_progress {
	uint64_t sequence, chain; /* of the next block */
	struct part_state state;
};

/* As stream_writer_open behind its last whole block, with its header. */
struct stream_writer *stream_writer_resume(struct file_out *out,
    const struct stream_header *, const struct stream_progress *, char *why);

/* Bytes given out and buffered so far. */
uint64_t stream_writer_bytes(const struct stream_writer *);

#endif
