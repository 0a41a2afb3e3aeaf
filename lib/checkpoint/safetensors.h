/*
 * The safetensors format: a length, a JSON header, the tensors' bytes.
 * https://github.com/huggingface/safetensors, "Format".
 */
#ifndef CHECKPOINT_SAFETENSORS_H
#define CHECKPOINT_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

struct file_out;
struct safetensors;

enum safetensors_dtype {
	TENSOR_F32,
	TENSOR_F64,
	TENSOR_F16,
	TENSOR_BF16,
	TENSOR_OTHER
};

struct safetensor {
	const char *name;
	enum safetensors_dtype dtype;
	const char *dtype_name; /* "F32", "I8" … */
	size_t rank;
	const size_t *shape; /* (rank) */
	size_t count;	     /* values */
	size_t size;	     /* bytes */
	const uint8_t *data; /* at any address */
};

/* Maps and checks a file; nothing of it is believed unchecked. */
struct safetensors *safetensors_open(const char *path, char *why);

/* The same for bytes in memory, which must outlive it. */
struct safetensors *safetensors_parse(const uint8_t *, size_t size, char *why);

void safetensors_free(struct safetensors *);

/* A tensor by name, or NULL; valid until safetensors_free. */
const struct safetensor *safetensors_find(
    const struct safetensors *, const char *name);

/* Tensors in all, and the i-th in the order of their offsets. */
size_t safetensors_count(const struct safetensors *);
const struct safetensor *safetensors_at(const struct safetensors *, size_t i);

/* A string of __metadata__, or NULL; valid until safetensors_free. */
const char *safetensors_meta(const struct safetensors *, const char *key);

/* The whole file as it lies in memory, for a checksum. */
const uint8_t *safetensors_bytes(const struct safetensors *, size_t *size);

/*
 * Converts a tensor to float32. Fails, naming the tensor, on another dtype
 * ("dtype I8, want F32, F16, BF16") and on a value that is not finite.
 */
int safetensor_read(const struct safetensor *, float *out, char *why);

/* What to write: float32, row-major, rank 1 where rows is 0. */
struct safetensor_out {
	const char *name;
	size_t rows, cols;
	const float *data;
};

/*
 * Writes a file: metadata keys[i] = values[i], then the tensors in the order
 * given, 8-byte aligned. The 32 digits of the value of checksum_key, which is
 * one of the keys or NULL, become the XXH3-128 of the whole file with these
 * digits as zeros.
 */
int safetensors_write(struct file_out *, const struct safetensor_out *,
    size_t n, const char *const *keys, const char *const *values, size_t n_meta,
    const char *checksum_key, char *why);

/*
 * The same without a checksum, for tensors that need not be in memory at once:
 * data of t is NULL, and read(arg, i, out) fills in the values of tensor i.
 */
int safetensors_write_each(struct file_out *, const struct safetensor_out *t,
    size_t n, const char *const *keys, const char *const *values, size_t n_meta,
    int (*read)(void *arg, size_t i, float *out, char *why), void *arg,
    char *why);

/* 0 if that checksum is right; -1, "damaged (checksum)", if not. */
int safetensors_verify(
    const struct safetensors *, const char *checksum_key, char *why);

#endif
