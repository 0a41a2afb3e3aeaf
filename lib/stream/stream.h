/*
 * The stream that the programs pass along: token ids, or hidden states at the
 * cut. Its bytes are specified in gpt2-stream(5).
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct file_out;

enum stream_kind {
	STREAM_TOKENS,
	STREAM_HIDDEN,
	STREAM_ANY /* to ask for: either of them */
};
enum stream_special { SPECIAL_LITERAL, SPECIAL_PARSE, SPECIAL_ERROR };
enum stream_dtype { DTYPE_F32, DTYPE_F16 };
enum stream_pool { POOL_NONE, POOL_LAST };
enum stream_precision { PRECISION_F32, PRECISION_BF16, PRECISION_INT8 };

enum { STREAM_IDSZ = 33 }; /* an XXH3-128 as hexadecimal digits, and a NUL */

/* What was done to the text before it became tokens. */
struct preparation {
	bool strip;	    /* white space at both ends removed */
	const char *prefix; /* never NULL */
	const char *suffix; /* never NULL */
	enum stream_special special;
};

/* Says what a stream holds. What only hidden states have is 0 for tokens. */
struct stream_header {
	enum stream_kind kind;
	char vocabulary[STREAM_IDSZ];
	size_t vocab_size; /* V */
	struct preparation preparation;
	char model[STREAM_IDSZ]; /* model id at the cut */
	const char *model_name;	 /* what the user called it; never NULL */
	size_t cut, n_layer, n_head, n_embd;
	enum stream_dtype dtype;
	enum stream_pool pool;
	enum stream_precision precision;
};

/*
 * One record, or one part of a record that was split. Pointers belong to
 * whoever filled it in. Vectors are (n_vectors, C) of the stream's dtype, at
 * an address divisible by 4; n_vectors is n_tokens, 1 when pooled, and 0 in a
 * stream of tokens.
 */
struct record {
	const char *id,
	    *label; /* NULL where there is none; no NUL at the end */
	size_t id_len, label_len; /* bytes */
	uint32_t part, parts;	  /* part k of n, from 1 */
	uint32_t length;	  /* tokens before a cut */
	bool was_cut;		  /* tokens were dropped, or the record split */
	size_t n_tokens, n_vectors;
	const uint32_t *tokens; /* (n_tokens) */
	const void *vectors;	/* (n_vectors, C) */
};

/*
 * Compares what must be equal for two streams to be used as one. Returns 0,
 * or -1 with the first difference in words.
 */
int stream_header_compare(
    const struct stream_header *, const struct stream_header *, char *why);

/* The words for a preparation's parts, as in the header; for messages too. */
int preparation_compare(
    const struct preparation *, const struct preparation *, char *why);

/* "token stream", "hidden-state stream", "stream"; for messages. */
const char *stream_kind_name(enum stream_kind);

/* The name used in headers: "f32", "last" … */
const char *stream_dtype_name(enum stream_dtype);
const char *stream_pool_name(enum stream_pool);
const char *stream_precision_name(enum stream_precision);
const char *stream_special_name(enum stream_special);
int stream_special_parse(enum stream_special *, const char *);

/* Bytes of one value. */
size_t stream_dtype_size(enum stream_dtype);

struct stream_writer;

/*
 * Writes magic and header to out, which stays the caller's. NULL on error.
 * stream_writer_free(NULL) is allowed; it does not write what is buffered.
 */
struct stream_writer *stream_writer_open(
    struct file_out *out, const struct stream_header *, char *why);
void stream_writer_free(struct stream_writer *);

/* Appends a record; written at the latest by flush or end. */
int stream_write(struct stream_writer *, const struct record *, char *why);

/* Hands what is buffered to the kernel. */
int stream_flush(struct stream_writer *, char *why);

/*
 * Writes the end mark and flushes. terminated: the last record of the text
 * ended in its delimiter, so that a decoder can give back the same bytes.
 */
int stream_end(struct stream_writer *, bool terminated, char *why);

struct stream_reader;

/*
 * Reads the files one after the other as one stream, "-" being stdin; all
 * must have the same header, of the kind wanted. No file at all is stdin. The
 * names stay the caller's. Opens the first file and reads its header; NULL on
 * error, with the file's name in front of the reason.
 */
struct stream_reader *stream_reader_open(
    const char *const *files, size_t n, enum stream_kind, char *why);
void stream_reader_free(struct stream_reader *);

/* The header; valid until stream_reader_free. */
const struct stream_header *stream_reader_header(const struct stream_reader *);

/*
 * The next record: 1, with pointers valid until the next call; 0 at the end of
 * the last file; -1 on error, with the file's name in front of the reason.
 * Every check of gpt2-stream(5) has then been made.
 */
int stream_read(struct stream_reader *, struct record *, char *why);

/* For messages: the file being read, escaped; valid until the next call. */
const char *stream_reader_name(struct stream_reader *);

/* True when stream_read would return without waiting for input. */
bool stream_reader_ready(struct stream_reader *);

/* True if the text's last record ended in its delimiter; known at the end. */
bool stream_reader_terminated(const struct stream_reader *);

/* True when f is one of the regular files read so far or later. */
bool stream_reader_reads(
    const struct stream_reader *, const struct file_out *f);

/* Bytes read so far, and in all where all are regular files, else 0. */
uint64_t stream_reader_bytes(const struct stream_reader *, uint64_t *all);

/* A copy of the record that owns its memory, in one piece: free(copy). */
struct record *stream_record_copy(
    const struct record *, size_t vector_bytes, char *why);

#endif
