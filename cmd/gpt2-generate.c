/* gpt2-generate: prompts to continuations, or to labels by their choice. */
#include <err.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "checkpoint/checkpoint.h"
#include "cli/choices.h"
#include "cli/cli.h"
#include "cli/continue.h"
#include "cli/progress.h"
#include "gpt2/group.h"
#include "head/print.h"
#include "stream/stream.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/team.h"

static const char help[] =
    "usage: gpt2-generate [-hqVv] [-j N] [-m MODEL] [-n N] [-o FILE]\n"
    "                     [--all] [--choice TEXT[=LABEL]] ...\n"
    "                     [--format tsv|jsonl|fasttext] [--only-new]\n"
    "                     [--precision f32|bf16|int8] [--prior TEXT]\n"
    "                     [--progress auto|on|off] [--seed N]\n"
    "                     [--stop TEXT] ... [--temperature T] [--top K]\n"
    "                     [--top-k K] [--top-p P] [FILE ...]\n"
    "\n"
    "      --all           with choices: a probability for every label\n"
    "      --choice T[=L]  judge instead how probable T is, for the label L\n"
    "      --format F      with choices: tsv (default), jsonl or fasttext\n"
    "  -j, --jobs N        threads (one a processor)\n"
    "  -m, --model M       directory or name of the model ($GPT2_MODEL)\n"
    "  -n, --new N         new tokens, at most (20)\n"
    "      --only-new      without the prompts\n"
    "  -o, --output F      write F, replaced whole, instead of stdout\n"
    "      --precision P   of the arithmetic: f32 (default), bf16 or int8\n"
    "      --prior TEXT    with choices: less their log-probability after "
    "TEXT\n"
    "      --progress W    auto, on or off\n"
    "      --seed N        of the random numbers (1)\n"
    "      --stop TEXT     end where TEXT has been written\n"
    "      --temperature T 0 (default): the most probable token\n"
    "      --top K         with choices: the K most probable labels (1)\n"
    "      --top-k K       sample from the K most probable tokens (all)\n"
    "      --top-p P       and of these from the first with P together (1)\n"
    "  -q, -v              say less, say more\n"
    "  -V, --version       print the version\n";

enum {
	GROUP_BYTES = 256 << 20 /* of keys and values, unless one has more */
};

enum {
	OPT_ALL = 256,
	OPT_CHOICE,
	OPT_FORMAT,
	OPT_ONLY_NEW,
	OPT_PRECISION,
	OPT_PRIOR,
	OPT_SEED,
	OPT_STOP,
	OPT_TEMPERATURE,
	OPT_TOP,
	OPT_TOP_K,
	OPT_TOP_P
};

struct generate {
	struct cli cli;
	enum ops_precision precision;
	struct continuing continuing;
	struct choices choices;
	struct print_options print;

	char *dir;
	struct bpe *bpe;
	size_t n_positions;
	struct team *team;
	struct gpt2_group group;
	struct prompt_item items[GROUP_MOST];
	struct stream_reader *in;
	struct file_out *file;
	struct buffer lines;
	bool begun;
	uint64_t records, tokens, cut;
	struct progress progress;
};

static bool
take_choices(struct generate *g, int c)
{
	static const char *const formats[] = { "tsv", "jsonl", "fasttext",
		NULL };

	switch (c) {
	case OPT_ALL:
		g->print.all = true;
		return true;
	case OPT_CHOICE:
		choices_add(&g->choices, optarg);
		return true;
	case OPT_FORMAT:
		g->print.format =
		    (enum print_format)cli_word("--format", optarg, formats);
		return true;
	case OPT_PRIOR:
		g->choices.prior = optarg;
		return true;
	case OPT_TOP:
		g->print.top = cli_number("--top", optarg, 1, 65535);
		return true;
	default:
		return false;
	}
}

