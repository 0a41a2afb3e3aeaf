/*
 * Models in the local cache of the Hugging Face hub, by the names they have
 * there: HUB/models--OWNER--NAME/refs/main holds the REVISION whose files are
 * in snapshots/REVISION.
 */
#ifndef CHECKPOINT_HUB_H
#define CHECKPOINT_HUB_H

#include <stdbool.h>
#include <stddef.h>

/* True where the name could be one: "gpt2", "openai-community/gpt2". */
bool hub_is_name(const char *);

/*
 * The directory of the model's main revision; the caller frees it. NULL with
 * why: it is there, but damaged; NULL with why empty: it is not there.
 */
char *hub_find(const char *name, char *why);

/*
 * The name whose main revision is the directory path, an absolute path
 * without links, or NULL. The caller frees it.
 */
char *hub_name(const char *path);

/* Appends the names in the cache, each after ", " but the first in out. */
void hub_list(char *out, size_t size);

/* The cache's directory as Hugging Face's programs find it, or NULL. The
 * caller frees it. */
char *hub_cache(void);

#endif
