/* Numbers of other formats, at any address, as float32. */
#ifndef CHECKPOINT_CONVERT_H
#define CHECKPOINT_CONVERT_H

#include <stddef.h>
#include <stdint.h>

#include "checkpoint/safetensors.h"

/*
 * Converts n values. Returns the index of the first that is not finite as a
 * float32, or n; what lies behind it is then unspecified. TENSOR_OTHER is not
 * allowed.
 */
size_t convert_values(
    float *out, const uint8_t *in, size_t n, enum safetensors_dtype);

/* The first value that is not finite, or n. */
size_t convert_check(const float *, size_t n);

#endif
