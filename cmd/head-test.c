/* head-test: labelled hidden states and a head, or predictions, to figures. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/judge.h"
#include "cli/printed.h"
#include "cli/progress.h"
#include "head/describe.h"
#include "head/examples.h"
#include "head/score.h"
#include "stream/flow.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/team.h"

static const char help[] =
    "usage: head-test [-hqVv] [-H HEAD] [-j N] [-m MODEL] [-o FILE]\n"
    "                 [--format text|tsv|jsonl] [--min-accuracy X]\n"
    "                 [--progress auto|on|off] [FILE ...]\n"
    "       head-test [-0hqV] [-H HEAD] [-o FILE] [--format "
    "text|tsv|jsonl]\n"
    "                 [--label FIELD] [--min-accuracy X]\n"
    "                 --predictions FILE --labels FILE\n"
    "\n"
    "  -0, --null            lines of predictions and labels end in NUL\n"
    "      --format F        text (default), tsv or jsonl\n"
    "  -H, --head HEAD       the head ($GPT2_HEAD, then sentiment.head of\n"
    "                        the model)\n"
    "  -j, --jobs N          threads (one a processor)\n"
    "      --label F         field of the label: a name or a number from 1\n"
    "      --labels F        the file with the labels, one a line, or as\n"
    "                        .tsv, .csv or .jsonl\n"
    "  -m, --model M         where sentiment.head is (the stream's model)\n"
    "      --min-accuracy X  status 1 below it; 0 to 1\n"
    "  -o, --output F        write F, replaced whole, instead of stdout\n"
    "      --predictions F   judge F, lines of label, tab and probability\n"
    "      --progress W      auto, on or off\n"
    "  -q, -v                say less, say more\n"
    "  -V, --version         print the version\n";

struct test {
	struct cli cli;
	const char *head_path;
	enum score_format format;
	double min_accuracy;
	const char *predictions, *labels;
	struct rows_options rows; /* of the labels */

	struct stream_reader *in;
	struct team *team;
	struct file_out *out;
	struct judges judges; /* one */
	struct score *score;
	struct examples_id *id;
	uint64_t records, unlabelled;
	struct progress progress;
};

static void
parse_options(struct test *t, int argc, char **argv)
{
	static const struct option options[] = { { "format", required_argument,
						     NULL, 256 },
		{ "label", required_argument, NULL, 258 },
		{ "labels", required_argument, NULL, 259 },
		{ "null", no_argument, NULL, '0' },
		{ "predictions", required_argument, NULL, 260 },
		{ "head", required_argument, NULL, 'H' },
		{ "min-accuracy", required_argument, NULL, 257 }, CLI_LONG };
	static const char *const formats[] = { "text", "tsv", "jsonl", NULL };
	int c;

	while ((c = getopt_long(argc, argv, CLI_SHORT "0H:", options, NULL)) !=
	       -1) {
		switch (c) {
		case '0':
			t->rows.null = true;
			break;
		case 'H':
			t->head_path = optarg;
			break;
		case 256:
			t->format = (enum score_format)cli_word(
			    "--format", optarg, formats);
			break;
		case 257:
			t->min_accuracy =
			    cli_real("--min-accuracy", optarg, 0, 1);
			break;
		case 258:
			t->rows.label = optarg;
			break;
		case 259:
			t->labels = optarg;
			break;
		case 260:
			t->predictions = optarg;
			break;
		default:
			cli_option(&t->cli, c, help);
		}
	}
	cli_ready(&t->cli);
	if (!t->predictions != !t->labels)
		cli_wrong("--predictions and --labels go together");
	if (t->predictions && optind < argc)
		cli_wrong("--predictions takes no operands");
	if (t->predictions && strcmp(t->predictions, "-") == 0 &&
	    strcmp(t->labels, "-") == 0)
		cli_wrong("--predictions and --labels: one of them is stdin");
	if (!t->predictions && (t->rows.null || t->rows.label))
		cli_wrong("-0 and --label: want --predictions");
}

static void
compute(void *arg, struct flow_batch *batch, size_t worker)
{
	struct test *t = arg;

	judges_run(&t->judges, batch, worker);
}

/* The last part of a record: counts it, if it has a label. */
static int
count_record(struct test *t, const struct record *r, char *why)
{
	struct judge *j = &t->judges.list[0];
	char label[256];
	size_t class;

	t->records++;
	head_join_end(&j->join, j->p);
	if (r->label == NULL || r->label_len == 0) {
		t->unlabelled++;
		return 0;
	}
	class = head_class(j->head, r->label, r->label_len);
	if (class == j->head->K)
		return why_set(why, "%s: record %llu: label \"%s\" not in head",
		    stream_reader_name(t->in), (unsigned long long)t->records,
		    why_escape(label, sizeof(label), r->label, r->label_len));
	score_add(t->score, class, j->p, r->was_cut);
	return 0;
}

