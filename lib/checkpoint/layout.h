/* One line of a safetensors header: a tensor's type, shape and place. */
#ifndef CHECKPOINT_LAYOUT_H
#define CHECKPOINT_LAYOUT_H

#include <jansson.h>
#include <stddef.h>

#include "checkpoint/safetensors.h"

enum { RANK_MAX = 8 };

struct layout {
	struct safetensor tensor; /* its data is set last, by the caller */
	size_t dims[RANK_MAX];
	size_t begin, end; /* from the first tensor's first byte */
};

/*
 * Reads {"dtype", "shape", "data_offsets"}; the three agree with each other.
 * The name must live as long as the layout.
 */
int layout_read(
    struct layout *, const char *name, const json_t *value, char *why);

/*
 * Sorts n layouts by their place; afterwards they must not move. Together they
 * cover the size bytes of data without overlap or hole, or why not.
 */
int layout_sort(struct layout *, size_t n, size_t size, char *why);

/* A reason that begins with the tensor's name, in quotes. Returns -1. */
int layout_fault(char *why, const char *name, const char *what);

#endif
