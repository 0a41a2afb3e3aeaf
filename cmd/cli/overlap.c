/* Whether a dev set holds what was trained on; see overlap.h. */
#include "cli/overlap.h"

#include <err.h>
#include <stdlib.h>

#include "bpe/bpe.h"
#include "cli/cli.h"
#include "sys/buffer.h"
#include "text/overlap.h"

/* Appends the text of an example, its parts joined. */
static int
append_text(struct buffer *text, const struct bpe *bpe,
    const struct examples *e, const struct example *x, char *why)
{
	for (size_t k = 0; k < x->parts; k++) {
		struct record r = stream_cache_record(e->cache, x->first + k);

		for (size_t i = 0; i < r.n_tokens; i++) {
			size_t len;
			const uint8_t *bytes =
			    bpe_token_bytes(bpe, r.tokens[i], &len);

			if (bytes && buffer_append(text, bytes, len, why) < 0)
				return -1;
		}
	}
	return 0;
}

static int
add_texts(struct overlap_set *set, const struct bpe *bpe,
    const struct examples *e, char *why)
{
	struct buffer text = { NULL, 0, 0 };
	int rc = 0;

	for (size_t i = 0; rc == 0 && i < e->n; i++) {
		text.len = 0;
		rc = append_text(&text, bpe, e, &e->list[i], why);
		if (rc == 0)
			rc = overlap_add(
			    set, (const char *)text.data, text.len, why);
	}
	free(text.data);
	return rc;
}

size_t
cli_overlap(
    const char *dir, const struct examples *dev, const struct examples *train)
{
	struct overlap_set of_dev = { 0 }, of_train = { 0 };
	bool *marks = calloc(dev->n + 1, sizeof(*marks));
	char why[WHYSZ];
	struct bpe *bpe = bpe_open(dir, why);
	long n;

	if (bpe == NULL)
		cli_fail(dir, why);
	if (marks == NULL)
		err(1, "memory");
	if (add_texts(&of_dev, bpe, dev, why) < 0 ||
	    add_texts(&of_train, bpe, train, why) < 0 ||
	    (n = overlap_mark(&of_dev, &of_train, marks, why)) < 0)
		cli_die(why);
	overlap_clear(&of_dev);
	overlap_clear(&of_train);
	bpe_free(bpe);
	free(marks);
	return (size_t)n;
}

size_t
cli_groups(const char *dir, const struct examples *e, size_t *groups)
{
	struct overlap_set set = { 0 };
	char why[WHYSZ];
	struct bpe *bpe = bpe_open(dir, why);
	long n;

	if (bpe == NULL)
		cli_fail(dir, why);
	if (add_texts(&set, bpe, e, why) < 0 ||
	    (n = overlap_group(&set, groups, why)) < 0)
		cli_die(why);
	overlap_clear(&set);
	bpe_free(bpe);
	return (size_t)n;
}
