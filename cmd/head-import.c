/* head-import: a Hugging Face directory to a head. */
#include <err.h>
#include <stdlib.h>

#include "bpe/bpe.h"
#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "head/head.h"
#include "head/pretrained.h"
#include "sys/file.h"
#include "sys/team.h"

static const char help[] =
    "usage: head-import [-hqVv] -o HEAD [-j N] [-m MODEL] [--cut N]\n"
    "                   [--progress auto|on|off] [DIRECTORY]\n"
    "\n"
    "      --cut N       the cut (as exported; else two blocks above it)\n"
    "  -j, --jobs N      threads (one a processor)\n"
    "  -m, --model M     the directory, where no operand names it\n"
    "  -o, --output F    the head to write (needed)\n"
    "      --progress W  accepted\n"
    "  -q, -v            say less, say more\n"
    "  -V, --version     print the version\n";

struct import {
	struct cli cli;
	size_t cut; /* SIZE_MAX: not given */
	const char *source;
};

static void
parse_options(struct import *m, int argc, char **argv)
{
	static const struct option options[] = {
		{ "cut", required_argument, NULL, 256 }, CLI_LONG
	};
	int c;

	while ((c = getopt_long(argc, argv, CLI_SHORT, options, NULL)) != -1) {
		if (c == 256)
			m->cut = cli_number("--cut", optarg, 0, 1000);
		else
			cli_option(&m->cli, c, help);
	}
	cli_ready(&m->cli);
	m->source = optind < argc ? argv[optind] : m->cli.model;
	if (m->cli.output == NULL)
		cli_wrong("-o: want a file for the head");
	if (m->source == NULL || optind + 1 < argc)
		cli_wrong("want one directory");
}

/* What the user should know of it. */
static void
say_head(const struct import *m, const struct head *h, int again)
{
	cli_note(&m->cli, "%zu classes, %zu blocks above cut %zu of %s", h->K,
	    h->stream.n_layer - h->stream.cut, h->stream.cut,
	    h->stream.model_name);
	if (!again)
		cli_note(&m->cli,
		    "it reads text as bpe-encode prepares it by default: "
		    "white space at both ends removed");
}

int
main(int argc, char **argv)
{
	struct import m = { .cut = SIZE_MAX };
	struct file_out *out;
	struct team *team;
	struct head *head;
	struct bpe *bpe;
	char why[WHYSZ], *dir, *name;
	int again;

	cli_start(&m.cli);
	parse_options(&m, argc, argv);
	out = cli_output(&m.cli, true);
	if ((dir = checkpoint_find(m.source, why)) == NULL ||
	    (name = checkpoint_name(dir, why)) == NULL ||
	    (team = team_open(m.cli.jobs, why)) == NULL)
		cli_die(why);
	if ((bpe = bpe_open(dir, why)) == NULL)
		cli_fail(dir, why);
	head = pretrained_read(
	    dir, m.cut, bpe_vocabulary(bpe), name, team, &again, why);
	if (head == NULL)
		cli_fail(dir, why);
	if (head_write(head, out, why) < 0)
		cli_fail(file_name(out), why);
	cli_commit(out);
	say_head(&m, head, again);
	head_free(head);
	bpe_free(bpe);
	team_free(team);
	free(name);
	free(dir);
	return 0;
}
