/* Choices and their labels; see choices.h. */
#include "cli/choices.h"

#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "cli/cli.h"
#include "head/labels.h"
#include "sys/buffer.h"

static char *
copy(const char *s, size_t len)
{
	char *p = strndup(s, len);

	if (p == NULL)
		err(1, "memory");
	return p;
}

/* The index of the label, which joins the list if it is new. */
static size_t
add_label(struct choices *c, char *label)
{
	char why[WHYSZ];

	if (labels_check(label, strlen(label), why) < 0)
		cli_wrong("--choice: %s", why);
	for (size_t k = 0; k < c->K; k++) {
		if (strcmp(c->labels[k], label) == 0) {
			free(label);
			return k;
		}
	}
	c->labels = realloc(c->labels, (c->K + 1) * sizeof(char *));
	c->p = realloc(c->p, (c->K + 1) * sizeof(*c->p));
	if (c->labels == NULL || c->p == NULL)
		err(1, "memory");
	c->labels[c->K] = label;
	return c->K++;
}

/* Without a label of its own a choice goes by its text without blanks. */
static char *
plain_label(const char *text, size_t len)
{
	while (len > 0 && text[0] == ' ') {
		text++;
		len--;
	}
	while (len > 0 && text[len - 1] == ' ')
		len--;
	return copy(text, len);
}

void
choices_add(struct choices *c, const char *arg)
{
	const char *equals = strrchr(arg, '=');
	size_t len = equals ? (size_t)(equals - arg) : strlen(arg);
	struct choice *last;

	if (len == 0 || (equals && equals[1] == '\0'))
		cli_wrong("--choice: want TEXT or TEXT=LABEL");
	c->list = realloc(c->list, (c->n + 1) * sizeof(*c->list));
	if (c->list == NULL)
		err(1, "memory");
	last = &c->list[c->n];
	*last = (struct choice){ .text = copy(arg, len) };
	for (size_t i = 0; i < c->n; i++) {
		if (strcmp(c->list[i].text, last->text) == 0)
			cli_wrong("--choice: \"%s\" comes twice", last->text);
	}
	last->label = add_label(c, equals ? copy(equals + 1, strlen(equals + 1))
					  : plain_label(arg, len));
	c->n++;
}

/* The tokens of a text; the caller frees them. */
static uint32_t *
encode(struct bpe_encoder *e, const char *text, size_t *n)
{
	struct buffer out = { NULL, 0, 0 };
	char why[WHYSZ];

	if (bpe_encode(e, (const uint8_t *)text, strlen(text), &out, why) < 0)
		cli_die(why);
	*n = out.len / sizeof(uint32_t);
	return (uint32_t *)(void *)out.data;
}

void
choices_open(struct choices *c, const struct bpe *bpe, size_t n_positions)
{
	char why[WHYSZ];
	struct bpe_encoder *e = bpe_encoder_open(bpe, why);

	if (e == NULL)
		cli_die(why);
	for (size_t i = 0; i < c->n; i++) {
		struct choice *x = &c->list[i];

		x->tokens = encode(e, x->text, &x->n);
		c->longest = x->n > c->longest ? x->n : c->longest;
		if (x->n >= n_positions)
			cli_wrong("--choice: %zu tokens, limit %zu", x->n,
			    n_positions - 1);
	}
	if (c->prior)
		c->prior_tokens = encode(e, c->prior, &c->n_prior);
	bpe_encoder_free(e);
}

void
choices_close(struct choices *c)
{
	for (size_t i = 0; i < c->n; i++) {
		free(c->list[i].text);
		free(c->list[i].tokens);
	}
	for (size_t k = 0; k < c->K; k++)
		free(c->labels[k]);
	free(c->list);
	free(c->labels);
	free(c->p);
	free(c->prior_tokens);
}

void
choices_judge(struct choices *c, const double *scores, size_t stride)
{
	double most = -INFINITY, sum = 0;

	memset(c->p, 0, c->K * sizeof(*c->p));
	for (size_t i = 0; i < c->n; i++)
		most = fmax(most, scores[i * stride] - c->list[i].prior);
	for (size_t i = 0; i < c->n; i++) {
		double x = exp(scores[i * stride] - c->list[i].prior - most);

		c->p[c->list[i].label] += x;
		sum += x;
	}
	for (size_t k = 0; k < c->K; k++)
		c->p[k] /= sum;
}
