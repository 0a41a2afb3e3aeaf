/* The continuations that gpt2-generate chooses from, and their labels. */
#ifndef CLI_CHOICES_H
#define CLI_CHOICES_H

#include <stddef.h>
#include <stdint.h>

struct bpe;

struct choice {
	char *text;
	uint32_t *tokens; /* (n) */
	size_t n;
	size_t label; /* below K */
	double prior; /* log-probability after the prior text; 0 without one */
};

struct choices {
	struct choice *list; /* (n) */
	size_t n;
	char **labels; /* (K) in order of their first choice */
	size_t K;
	double *p;	   /* (K) as choices_judge leaves them */
	size_t longest;	   /* tokens of the longest choice */
	const char *prior; /* NULL: none */
	uint32_t *prior_tokens;
	size_t n_prior;
};

/* Takes TEXT or TEXT=LABEL; exits where it is empty or came before. */
void choices_add(struct choices *, const char *arg);

/* Turns the texts into tokens. Exits where one is too long for the model. */
void choices_open(struct choices *, const struct bpe *, size_t n_positions);
void choices_close(struct choices *);

/*
 * p (K) from the choices' log-probabilities, which stand at a stride:
 * normalised over the choices, after their priors were subtracted, and summed
 * for each label.
 */
void choices_judge(struct choices *, const double *scores, size_t stride);

#endif
