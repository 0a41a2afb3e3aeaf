/*
 * A GPT-2 as Hugging Face stores it: a directory, or an archive of one, with
 * config.json and model.safetensors, or its shards and
 * model.safetensors.index.json. A directory's files are mapped; only the
 * tensors that are read are touched.
 */
#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include <stddef.h>

/* The sizes of a model, each checked to lie in its range. */
struct checkpoint_config {
	size_t n_layer;	    /* L, 1..1000 */
	size_t n_head;	    /* H, divides C */
	size_t n_embd;	    /* C, 1..65536 */
	size_t n_positions; /* longest record, 1..1048576 */
	size_t vocab_size;  /* V, 1..16777216 */
	float epsilon;	    /* of the layer norms, > 0 */
};

/*
 * Where the model called name lies; the reason why not names what was looked
 * for. NULL stands for the small model that ships with the toolkit; a name is
 * a directory or an archive, else a model beside the small one, else one in
 * the local hub cache. The caller frees the path.
 */
char *checkpoint_find(const char *name, char *why);

/*
 * The name under which streams and heads remember the model found at path:
 * one that checkpoint_find knows on other machines too, or an absolute path.
 * The caller frees it.
 */
char *checkpoint_name(const char *path, char *why);

/* Reads DIR/config.json alone. */
int checkpoint_config_read(
    struct checkpoint_config *, const char *dir, char *why);

struct checkpoint;

/*
 * Opens the model that checkpoint_find found. Reasons begin with the name of
 * the file in it that is at fault; those of an archive speak of the archive.
 */
struct checkpoint *checkpoint_open(const char *dir, char *why);
void checkpoint_free(struct checkpoint *);

const struct checkpoint_config *checkpoint_config(const struct checkpoint *);

/*
 * Converts the tensor (rows, cols), a vector having rows = 1, to float32.
 * The name is the one without "transformer."; both forms are found. Fails if
 * it is missing, of another shape or dtype, or has a value that is not finite.
 * Several threads may call it at once.
 */
int checkpoint_read(const struct checkpoint *, const char *name, size_t rows,
    size_t cols, float *out, char *why);

#endif
