/* JSON from outside, parsed by jansson under rules that leave no doubt. */
#ifndef CHECKPOINT_JSONTEXT_H
#define CHECKPOINT_JSONTEXT_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Parses an object; a key that comes twice, an excess of bytes over limit, or
 * anything after the object is an error: "line L column C: ...". The caller
 * drops the reference.
 */
json_t *jsontext_parse(const uint8_t *, size_t size, size_t limit, char *why);

/* The reason for what jansson reported, one line. Always returns -1. */
int jsontext_fault(char *why, const json_error_t *);

#endif
