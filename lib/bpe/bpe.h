/*
 * GPT-2's byte-level byte pair encoding (Sennrich et al. 2016; Radford et al.
 * 2019, section 2.2): text to token ids and back.
 */
#ifndef BPE_BPE_H
#define BPE_BPE_H

#include <stddef.h>
#include <stdint.h>

struct buffer;
struct bpe;

/*
 * Reads vocab.json and merges.txt of a model directory, or tokenizer.json
 * where these are not; config.json, if it is there, must agree. Reasons begin
 * with the file's name. bpe_free(NULL) is allowed.
 */
struct bpe *bpe_open(const char *dir, char *why);
void bpe_free(struct bpe *);

/* Tokens in all (V), and the id of <|endoftext|>. */
size_t bpe_vocab_size(const struct bpe *);
uint32_t bpe_end_of_text(const struct bpe *);

/* The longest record: n_positions of config.json, 1024 without it. */
size_t bpe_positions(const struct bpe *);

/*
 * The vocabulary id: XXH3-128, 32 hexadecimal digits, over the tokens' bytes
 * in order of id and the merges in order of rank; the same for every file
 * form. Valid until bpe_free.
 */
const char *bpe_vocabulary(const struct bpe *);

/* The bytes of a token; NULL for an id >= V. */
const uint8_t *bpe_token_bytes(const struct bpe *, uint32_t id, size_t *len);

/* What one thread needs to encode: scratch memory and a cache of pretokens. */
struct bpe_encoder;
struct bpe_encoder *bpe_encoder_open(const struct bpe *, char *why);
void bpe_encoder_free(struct bpe_encoder *);

/*
 * Appends the ids of len bytes of text to out, as uint32_t. Any bytes are
 * text; "<|endoftext|>" is ordinary. -1: no memory.
 */
int bpe_encode(struct bpe_encoder *, const uint8_t *text, size_t len,
    struct buffer *out, char *why);

/* The same, but "<|endoftext|>" in the text becomes the token of that name. */
int bpe_encode_special(struct bpe_encoder *, const uint8_t *text, size_t len,
    struct buffer *out, char *why);

/* Zeros that must follow each of several texts, and the last of them. */
enum { BPE_GAP = 8, BPE_PADDING = 192 };

/* A text among others in memory, and its ids among those of all. */
struct bpe_span {
	size_t at, len;	   /* bytes */
	size_t first, ids; /* filled in: the first one's index, how many */
};

/* bpe_encode for n texts at once, faster than one after the other. */
int bpe_encode_spans(struct bpe_encoder *, const uint8_t *texts,
    struct bpe_span *spans, size_t n, struct buffer *out, char *why);

/* The first "<|endoftext|>" in the text, or NULL. */
const uint8_t *bpe_find_special(const uint8_t *text, size_t len);

#endif
