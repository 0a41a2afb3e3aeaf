/* head-predict: hidden states to labels, one line a record. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/judge.h"
#include "cli/progress.h"
#include "head/print.h"
#include "stream/flow.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/team.h"

static const char help[] =
    "usage: head-predict [-hqVv] [-H HEAD] ... [-j N] [-m MODEL] [-o FILE]\n"
    "                    [--all] [--format tsv|jsonl|fasttext]\n"
    "                    [--min-prob P --otherwise LABEL]\n"
    "                    [--progress auto|on|off] [--top K] [FILE ...]\n"
    "\n"
    "      --all           a probability for every class, after a header\n"
    "      --format F      tsv (default), jsonl or fasttext\n"
    "  -H, --head HEAD     the head; several give columns each\n"
    "                      ($GPT2_HEAD, then sentiment.head of the model)\n"
    "  -j, --jobs N        threads (one a processor)\n"
    "  -m, --model M       where sentiment.head is (the stream's model)\n"
    "      --min-prob P    below it print the label of --otherwise\n"
    "  -o, --output F      write F, replaced whole, instead of stdout\n"
    "      --otherwise L   label for the doubtful\n"
    "      --progress W    auto, on or off\n"
    "      --top K         the K most probable labels (1)\n"
    "  -q, -v              say less, say more\n"
    "  -V, --version       print the version\n";

enum { WRITE_AT = 1 << 16 };

struct predict {
	struct cli cli;
	struct print_options print;
	const char **heads; /* (n_heads) paths */
	size_t n_heads;

	struct stream_reader *in;
	struct team *team;
	struct judges judges;
	struct print_scores *scores; /* (heads) of the record at hand */
	bool begun;		     /* the header line is out */
	uint64_t tokens;	     /* of the record's parts so far */
	struct buffer lines;
	struct file_out *out;
	struct progress progress;
};

static void
parse_options(struct predict *p, int argc, char **argv)
{
	static const struct option options[] = { { "all", no_argument, NULL,
						     256 },
		{ "format", required_argument, NULL, 257 },
		{ "head", required_argument, NULL, 'H' },
		{ "min-prob", required_argument, NULL, 258 },
		{ "otherwise", required_argument, NULL, 259 },
		{ "top", required_argument, NULL, 260 }, CLI_LONG };
	static const char *const formats[] = { "tsv", "jsonl", "fasttext",
		NULL };
	int c;

	p->print.top = 1;
	p->print.min_prob = -1;
	if ((p->heads = calloc((size_t)argc + 1, sizeof(char *))) == NULL)
		err(1, "memory");
	while ((c = getopt_long(argc, argv, CLI_SHORT "H:", options, NULL)) !=
	       -1) {
		switch (c) {
		case 'H':
			p->heads[p->n_heads++] = optarg;
			break;
		case 256:
			p->print.all = true;
			break;
		case 257:
			p->print.format = (enum print_format)cli_word(
			    "--format", optarg, formats);
			break;
		case 258:
			p->print.min_prob =
			    cli_real("--min-prob", optarg, 0, 1);
			break;
		case 259:
			p->print.otherwise = optarg;
			break;
		case 260:
			p->print.top = cli_number("--top", optarg, 1, 65535);
			break;
		default:
			cli_option(&p->cli, c, help);
		}
	}
	cli_ready(&p->cli);
	if ((p->print.min_prob >= 0) != (p->print.otherwise != NULL))
		cli_wrong("--min-prob and --otherwise go together");
}

static void
compute(void *arg, struct flow_batch *batch, size_t worker)
{
	struct predict *p = arg;

	judges_run(&p->judges, batch, worker);
}

/* The last part of a record: its line. */
static void
print_record(struct predict *p, const struct record *r)
{
	struct print_record record = { r->id, r->id_len, p->tokens,
		r->was_cut };
	char why[WHYSZ];

	for (size_t i = 0; i < p->judges.n; i++)
		head_join_end(&p->judges.list[i].join, p->judges.list[i].p);
	if ((!p->begun && print_header(&p->lines, &p->print, r->id != NULL,
			      p->scores, p->judges.n, why) < 0) ||
	    print_line(
		&p->lines, &p->print, &record, p->scores, p->judges.n, why) < 0)
		cli_die(why);
	p->begun = true;
	p->tokens = 0;
}

static int
flush(void *arg, char *why)
{
	struct predict *p = arg;

	if (file_write(p->out, p->lines.data, p->lines.len, why) < 0)
		cli_fail(file_name(p->out), why);
	p->lines.len = 0;
	return 0;
}

static int
emit(void *arg, const struct flow_batch *batch, char *why)
{
	struct predict *p = arg;
	uint64_t all, done = stream_reader_bytes(p->in, &all);

	for (size_t i = 0; i < batch->n; i++) {
		const struct record *r = batch->records[i];

		judges_join(&p->judges, batch, i);
		p->tokens += r->n_tokens;
		if (r->part == r->parts)
			print_record(p, r);
		progress_step(&p->progress, r->n_tokens, done, all);
	}
	return p->lines.len < WRITE_AT ? 0 : flush(p, why);
}

static void
run(struct predict *p)
{
	struct flow flow = { .batch_tokens = JUDGE_TOKENS,
		.floats_per_record = p->judges.floats,
		.arg = p,
		.compute = compute,
		.emit = emit,
		.flush = flush };
	char why[WHYSZ];
	int rc;

	p->progress = progress_start(&p->cli);
	rc = flow_run(&flow, p->in, p->team, why);
	progress_end(&p->progress);
	if (rc < 0)
		cli_die(why);
	if (!p->begun && print_header(&p->lines, &p->print, false, p->scores,
			     p->judges.n, why) < 0)
		cli_die(why);
	flush(p, why);
	cli_commit(p->out);
}

static void
open_all(struct predict *p, char **files, int n)
{
	char why[WHYSZ];

	p->out = cli_output(&p->cli, false);
	p->in = stream_reader_open(
	    (const char *const *)files, (size_t)n, STREAM_HIDDEN, why);
	if (p->in == NULL || (p->team = team_open(p->cli.jobs, why)) == NULL)
		cli_die(why);
	if (stream_reader_reads(p->in, p->out))
		cli_fail(
		    file_name(p->out), "input and output are the same file");
	judges_open(&p->judges, &p->cli, p->heads, p->n_heads, p->in,
	    team_size(p->team));
	p->scores = calloc(p->judges.n, sizeof(*p->scores));
	if (p->scores == NULL)
		err(1, "memory");
	for (size_t i = 0; i < p->judges.n; i++) {
		const struct judge *j = &p->judges.list[i];

		p->scores[i] = (struct print_scores){ j->name, j->head->K,
			j->head->names, j->p };
	}
}

int
main(int argc, char **argv)
{
	struct predict p = { .heads = NULL };

	cli_start(&p.cli);
	parse_options(&p, argc, argv);
	open_all(&p, argv + optind, argc - optind);
	run(&p);
	judges_close(&p.judges);
	stream_reader_free(p.in);
	team_free(p.team);
	free(p.lines.data);
	free(p.scores);
	free(p.heads);
	return 0;
}
