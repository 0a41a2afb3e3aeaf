/*
 * Heads with their models as directories that Hugging Face's
 * GPT2ForSequenceClassification.from_pretrained loads, and back.
 */
#ifndef HEAD_PRETRAINED_H
#define HEAD_PRETRAINED_H

#include <stdint.h>

#include "head/head.h"

/* Ours in the directory, which others do not read. */
#define PRETRAINED_FILE "gpt2-filters.json"

struct checkpoint;
struct directory_out;
struct team;

/* -1 with the reason, where that class computes something else. */
int pretrained_check(const struct head *, char *why);

/*
 * Writes config.json, model.safetensors (float32), the tokenizer's files and
 * a card. checkpoint is the head's model, which lies at dir; end_of_text pads.
 * The temperature is folded into score.weight; gpt2-filters.json, which others
 * do not read, has what gives back the very head.
 */
int pretrained_write(const struct head *, struct directory_out *,
    const struct checkpoint *, const char *dir, uint32_t end_of_text,
    char *why);

/*
 * A head from the directory or archive dir with the cut; SIZE_MAX: that of
 * gpt2-filters.json, or two blocks from the top. vocabulary is the id of its
 * tokenizer, name what the model is to be called. Where gpt2-filters.json is
 * there and the blocks below the cut are still those it was made with, the
 * head is that which was exported, but for what was trained since; *again is 1
 * then, else 0.
 */
struct head *pretrained_read(const char *dir, size_t cut,
    const char *vocabulary, const char *name, struct team *, int *again,
    char *why);

#endif
