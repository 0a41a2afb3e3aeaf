/* The files of a model that lies in an archive. */
#ifndef CHECKPOINT_UNPACK_H
#define CHECKPOINT_UNPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/buffer.h"

struct unpacked {
	struct unpacked *next;
	struct buffer bytes;
	bool passed_over; /* weights that were not asked for */
	size_t depth;	  /* directories that the file lies in */
	char *base;	  /* the name without them, within path */
	char path[];
};

/*
 * Reads the archive to its end and returns the files that a model has, of the
 * directory in it that is the model; safetensors files only with weights.
 * NULL with why empty: there are none. unpack_free frees the whole list.
 */
struct unpacked *unpack_model(
    const uint8_t *, size_t size, bool weights, char *why);
void unpack_free(struct unpacked *);

#endif