static void
take_option(struct generate *g, int option)
{
	static const char *const precisions[] = { "f32", "bf16", "int8", NULL };
	struct continuing *c = &g->continuing;
	struct sample_options *s = &c->sample;

	switch (option) {
	case 'n':
		c->new_tokens = cli_number("-n", optarg, 1, 1048576);
		break;
	case OPT_ONLY_NEW:
		c->only_new = true;
		break;
	case OPT_PRECISION:
		g->precision = (enum ops_precision)cli_word(
		    "--precision", optarg, precisions);
		break;
	case OPT_SEED:
		s->seed = cli_number("--seed", optarg, 0, SIZE_MAX / 2);
		break;
	case OPT_STOP:
		if (optarg[0] == '\0' || c->n_stops == CONTINUE_STOPS)
			cli_wrong("--stop: want 1 to %d texts", CONTINUE_STOPS);
		c->stops[c->n_stops++] = optarg;
		break;
	case OPT_TEMPERATURE:
		s->temperature = cli_real("--temperature", optarg, 0, 100);
		break;
	case OPT_TOP_K:
		s->top_k = cli_number("--top-k", optarg, 1, 16777216);
		break;
	case OPT_TOP_P:
		s->top_p = cli_real("--top-p", optarg, 1e-6, 1);
		break;
	default:
		if (!take_choices(g, option))
			cli_option(&g->cli, option, help);
	}
}

static void
parse_options(struct generate *g, int argc, char **argv)
{
	static const struct option options[] = { { "all", no_argument, NULL,
						     OPT_ALL },
		{ "choice", required_argument, NULL, OPT_CHOICE },
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ "new", required_argument, NULL, 'n' },
		{ "only-new", no_argument, NULL, OPT_ONLY_NEW },
		{ "precision", required_argument, NULL, OPT_PRECISION },
		{ "prior", required_argument, NULL, OPT_PRIOR },
		{ "seed", required_argument, NULL, OPT_SEED },
		{ "stop", required_argument, NULL, OPT_STOP },
		{ "temperature", required_argument, NULL, OPT_TEMPERATURE },
		{ "top", required_argument, NULL, OPT_TOP },
		{ "top-k", required_argument, NULL, OPT_TOP_K },
		{ "top-p", required_argument, NULL, OPT_TOP_P }, CLI_LONG };
	int c;

	while (
	    (c = getopt_long(argc, argv, CLI_SHORT "n:", options, NULL)) != -1)
		take_option(g, c);
	cli_ready(&g->cli);
	if (g->choices.prior && g->choices.n == 0)
		cli_wrong("--prior: want --choice");
	if (g->choices.n == 1)
		cli_wrong("--choice: want two at least");
}

/* ---- opening ---- */

static void
open_model(struct generate *g)
{
	struct checkpoint *checkpoint;
	const struct checkpoint_config *c;
	char why[WHYSZ];

	if ((g->dir = checkpoint_find(cli_model(&g->cli, NULL), why)) == NULL)
		cli_die(why);
	if ((g->bpe = bpe_open(g->dir, why)) == NULL ||
	    (checkpoint = checkpoint_open(g->dir, why)) == NULL)
		cli_fail(g->dir, why);
	c = checkpoint_config(checkpoint);
	g->n_positions = c->n_positions;
	g->group.V = c->vocab_size;
	if ((g->team = team_open(g->cli.jobs, why)) == NULL ||
	    (g->continuing.sampler = sampler_open(
		 c->vocab_size, team_size(g->team), why)) == NULL)
		cli_die(why);
	g->continuing.team = g->team;
	g->group.decoder =
	    gpt2_decoder_open(checkpoint, g->precision, g->team, why);
	if (g->group.decoder == NULL)
		cli_fail(g->dir, why);
	checkpoint_free(checkpoint);
}

static void
open_streams(struct generate *g, char **files, int n)
{
	const struct stream_header *h;
	char why[WHYSZ];

	g->in = stream_reader_open(
	    (const char *const *)files, (size_t)n, STREAM_TOKENS, why);
	if (g->in == NULL)
		cli_die(why);
	if (stream_reader_reads(g->in, g->file))
		cli_fail(
		    file_name(g->file), "input and output are the same file");
	h = stream_reader_header(g->in);
	if (strcmp(h->vocabulary, bpe_vocabulary(g->bpe)) != 0)
		errx(1,
		    "%s: made with another vocabulary (%zu tokens, %s has "
		    "%zu): run bpe-encode -m %s",
		    stream_reader_name(g->in), h->vocab_size, g->dir,
		    bpe_vocab_size(g->bpe), g->dir);
	g->continuing.bpe = g->bpe;
	g->continuing.n_positions = g->n_positions;
	g->continuing.file = g->file;
	if (g->choices.n == 0 &&
	    (g->continuing.out = stream_writer_open(g->file, h, why)) == NULL)
		cli_die(why);
}

