/*
 * Little-endian numbers at any address. Streams and safetensors are
 * little-endian by definition and their vectors are used where they lie, so
 * only little-endian hosts are supported.
 */
#ifndef SYS_BYTES_H
#define SYS_BYTES_H

#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "gpt2-filters needs a little-endian machine"
#endif

static inline uint16_t
bytes_get16(const void *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint32_t
bytes_get32(const void *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline uint64_t
bytes_get64(const void *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline void
bytes_put32(void *p, uint32_t v)
{
	memcpy(p, &v, sizeof(v));
}

static inline void
bytes_put64(void *p, uint64_t v)
{
	memcpy(p, &v, sizeof(v));
}

#endif
