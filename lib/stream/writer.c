/* Writing a stream; see stream.h. */
#include <stdlib.h>
#include <string.h>

#include "stream/block.h"
#include "stream/header.h"
#include "stream/writer.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/why.h"

enum { WRITE_AT = 1 << 18 }; /* bytes buffered before they are written */

struct stream_writer {
	struct file_out *out;
	struct buffer pending;
	struct part_state state;
	struct stream_header header; /* for sizes; its strings may be gone */
	size_t vector_size;	     /* bytes of one vector */
	uint64_t sequence, chain;
	uint64_t written; /* bytes */
};

/* Makes room for a block's head; its payload is appended behind. */
static int
begin_block(struct stream_writer *w, char *why)
{
	if (buffer_reserve(&w->pending, BLOCK_HEADSZ, why) < 0)
		return -1;
	w->pending.len += BLOCK_HEADSZ;
	return 0;
}

/* Pads the payload that began at start + BLOCK_HEADSZ and seals the block. */
static int
end_block(struct stream_writer *w, uint32_t type, size_t start, char *why)
{
	size_t len = w->pending.len - start - BLOCK_HEADSZ, padding;

	if (len > BLOCK_MOST)
		return why_set(why, "record too long for a stream");
	padding = block_padded((uint32_t)len) - len;
	if (buffer_reserve(&w->pending, padding, why) < 0)
		return -1;
	memset(w->pending.data + w->pending.len, 0, padding);
	w->pending.len += padding;
	block_seal(w->pending.data + start, type, (uint32_t)len, w->sequence++,
	    &w->chain);
	return 0;
}

static int
write_header(struct stream_writer *w, const struct stream_header *h, char *why)
{
	char *text = stream_header_format(h, why);
	size_t start = MAGIC_SIZE;
	int rc = -1;

	if (text &&
	    buffer_append(&w->pending, stream_magic, MAGIC_SIZE, why) == 0 &&
	    begin_block(w, why) == 0 &&
	    buffer_append(&w->pending, text, strlen(text), why) == 0)
		rc = end_block(w, BLOCK_HEADER, start, why);
	free(text);
	return rc;
}

static struct stream_writer *
new_writer(struct file_out *out, const struct stream_header *h, char *why)
{
	struct stream_writer *w = calloc(1, sizeof(*w));

	if (w == NULL)
		return why_memory(why);
	w->out = out;
	w->header = *h;
	w->vector_size = h->n_embd * stream_dtype_size(h->dtype);
	return w;
}

struct stream_writer *
stream_writer_open(
    struct file_out *out, const struct stream_header *h, char *why)
{
	struct stream_writer *w = new_writer(out, h, why);

	if (w && write_header(w, h, why) < 0) {
		stream_writer_free(w);
		return NULL;
	}
	return w;
}

struct stream_writer *
stream_writer_resume(struct file_out *out, const struct stream_header *h,
    const struct stream_progress *progress, char *why)
{
	struct stream_writer *w = new_writer(out, h, why);

	if (w) {
		w->sequence = progress->sequence;
		w->chain = progress->chain;
		w->state = progress->state;
	}
	return w;
}

void
stream_writer_free(struct stream_writer *w)
{
	if (w == NULL)
		return;
	free(w->pending.data);
	free(w);
}

int
stream_write(struct stream_writer *w, const struct record *r, char *why)
{
	size_t start = w->pending.len;
	char reason[WHYSZ];

	if (record_check_values(r, &w->header, reason) < 0)
		return why_set(why, "record %llu: %.900s",
		    (unsigned long long)w->state.counts.records + 1, reason);
	if (part_step(&w->state, r, why) < 0)
		return -1;
	if (begin_block(w, why) < 0 ||
	    record_format(&w->pending, r, w->vector_size, why) < 0 ||
	    end_block(w, BLOCK_RECORD, start, why) < 0) {
		w->pending.len = start;
		return -1;
	}
	return w->pending.len < WRITE_AT ? 0 : stream_flush(w, why);
}

uint64_t
stream_writer_bytes(const struct stream_writer *w)
{
	return w->written + w->pending.len;
}

int
stream_flush(struct stream_writer *w, char *why)
{
	size_t len = w->pending.len;

	w->pending.len = 0;
	w->written += len;
	return file_write(w->out, w->pending.data, len, why);
}

int
stream_end(struct stream_writer *w, bool terminated, char *why)
{
	size_t start = w->pending.len;
	uint8_t payload[END_SIZE];

	w->state.counts.flags = terminated ? END_TERMINATED : 0;
	end_format(payload, &w->state.counts);
	if (begin_block(w, why) < 0 ||
	    buffer_append(&w->pending, payload, sizeof(payload), why) < 0 ||
	    end_block(w, BLOCK_END, start, why) < 0)
		return -1;
	return stream_flush(w, why);
}