/* ---- a group of prompts ---- */

/* How many tokens may follow a prompt. */
static size_t
wanted(const struct generate *g)
{
	return g->choices.n > 0 ? g->choices.longest : g->continuing.new_tokens;
}

/* Adds the record; a prompt that leaves no room keeps its end. */
static void
add_prompt(struct generate *g, const struct record *r)
{
	uint32_t end = bpe_end_of_text(g->bpe);
	const uint32_t *tokens = r->n_tokens > 0 ? r->tokens : &end;
	size_t n = num_max(r->n_tokens, 1), most = g->n_positions;
	struct prompt_item *item = &g->items[g->group.B];
	char why[WHYSZ];

	*item =
	    (struct prompt_item){ .number = g->records, .was_cut = r->was_cut };
	if (n >= most || (g->choices.n > 0 && n + wanted(g) > most)) {
		size_t keep = most - num_min(wanted(g), most - 1);

		tokens += n - num_min(keep, n);
		n = num_min(keep, n);
		item->was_cut = true;
		g->cut++;
	}
	if ((item->record = stream_record_copy(r, 0, why)) == NULL ||
	    gpt2_group_add(
		&g->group, tokens, n, num_min(n + wanted(g), most), why) < 0)
		cli_die(why);
	g->tokens += n;
}

/* Whether one more prompt, of n tokens, would be too much for the group. */
static bool
is_full(const struct generate *g, size_t bytes, size_t n)
{
	size_t room = num_min(n + wanted(g), g->n_positions);

	return g->group.B == GROUP_MOST ||
	       (g->group.B > 0 &&
		   bytes + gpt2_decoder_cache(g->group.decoder, room) >
		       GROUP_BYTES);
}

static void
clear_group(struct generate *g)
{
	for (size_t b = 0; b < g->group.B; b++)
		free(g->items[b].record);
	gpt2_group_clear(&g->group);
}

/* ---- choices ---- */

/* Prints the line of a prompt, whose scores stand in every B-th place. */
static void
print_choice(
    struct generate *g, const struct prompt_item *item, const double *scores)
{
	const struct choices *c = &g->choices;
	struct print_record r = { item->record->id, item->record->id_len,
		item->record->n_tokens, item->was_cut };
	struct print_scores s = { NULL, c->K, c->labels, c->p };
	char why[WHYSZ];

	choices_judge(&g->choices, scores, g->group.B);
	if ((!g->begun && print_header(&g->lines, &g->print, r.id != NULL, &s,
			      1, why) < 0) ||
	    print_line(&g->lines, &g->print, &r, &s, 1, why) < 0)
		cli_die(why);
	g->begun = true;
}

static void
write_lines(struct generate *g)
{
	char why[WHYSZ];

	if (file_write(g->file, g->lines.data, g->lines.len, why) < 0)
		cli_fail(file_name(g->file), why);
	g->lines.len = 0;
}

/* scores (choices, B): log-probabilities after the group's prompts. */
static double *
score_group(struct generate *g)
{
	const struct choices *c = &g->choices;
	double *scores = calloc(c->n * g->group.B, sizeof(*scores));
	bool marks[GROUP_MOST];
	char why[WHYSZ];

	if (scores == NULL)
		err(1, "memory");
	for (size_t b = 0; b < g->group.B; b++)
		marks[b] = true;
	if (gpt2_group_run(&g->group, marks, why) < 0)
		cli_die(why);
	for (size_t i = 0; i < c->n; i++) {
		if (gpt2_group_score(&g->group, scores + i * g->group.B,
			c->list[i].tokens, c->list[i].n, why) < 0)
			cli_die(why);
	}
	return scores;
}

static void
judge_group(struct generate *g)
{
	double *scores = score_group(g);

	for (size_t b = 0; b < g->group.B; b++) {
		print_choice(g, &g->items[b], scores + b);
		progress_step(&g->progress, g->items[b].record->n_tokens, 0, 0);
	}
	write_lines(g);
	free(scores);
}

