/* What a head remembers of its making, as JSON for its metadata. */
#ifndef HEAD_DESCRIBE_H
#define HEAD_DESCRIBE_H

#include "head/train.h"

/*
 * Fills in training, data and, with a dev set, dev of the head. counts (K) are
 * the examples of each class.
 */
int head_describe(struct head *, const struct train_options *,
    const struct examples *, const size_t *counts, const struct examples *dev,
    const struct train_epoch *kept, char *why);

/* The id of the dev set a head was made with, or NULL; free() it. */
char *head_dev_id(const struct head *);

#endif
