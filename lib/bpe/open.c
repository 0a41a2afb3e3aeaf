/* A model's vocabulary as a whole; see bpe.h. */
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "bpe/vocab.h"
#include "checkpoint/checkpoint.h"
#include "checkpoint/config.h"
#include "checkpoint/folder.h"
#include "sys/why.h"

/* config.json, where there is one, says how long a record may be. */
static int
read_config(struct bpe *b, struct folder *f, const char *vocab_file, char *why)
{
	struct checkpoint_config config;

	b->positions = 1024;
	if (!folder_has(f, "config.json"))
		return 0;
	if (config_read(&config, f, why) < 0)
		return -1;
	b->positions = config.n_positions;
	if (config.vocab_size != b->n_tokens)
		return why_set(why, "%s: %zu tokens, config.json says %zu",
		    vocab_file, b->n_tokens, config.vocab_size);
	return 0;
}

static int
read_all(struct bpe *b, struct folder *f, char *why)
{
	const bool fast =
	    !folder_has(f, "vocab.json") && folder_has(f, "tokenizer.json");
	const char *file = fast ? "tokenizer.json" : "vocab.json";
	int rc;

	alphabet_fill(&b->alphabet);
	rc = fast ? vocab_read_tokenizer(b, f, why)
		  : vocab_read_files(b, f, why);
	if (rc < 0 || read_config(b, f, file, why) < 0)
		return -1;
	if (b->n_merges + 257 != b->n_tokens)
		return why_set(why, "%s: %zu merges, want %zu for %zu tokens",
		    fast ? file : "merges.txt", b->n_merges, b->n_tokens - 257,
		    b->n_tokens);
	vocab_finish(b);
	return 0;
}

struct bpe *
bpe_open(const char *dir, char *why)
{
	struct bpe *b = calloc(1, sizeof(*b));
	struct folder *f;
	int rc;

	if (b == NULL)
		return why_memory(why);
	if ((f = folder_open(dir, why)) == NULL) {
		free(b);
		return NULL;
	}
	rc = read_all(b, f, why);
	folder_free(f);
	if (rc < 0) {
		bpe_free(b);
		return NULL;
	}
	return b;
}

void
bpe_free(struct bpe *b)
{
	if (b == NULL)
		return;
	free(b->start);
	free(b->bytes);
	free(b->merges);
	free(b->ranks);
	free(b->byte_rank);
	free(b->slots);
	free(b->used);
	free(b);
}

size_t
bpe_vocab_size(const struct bpe *b)
{
	return b->n_tokens;
}

uint32_t
bpe_end_of_text(const struct bpe *b)
{
	return b->end_of_text;
}

size_t
bpe_positions(const struct bpe *b)
{
	return b->positions;
}

const char *
bpe_vocabulary(const struct bpe *b)
{
	return b->id;
}

const uint8_t *
bpe_token_bytes(const struct bpe *b, uint32_t id, size_t *len)
{
	if (id >= b->n_tokens)
		return NULL;
	*len = b->start[id + 1] - b->start[id];
	return b->bytes + b->start[id];
}

const uint8_t *
bpe_find_special(const uint8_t *text, size_t len)
{
	return memmem(text, len, END_OF_TEXT, sizeof(END_OF_TEXT) - 1);
}
