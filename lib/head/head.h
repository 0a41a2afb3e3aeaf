/*
 * A head: all that lies above the cut, trained, with what is needed to use it
 * on the right stream only. In a file it is a safetensors file whose
 * __metadata__ has all but the tensors.
 */
#ifndef HEAD_HEAD_H
#define HEAD_HEAD_H

#include <stddef.h>

#include "gpt2/table.h"
#include "stream/stream.h"

enum head_pool { HEAD_LAST, HEAD_MEAN };

/*
 * Plain data; whoever fills it in by hand keeps to what head_open checks.
 * Strings and arrays are the head's own, and head_free releases them.
 */
struct head {
	/* The stream it reads; its strings belong to the head. dtype is that
	 * it was trained on, and binds nobody. */
	struct stream_header stream;
	char *prefix, *suffix, *model_name; /* what stream points to */

	struct gpt2_shape shape;
	size_t K;
	char **labels; /* (K) as in the data, in order of the classes */
	char **names;  /* (K) as to be printed; equal to labels by default */
	enum head_pool pool;
	float temperature; /* logits are divided by it */
	char *training;	   /* JSON: the options of head-train */
	char *data;	   /* JSON: what it was trained on */
	char *dev;	   /* JSON: the result on the dev set */
	float *top;	   /* as table.h lays out what lies above the cut */
};

/* Reads and checks a head; NULL: it is damaged, or no head. */
struct head *head_open(const char *path, char *why);

/* An empty one, to be filled in. */
struct head *head_new(char *why);
void head_free(struct head *);

/* Writes it; out stays the caller's. */
struct file_out;
int head_write(const struct head *, struct file_out *out, char *why);

/*
 * 0 if the head can read the stream. Else -1, and why says what differs and
 * which command, with the head at path, makes a stream that fits.
 */
int head_fits(const struct head *, const char *path,
    const struct stream_header *, char *why);

/* -1: a name cannot be printed as a label (labels.h), or two are the same. */
int head_check_names(const struct head *, char *why);

/* The class of a label, by what stands in the data or by name; K: none. */
size_t head_class(const struct head *, const char *label, size_t len);

/* The file sentiment.head beside the model of that name; free() the path. */
char *head_find(const char *model_name, char *why);

#endif
