/* head-export: a head and its model to a Hugging Face directory. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "gpt2/model.h"
#include "head/head.h"
#include "head/pretrained.h"
#include "sys/directory.h"
#include "sys/team.h"

static const char help[] =
    "usage: head-export [-hqVv] -o DIRECTORY [-H HEAD] [-j N] [-m MODEL]\n"
    "                   [--progress auto|on|off]\n"
    "\n"
    "  -H, --head HEAD   the head ($GPT2_HEAD, then sentiment.head of the\n"
    "                    model)\n"
    "  -j, --jobs N      threads (one a processor)\n"
    "  -m, --model M     directory or name of the model (the head's)\n"
    "  -o, --output D    the directory to make (needed)\n"
    "      --progress W  accepted\n"
    "  -q, -v            say less, say more\n"
    "  -V, --version     print the version\n";

struct export
{
	struct cli cli;
	char *head_path;
	struct head *head;
	char *dir; /* the model's */
	struct checkpoint *checkpoint;
	uint32_t end_of_text;
};

static void
parse_options(struct export *e, int argc, char **argv)
{
	static const struct option options[] = {
		{ "head", required_argument, NULL, 'H' }, CLI_LONG
	};
	const char *head = cli_environment("GPT2_HEAD");
	char why[WHYSZ];
	int c;

	while ((c = getopt_long(argc, argv, CLI_SHORT "H:", options, NULL)) !=
	       -1) {
		if (c == 'H')
			head = optarg;
		else
			cli_option(&e->cli, c, help);
	}
	cli_ready(&e->cli);
	if (optind < argc)
		cli_wrong("%s: name the head with -H", argv[optind]);
	if (e->cli.output == NULL)
		cli_wrong("-o: want a directory to make");
	e->head_path =
	    head ? strdup(head) : head_find(cli_model(&e->cli, NULL), why);
	if (e->head_path == NULL)
		cli_die(why);
}

/* The model must be the one below the head's cut. */
static void
open_model(struct export *e)
{
	const struct head *h = e->head;
	char why[WHYSZ], id[STREAM_IDSZ];
	const struct checkpoint_config *c;
	struct team *team;
	struct bpe *bpe;

	e->dir = checkpoint_find(cli_model(&e->cli, h->model_name), why);
	if (e->dir == NULL)
		cli_die(why);
	if ((e->checkpoint = checkpoint_open(e->dir, why)) == NULL ||
	    (bpe = bpe_open(e->dir, why)) == NULL)
		cli_fail(e->dir, why);
	c = checkpoint_config(e->checkpoint);
	if ((team = team_open(e->cli.jobs, why)) == NULL)
		cli_die(why);
	if (c->n_layer != h->stream.n_layer || c->n_embd != h->stream.n_embd ||
	    strcmp(bpe_vocabulary(bpe), h->stream.vocabulary) != 0)
		cli_fail(e->dir, "not the model of the head");
	if (gpt2_identify(id, e->checkpoint, h->stream.cut, team, why) < 0)
		cli_fail(e->dir, why);
	if (strcmp(id, h->stream.model) != 0)
		cli_fail(e->dir, "not the model of the head");
	e->end_of_text = bpe_end_of_text(bpe);
	bpe_free(bpe);
	team_free(team);
}

int
main(int argc, char **argv)
{
	struct export e = { .dir = NULL };
	struct directory_out *out;
	char why[WHYSZ];

	cli_start(&e.cli);
	parse_options(&e, argc, argv);
	if ((e.head = head_open(e.head_path, why)) == NULL)
		cli_fail(e.head_path, why);
	if (pretrained_check(e.head, why) < 0)
		cli_fail(e.head_path, why);
	open_model(&e);
	if ((out = directory_create(e.cli.output, why)) == NULL)
		cli_fail(e.cli.output, why);
	if (pretrained_write(
		e.head, out, e.checkpoint, e.dir, e.end_of_text, why) < 0) {
		directory_abandon(out);
		cli_fail(e.cli.output, why);
	}
	if (directory_commit(out, why) < 0)
		cli_fail(e.cli.output, why);
	checkpoint_free(e.checkpoint);
	head_free(e.head);
	free(e.head_path);
	free(e.dir);
	return 0;
}
