/* What gpt2-generate writes behind a group of prompts. */
#ifndef CLI_CONTINUE_H
#define CLI_CONTINUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "gpt2/group.h"
#include "gpt2/sample.h"

struct bpe;
struct file_out;
struct progress;
struct record;
struct stream_writer;
struct team;

enum { CONTINUE_STOPS = 64 }; /* texts at most */

struct continuing {
	size_t new_tokens; /* at most, of a prompt */
	bool only_new;
	struct sample_options sample;
	const char *stops[CONTINUE_STOPS]; /* texts to end at */
	size_t n_stops;

	const struct bpe *bpe;
	size_t n_positions;
	struct team *team;
	struct sampler *sampler; /* for the team's workers */
	struct stream_writer *out;
	const struct file_out *file; /* for messages */
	struct progress *progress;
	uint64_t full; /* counts what the context's end has ended */
};

/* What is known of a prompt of a group besides its tokens. */
struct prompt_item {
	struct record *record; /* a copy */
	uint64_t number;       /* in the stream, from 1 */
	bool was_cut;
};

/*
 * Continues the prompts, whose items (B) stand in their order, and writes them
 * in that order, the first that has not ended token by token as it comes.
 * Exits where the output fails.
 */
void continue_group(
    struct continuing *, struct gpt2_group *, const struct prompt_item *items);

#endif
