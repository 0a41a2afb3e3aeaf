/* Whether a dev set holds what the head has seen in training. */
#ifndef CLI_OVERLAP_H
#define CLI_OVERLAP_H

#include "head/examples.h"

/*
 * How many of the dev examples contain, or are contained in, a training
 * example (text/overlap.h). The tokens become text again by the vocabulary of
 * the model in dir. Exits where that fails.
 */
size_t cli_overlap(
    const char *dir, const struct examples *dev, const struct examples *train);

/*
 * groups (examples) as of overlap_group: no example of one contains, or is
 * contained in, one of another. Returns how many; exits where that fails.
 */
size_t cli_groups(const char *dir, const struct examples *, size_t *groups);

#endif
