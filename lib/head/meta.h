/* What a head says of itself: strings by their names, beside its tensors. */
#ifndef HEAD_META_H
#define HEAD_META_H

#include "head/head.h"

enum { HEAD_META = 6 };

/* stream, network, labels, training, data, dev: gpt2-stream(5). */
extern const char *const head_meta_keys[HEAD_META];

/* The values; the caller frees each, also after a failure. */
int head_meta_format(const struct head *, char *values[HEAD_META], char *why);

/* Fills in all but top from what get(arg, key) finds, NULL for nothing. */
int head_meta_read(struct head *,
    const char *(*get)(const void *arg, const char *key), const void *arg,
    char *why);

#endif
