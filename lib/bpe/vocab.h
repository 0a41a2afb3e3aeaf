/* The layer's own: the tables of a vocabulary, and how they are filled. */
#ifndef BPE_VOCAB_H
#define BPE_VOCAB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "bpe/alphabet.h"

struct folder;

enum { VOCAB_IDSZ = 33, VOCAB_FILE_MOST = 16777216, TOKENS_MOST = 0xffffff };

#define NO_RANK UINT32_MAX
#define NO_TOKEN UINT32_MAX
#define END_OF_TEXT "<|endoftext|>"

/* What the merge of one rank makes of two tokens. */
struct merge {
	uint32_t left, right, result;
};

struct bpe {
	struct alphabet alphabet;
	size_t n_tokens, n_merges; /* V, M */
	size_t positions;
	uint32_t end_of_text;
	uint32_t *start; /* (V + 1): token i is bytes[start[i]..start[i+1]] */
	uint8_t *bytes;
	struct merge *merges; /* (M) by rank */
	/*
	 * The ranks of pairs, by open addressing: 8 bits of the pair's hash
	 * above 24 of its rank, so that nearly always one look at a small
	 * table tells that a pair has none. NO_RANK: empty.
	 */
	uint32_t *ranks;
	size_t rank_mask; /* entries - 1 */
	unsigned rank_shift;
	uint32_t byte_token[256];
	uint32_t *byte_rank; /* (256, 256): rank of the pair of two bytes */
	bool in_order;	     /* no merge's result is part of an earlier merge */
	uint8_t *used;	 /* (V): token is part of a merge; while loading only */
	uint32_t *slots; /* token's bytes -> id + 1; while loading only */
	size_t slot_mask;
	char id[VOCAB_IDSZ];
};

/* Where the search for a pair begins; the lower bits serve as its tag. */
static inline uint64_t
vocab_hash(uint32_t left, uint32_t right)
{
	return ((uint64_t)left << 32 | right) * 0x9e3779b97f4a7c15u;
}

/* The rank of a pair, or NO_RANK; *at is its place or the one for it. */
static inline uint32_t
vocab_search(const struct bpe *b, uint32_t left, uint32_t right, size_t *at)
{
	const uint64_t hash = vocab_hash(left, right);
	const uint32_t tag = (uint32_t)(hash >> 16) & 0xff000000;
	size_t i = (size_t)(hash >> b->rank_shift);

	for (;; i = (i + 1) & b->rank_mask) {
		const uint32_t rank = b->ranks[i] ^ tag;

		*at = i;
		if (b->ranks[i] == NO_RANK)
			return NO_RANK;
		if (rank <= 0xffffff && b->merges[rank].left == left &&
		    b->merges[rank].right == right)
			return rank;
	}
}

static inline uint32_t
vocab_rank(const struct bpe *b, uint32_t left, uint32_t right)
{
	size_t at;

	return vocab_search(b, left, right, &at);
}

/*
 * How a vocabulary is filled: vocab_size, then all tokens in order of id,
 * vocab_check, all merges in order of rank, vocab_finish. total is the bytes
 * of all tokens at most.
 */
int vocab_size(
    struct bpe *, size_t tokens, size_t merges, size_t total, char *why);

/* Gives the next id to the bytes at p, which may stand in place already. */
void vocab_add(struct bpe *, const uint8_t *p, size_t len);

/* Where the next token's bytes will lie. */
uint8_t *vocab_next(struct bpe *);

/* The id of a token, or NO_TOKEN. */
uint32_t vocab_find(const struct bpe *, const uint8_t *p, size_t len);

/* Finds the byte tokens and <|endoftext|>: 0, or -1. */
int vocab_check(struct bpe *, char *why);

/* Gives the next rank to the pair; the rank that it has already, or NO_RANK.
 */
uint32_t vocab_merge(
    struct bpe *, uint32_t left, uint32_t right, uint32_t result);

/* Computes the id. */
void vocab_finish(struct bpe *);

/* The two tokens of a merge, in the alphabet. */
struct spelling {
	const char *left, *right;
	size_t left_len, right_len;
	const char *where, *unit; /* for messages: "vocab.json", "line" */
};

/*
 * Adds all tokens of an object {"token": id}, and one merge. Its result is a
 * new token where the files are known, else it must be there; scratch is room
 * for its bytes; first is the number of the first merge, for messages.
 */
int vocab_read_tokens(struct bpe *, json_t *object, char *why);
int vocab_read_merge(struct bpe *, const struct spelling *, uint8_t *scratch,
    bool known, size_t first, char *why);

/* Fills an empty struct. The reason begins with the file's name. */
int vocab_read_files(struct bpe *, struct folder *, char *why);
int vocab_read_tokenizer(struct bpe *, struct folder *, char *why);

#endif