/* What each choice has after the prior text alone. */
static void
score_prior(struct generate *g)
{
	struct choices *c = &g->choices;
	struct record r = { .n_tokens = c->n_prior, .tokens = c->prior_tokens };
	double *scores;

	add_prompt(g, &r);
	scores = score_group(g);
	for (size_t i = 0; i < c->n; i++)
		c->list[i].prior = scores[i];
	free(scores);
	clear_group(g);
	g->tokens = g->cut = 0;
}

/* ---- the loop ---- */

static void
run_group(struct generate *g)
{
	if (g->group.B == 0)
		return;
	if (g->choices.n > 0)
		judge_group(g);
	else
		continue_group(&g->continuing, &g->group, g->items);
	clear_group(g);
}

/* Prompts are taken together while there is no waiting for them. */
static int
run(struct generate *g, char *why)
{
	struct record r;
	size_t bytes = 0;
	int rc;

	for (;;) {
		if (!stream_reader_ready(g->in)) {
			run_group(g);
			bytes = 0;
		}
		if ((rc = stream_read(g->in, &r, why)) <= 0)
			break;
		g->records++;
		if (r.parts != 1) {
			run_group(g);
			return why_set(why,
			    "%s: record %llu: split; use bpe-encode --long "
			    "tail",
			    stream_reader_name(g->in),
			    (unsigned long long)g->records);
		}
		if (is_full(g, bytes, num_max(r.n_tokens, 1))) {
			run_group(g);
			bytes = 0;
		}
		add_prompt(g, &r);
		bytes += gpt2_decoder_cache(
		    g->group.decoder, g->group.prompts[g->group.B - 1].room);
	}
	run_group(g);
	return rc;
}

static void
say_counts(const struct generate *g)
{
	if (g->cut)
		cli_note(&g->cli, "of %llu of %llu prompts only the end fitted",
		    (unsigned long long)g->cut, (unsigned long long)g->records);
	if (g->continuing.full)
		cli_note(&g->cli,
		    "%llu of %llu continuations ended with the context of %zu "
		    "tokens",
		    (unsigned long long)g->continuing.full,
		    (unsigned long long)g->records, g->n_positions);
	if (g->cli.verbose)
		cli_note(&g->cli, "%llu records, %s, %s",
		    (unsigned long long)g->records, g->dir,
		    ops_describe(g->precision));
}

static void
end(struct generate *g)
{
	struct print_scores s = { NULL, g->choices.K, g->choices.labels,
		g->choices.p };
	char why[WHYSZ];

	if (g->choices.n > 0 && !g->begun &&
	    print_header(&g->lines, &g->print, false, &s, 1, why) < 0)
		cli_die(why);
	if (g->choices.n > 0)
		write_lines(g);
	else if (stream_end(g->continuing.out, true, why) < 0)
		cli_fail(file_name(g->file), why);
	cli_commit(g->file);
	say_counts(g);
}

int
main(int argc, char **argv)
{
	struct generate g = { .continuing = { .new_tokens = 20,
				  .sample = { .top_p = 1, .seed = 1 } },
		.print = { .top = 1, .min_prob = -1 } };
	char why[WHYSZ];
	int rc;

	cli_start(&g.cli);
	parse_options(&g, argc, argv);
	g.file = cli_output(&g.cli, g.choices.n == 0);
	open_model(&g);
	choices_open(&g.choices, g.bpe, g.n_positions);
	open_streams(&g, argv + optind, argc - optind);
	if (g.choices.prior)
		score_prior(&g);
	g.progress = progress_start(&g.cli);
	g.continuing.progress = &g.progress;
	rc = run(&g, why);
	progress_end(&g.progress);
	if (rc < 0)
		cli_die(why);
	end(&g);
	choices_close(&g.choices);
	stream_writer_free(g.continuing.out);
	stream_reader_free(g.in);
	gpt2_group_free(&g.group);
	gpt2_decoder_free(g.group.decoder);
	sampler_free(g.continuing.sampler);
	team_free(g.team);
	bpe_free(g.bpe);
	free(g.lines.data);
	free(g.dir);
	return 0;
}
