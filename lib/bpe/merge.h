/* The layer's own: a pretoken's bytes merged into tokens. */
#ifndef BPE_MERGE_H
#define BPE_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "bpe/vocab.h"

enum { MERGE_SHORT = 64 };

/*
 * Merges 0 < len <= MERGE_SHORT bytes; returns the number of tokens. The
 * vocabulary must be in_order.
 */
size_t merge_short(
    const struct bpe *, uint32_t *tokens, const uint8_t *p, size_t len);

struct merger;

/* Scratch memory for long pretokens. merger_free(NULL) is allowed. */
struct merger *merger_open(const struct bpe *, char *why);
void merger_free(struct merger *);

/*
 * Merges any number of bytes below 2^31 in time proportional to it. Returns
 * the number of tokens, SIZE_MAX if there is no memory.
 */
size_t merge_long(
    struct merger *, uint32_t *tokens, const uint8_t *p, size_t len, char *why);

#endif
