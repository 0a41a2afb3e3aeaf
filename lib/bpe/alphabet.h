/*
 * The layer's own: GPT-2's printable stand-ins for the 256 byte values, in
 * which vocab.json and merges.txt spell the tokens.
 */
#ifndef BPE_ALPHABET_H
#define BPE_ALPHABET_H

#include <stddef.h>
#include <stdint.h>

struct alphabet {
	uint8_t order[256];	/* the bytes in GPT-2's order of tokens */
	int16_t byte[256 + 68]; /* code point -> byte, or -1 */
};

void alphabet_fill(struct alphabet *);

/*
 * Turns UTF-8 into the bytes that it stands for, at most len of them. Returns
 * their number, or SIZE_MAX where a character is no stand-in.
 */
size_t alphabet_decode(
    const struct alphabet *, uint8_t *out, const char *text, size_t len);

#endif
