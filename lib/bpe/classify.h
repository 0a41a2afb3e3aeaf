/*
 * The layer's own: the classes of GPT-2's pattern for 64 bytes at a time, a
 * bit a byte. All bytes of a character have its class; what is in none of
 * letter, digit and space is "other".
 */
#ifndef BPE_CLASSIFY_H
#define BPE_CLASSIFY_H

#include <stddef.h>
#include <stdint.h>

enum { BLOCK = 64 };

struct block {
	uint64_t letter, digit, space;
	uint64_t blank;	    /* U+0020 */
	uint64_t tick;	    /* U+0027 */
	uint64_t high;	    /* bytes beyond ASCII */
	uint64_t wide;	    /* first bytes of white space beyond ASCII */
	uint64_t wide_rest; /* its other bytes */
};

/* Fills in a block but for its bytes beyond ASCII, of which it tells high. */
typedef void classify_fn(struct block *, const uint8_t *);

/* The one for this processor; GPT2_ISA=generic|avx2|avx512 asks for less. */
classify_fn *classify_choose(void);

/* Classes by code point, filled in as they are met; 0: not yet. */
enum { CLASS_UNKNOWN, CLASS_OTHER, CLASS_LETTER, CLASS_DIGIT, CLASS_SPACE };
struct classes {
	uint8_t of[0x110000];
};

int classify_code(struct classes *, uint32_t code);

/*
 * Adds the characters beyond ASCII that begin in the block at p, of which 67
 * bytes can be read; their bytes that lie behind it are added to next.
 */
void classify_high(
    struct classes *, struct block *, struct block *next, const uint8_t *p);

#endif