static int
emit(void *arg, const struct flow_batch *batch, char *why)
{
	struct test *t = arg;
	uint64_t all, done = stream_reader_bytes(t->in, &all);

	for (size_t i = 0; i < batch->n; i++) {
		const struct record *r = batch->records[i];

		judges_join(&t->judges, batch, i);
		examples_id_add(t->id, r);
		if (r->part == r->parts && count_record(t, r, why) < 0)
			return -1;
		progress_step(&t->progress, r->n_tokens, done, all);
	}
	return 0;
}

static int
flush(void *arg, char *why)
{
	(void)arg;
	(void)why;
	return 0;
}

static void
open_all(struct test *t, char **files, int n)
{
	char why[WHYSZ];

	t->in = stream_reader_open(
	    (const char *const *)files, (size_t)n, STREAM_HIDDEN, why);
	if (t->in == NULL || (t->team = team_open(t->cli.jobs, why)) == NULL)
		cli_die(why);
	if (stream_reader_reads(t->in, t->out))
		cli_fail(
		    file_name(t->out), "input and output are the same file");
	judges_open(&t->judges, &t->cli, &t->head_path, t->head_path ? 1 : 0,
	    t->in, team_size(t->team));
	t->score = score_new(t->judges.list[0].head->K, why);
	if (t->score == NULL || (t->id = examples_id_new(why)) == NULL)
		cli_die(why);
}

static void
run(struct test *t)
{
	struct flow flow = { .batch_tokens = JUDGE_TOKENS,
		.floats_per_record = t->judges.floats,
		.arg = t,
		.compute = compute,
		.emit = emit,
		.flush = flush };
	char why[WHYSZ];
	int rc;

	t->progress = progress_start(&t->cli);
	rc = flow_run(&flow, t->in, t->team, why);
	progress_end(&t->progress);
	if (rc < 0)
		cli_die(why);
	if (t->records == t->unlabelled)
		errx(1, "%s: no labelled records", stream_reader_name(t->in));
}

static void
say_unlabelled(const struct test *t, uint64_t n, uint64_t records)
{
	if (n > 0)
		cli_note(&t->cli, "%llu of %llu records have no label",
		    (unsigned long long)n, (unsigned long long)records);
}

/* What the figures do not say. */
static void
say_notes(struct test *t)
{
	const struct judge *j = &t->judges.list[0];
	const struct stream_header *h = &j->head->stream;
	char id[STREAM_IDSZ], *dev = head_dev_id(j->head);

	examples_id_end(t->id, id);
	if (t->cli.verbose)
		cli_note(&t->cli,
		    "%s: %zu classes, cut %zu of %zu, model %s, id %s", j->path,
		    j->head->K, h->cut, h->n_layer, h->model_name, h->model);
	if (dev && strcmp(dev, id) == 0)
		cli_note(&t->cli, "this is the head's own dev set");
	free(dev);
	say_unlabelled(t, t->unlabelled, t->records);
}

static void
print_report(
    struct test *t, const struct score *score, size_t K, char *const *names)
{
	double accuracy = score_result(score).accuracy;
	struct buffer text = { NULL, 0, 0 };
	char why[WHYSZ];

	if (score_print(&text, score, K, names, t->format, why) < 0)
		cli_die(why);
	if (file_write(t->out, text.data, text.len, why) < 0)
		cli_fail(file_name(t->out), why);
	cli_commit(t->out);
	free(text.data);
	if (accuracy < t->min_accuracy)
		errx(1, "accuracy %.4f is below %g", accuracy, t->min_accuracy);
}

static void
test_head(struct test *t, char **files, int n)
{
	const struct head *h;

	open_all(t, files, n);
	run(t);
	say_notes(t);
	h = t->judges.list[0].head;
	print_report(t, t->score, h->K, h->names);
	score_free(t->score);
	judges_close(&t->judges);
	stream_reader_free(t->in);
	team_free(t->team);
}

static void
test_predictions(struct test *t)
{
	struct printed printed = { .K = 0 };
	struct head *head = NULL;
	char why[WHYSZ];

	if (t->head_path && (head = head_open(t->head_path, why)) == NULL)
		cli_fail(t->head_path, why);
	t->rows.format = rows_format(t->labels, TEXT_LINES);
	printed_judge(&printed, t->predictions, t->labels, &t->rows, head);
	say_unlabelled(t, printed.unlabelled, printed.records);
	print_report(t, printed.score, printed.K, printed.names);
	printed_free(&printed);
	head_free(head);
}

int
main(int argc, char **argv)
{
	struct test t = { .min_accuracy = 0 };

	cli_start(&t.cli);
	parse_options(&t, argc, argv);
	t.out = cli_output(&t.cli, false);
	if (t.predictions)
		test_predictions(&t);
	else
		test_head(&t, argv + optind, argc - optind);
	return 0;
}
