/* What a file is that is not what was wanted, told by its first bytes. */
#ifndef CHECKPOINT_KIND_H
#define CHECKPOINT_KIND_H

#include <stddef.h>
#include <stdint.h>

/* "a Git LFS pointer, not a model", "a GGUF model, want safetensors"; NULL
 * where nothing is known. */
const char *kind_describe(const uint8_t *, size_t size);

#endif
