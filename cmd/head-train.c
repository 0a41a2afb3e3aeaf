/* head-train: labelled hidden states to a head. */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "cli/overlap.h"
#include "cli/progress.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "head/describe.h"
#include "head/score.h"
#include "head/train.h"
#include "sys/file.h"
#include "sys/team.h"

static const char help[] =
    "usage: head-train [-hqVv] -o HEAD [-j N] [-m MODEL] [--batch N]\n"
    "                  [--dev FILE|P%] [--dropout P] [--epochs N]\n"
    "                  [--keep last|best] [--lr R] [--names L=NAME,...]\n"
    "                  [--pool last|mean] [--precision f32|bf16]\n"
    "                  [--progress auto|on|off] [--seed N]\n"
    "                  [--weight-decay R] [FILE ...]\n"
    "\n"
    "  -o, --output F       the head to write (needed)\n"
    "      --batch N        records an update (auto: 32, fewer for small "
    "data)\n"
    "      --dev FILE       labelled hidden states to judge each epoch by\n"
    "      --dev P%         or P percent of the records, kept from training\n"
    "      --dropout P      in the trained blocks (0.1)\n"
    "      --epochs N       passes over the data (auto: 3, more for small "
    "data)\n"
    "  -j, --jobs N         threads (one a processor)\n"
    "      --keep W         last epoch, or the best on the dev set (last)\n"
    "      --lr R           learning rate of the blocks (1e-4, less where\n"
    "                       n_embd > 768); ten times that for the classifier\n"
    "  -m, --model M        where the pretrained blocks are (as embedded)\n"
    "      --names LIST     names to print for labels: 0=negative,1=positive\n"
    "      --pool P         last token or mean of all (last)\n"
    "      --precision P    of the products: f32 (default), or bf16, faster\n"
    "      --progress W     auto, on or off\n"
    "      --seed N         of order and dropout (1)\n"
    "      --weight-decay R of matrices (0.01)\n"
    "  -q, -v               say less, say more\n"
    "  -V, --version        print the version\n";

struct train {
	struct cli cli;
	const char *dev_path;
	char *names;
	enum head_pool pool;
	struct train_options options;

	char *dir; /* the model's */
	struct team *team;
	struct stream_cache *cache, *dev_cache;
	struct head *head;
	struct examples *examples, *dev;
	size_t *counts; /* (K) examples of each class */
	struct progress progress;
};

/* A file, or a percentage of the records. */
static void
parse_dev(struct train *t, const char *arg)
{
	size_t len = strlen(arg);
	char number[16];

	if (len == 0 || arg[len - 1] != '%' || strchr(arg, '/')) {
		t->dev_path = arg;
		return;
	}
	snprintf(number, sizeof(number), "%.*s", (int)len - 1, arg);
	t->options.dev_percent = cli_real("--dev", number, 0.01, 90);
}

static void
parse_options(struct train *t, int argc, char **argv)
{
	static const struct option options[] = { { "batch", required_argument,
						     NULL, 256 },
		{ "dev", required_argument, NULL, 257 },
		{ "dropout", required_argument, NULL, 258 },
		{ "epochs", required_argument, NULL, 259 },
		{ "keep", required_argument, NULL, 260 },
		{ "lr", required_argument, NULL, 261 },
		{ "names", required_argument, NULL, 262 },
		{ "pool", required_argument, NULL, 263 },
		{ "precision", required_argument, NULL, 266 },
		{ "seed", required_argument, NULL, 264 },
		{ "weight-decay", required_argument, NULL, 265 }, CLI_LONG };
	static const char *const keep[] = { "last", "best", NULL };
	static const char *const pool[] = { "last", "mean", NULL };
	static const char *const precision[] = { "f32", "bf16", NULL };
	struct train_options *o = &t->options;
	int c;

	while ((c = getopt_long(argc, argv, CLI_SHORT, options, NULL)) != -1) {
		switch (c) {
		case 256:
			o->batch = cli_count("--batch", optarg, 65536);
			break;
		case 257:
			parse_dev(t, optarg);
			break;
		case 258:
			o->dropout = cli_real("--dropout", optarg, 0, 0.9);
			break;
		case 259:
			o->epochs = cli_count("--epochs", optarg, 10000);
			break;
		case 260:
			o->keep =
			    (enum train_keep)cli_word("--keep", optarg, keep);
			break;
		case 261:
			o->rate = cli_real("--lr", optarg, 1e-9, 1);
			break;
		case 262:
			t->names = optarg;
			break;
		case 263:
			t->pool =
			    (enum head_pool)cli_word("--pool", optarg, pool);
			break;
		case 264:
			o->seed = cli_number("--seed", optarg, 0, SIZE_MAX / 2);
			break;
		case 265:
			o->decay = cli_real("--weight-decay", optarg, 0, 1);
			break;
		case 266:
			o->precision = (enum ops_precision)cli_word(
			    "--precision", optarg, precision);
			break;
		default:
			cli_option(&t->cli, c, help);
		}
	}
	cli_ready(&t->cli);
	if (t->cli.output == NULL)
		cli_wrong("-o: want a file for the head");
	if (t->dev_path && o->dev_percent > 0)
		cli_wrong("--dev: want a file or a percentage, not both");
	if (o->keep == KEEP_BEST && !t->dev_path && o->dev_percent == 0)
		cli_wrong("--keep best: want --dev");
}

/* The head reads streams like the one it is trained on. */
static void
adopt_stream(struct train *t)
{
	const struct stream_header *s = stream_cache_header(t->cache);
	struct head *h = t->head;

	h->prefix = strdup(s->preparation.prefix);
	h->suffix = strdup(s->preparation.suffix);
	h->model_name = strdup(s->model_name);
	if (!h->prefix || !h->suffix || !h->model_name)
		err(1, "memory");
	h->stream = *s;
	h->stream.preparation.prefix = h->prefix;
	h->stream.preparation.suffix = h->suffix;
	h->stream.model_name = h->model_name;
	h->pool = t->pool;
	if (t->pool == HEAD_MEAN && s->pool == POOL_LAST)
		errx(1, "--pool mean: the stream has only last tokens (run "
			"gpt2-embed without --pool)");
}

/* --names 0=negative,1=positive */
static void
name_labels(struct train *t)
{
	struct head *h = t->head;
	char why[WHYSZ];

	for (char *pair; (pair = strsep(&t->names, ",")) != NULL;) {
		char *name = strchr(pair, '=');
		size_t k;

		if (name == NULL || name[1] == '\0')
			cli_wrong("--names: want LABEL=NAME,...");
		*name++ = '\0';
		if ((k = head_class(h, pair, strlen(pair))) == h->K)
			cli_wrong("--names: no label \"%s\" in the data", pair);
		free(h->names[k]);
		if ((h->names[k] = strdup(name)) == NULL)
			err(1, "memory");
	}
	if (head_check_names(h, why) < 0)
		cli_wrong("--names: %s", why);
}

/* Refuses to replace a file that is to be read. */
static void
check_input(const struct file_out *out, const char *path)
{
	struct stat st;
	int rc = strcmp(path, "-") ? stat(path, &st) : fstat(0, &st);

	if (rc == 0 && file_is_same(out, &st))
		cli_fail(file_name(out), "input and output are the same file");
}

static void
open_data(struct train *t, char **files, int n)
{
	char why[WHYSZ];

	t->cache = stream_cache_open(
	    (const char *const *)files, (size_t)n, STREAM_HIDDEN, why);
	if (t->cache == NULL || (t->head = head_new(why)) == NULL)
		cli_die(why);
	adopt_stream(t);
	t->examples = examples_learn(t->cache, t->head, &t->counts, why);
	if (t->examples == NULL)
		cli_fail(n > 0 ? files[0] : "stdin", why);
	name_labels(t);
	if (t->dev_path == NULL)
		return;
	t->dev_cache = stream_cache_open(&t->dev_path, 1, STREAM_HIDDEN, why);
	if (t->dev_cache == NULL)
		cli_die(why);
	if (stream_header_compare(stream_cache_header(t->dev_cache),
		stream_cache_header(t->cache), why) < 0 ||
	    (t->dev = examples_open(t->dev_cache, t->head, why)) == NULL)
		cli_fail(t->dev_path, why);
	if (t->dev->n == 0)
		cli_fail(t->dev_path, "no examples");
}

/* The pretrained blocks, from the very model that made the stream. */
static void
open_model(struct train *t)
{
	struct head *h = t->head;
	struct checkpoint *checkpoint;
	const struct checkpoint_config *c;
	char why[WHYSZ], id[STREAM_IDSZ];

	t->dir =
	    checkpoint_find(t->cli.model ? t->cli.model : h->model_name, why);
	if (t->dir == NULL)
		cli_die(why);
	if ((checkpoint = checkpoint_open(t->dir, why)) == NULL)
		cli_fail(t->dir, why);
	c = checkpoint_config(checkpoint);
	h->shape = gpt2_shape(c);
	if (c->n_layer != h->stream.n_layer || c->n_embd != h->stream.n_embd ||
	    c->n_head != h->stream.n_head)
		errx(1, "%s: not the model that made the stream (%s)", t->dir,
		    h->model_name);
	if (gpt2_identify(id, checkpoint, h->stream.cut, t->team, why) < 0)
		cli_fail(t->dir, why);
	if (strcmp(id, h->stream.model) != 0)
		errx(1, "%s: not the model that made the stream (%s)", t->dir,
		    h->model_name);
	h->top =
	    gpt2_floats(gpt2_top_size(&h->shape, h->stream.cut, h->K), why);
	if (h->top == NULL)
		cli_die(why);
	if (gpt2_read_top(h->top, checkpoint, h->stream.cut, h->K, why) < 0)
		cli_fail(t->dir, why);
	checkpoint_free(checkpoint);
}

/* Keeps some of the records for the dev set, unrelated to the others. */
static void
split_dev(struct train *t)
{
	struct examples *e = t->examples;
	size_t *groups = calloc(e->n + 1, sizeof(*groups));
	size_t *sizes = calloc(e->n + 1, sizeof(*sizes)), n, largest = 0;
	char why[WHYSZ];

	if (!groups || !sizes)
		err(1, "memory");
	n = cli_groups(t->dir, e, groups);
	for (size_t i = 0; i < e->n; i++) {
		if (++sizes[groups[i]] > largest)
			largest = sizes[groups[i]];
	}
	cli_note(&t->cli,
	    "%zu groups of records that contain one another, the largest of "
	    "%zu",
	    n, largest);
	t->dev = examples_split(e, groups, t->options.dev_percent / 100,
	    t->options.seed, t->head->K, t->counts, why);
	free(groups);
	free(sizes);
	if (t->dev == NULL)
		errx(1, "--dev: %s", why);
	for (size_t k = 0; k < t->head->K; k++) {
		if (t->counts[k] == 0)
			errx(1,
			    "--dev: no record of class %s is left to train "
			    "on; take another --seed or a file",
			    t->head->labels[k]);
	}
}

static void
say_examples(const struct train *t, const char *name, const struct examples *e)
{
	cli_note(&t->cli,
	    "%s: %zu records, %zu tokens; %zu duplicates, %zu contradictions, "
	    "%zu unlabelled, %zu cut",
	    name, e->n, e->tokens, e->duplicates, e->contradictions,
	    e->unlabelled, e->cut);
}

static void
say_data(const struct train *t)
{
	const struct train_options *o = &t->options;
	const struct head *h = t->head;

	say_examples(t, "train", t->examples);
	for (size_t k = 0; k < h->K && k < 20; k++)
		cli_note(&t->cli, "class %s (%s): %zu", h->labels[k],
		    h->names[k], t->counts[k]);
	if (h->K > 20)
		cli_note(&t->cli, "and %zu classes more", h->K - 20);
	if (t->dev) {
		say_examples(t, "dev", t->dev);
		cli_note(&t->cli,
		    "%zu of %zu dev records contain, or are contained in, a "
		    "training record",
		    cli_overlap(t->dir, t->dev, t->examples), t->dev->n);
	}
	cli_note(&t->cli,
	    "%zu blocks above cut %zu, %zu epochs of batch %zu, lr %g",
	    h->stream.n_layer - h->stream.cut, h->stream.cut, o->epochs,
	    o->batch, o->rate);
}

static void
show_step(void *arg, size_t records, size_t tokens, size_t done, size_t all)
{
	struct train *t = arg;

	progress_add(&t->progress, records, tokens, done, all);
}

static void
show_epoch(void *arg, const struct train_epoch *e)
{
	struct train *t = arg;
	double rate = (double)e->tokens / e->seconds;

	progress_end(&t->progress);
	if (e->has_dev)
		cli_note(&t->cli,
		    "epoch %zu: loss %.4f, dev loss %.4f, dev accuracy "
		    "%.2f %%, %.0f tokens/s, %.1f s",
		    e->epoch, e->loss, e->dev_loss, 100 * e->dev_accuracy, rate,
		    e->seconds);
	else
		cli_note(&t->cli, "epoch %zu: loss %.4f, %.0f tokens/s, %.1f s",
		    e->epoch, e->loss, rate, e->seconds);
}

/* What the head is worth on the dev set, as head-test would say it. */
static void
say_dev(struct train *t)
{
	size_t K = t->head->K;
	double *p = calloc(t->dev->n * K, sizeof(*p));
	char why[WHYSZ];
	struct score *score = score_new(K, why);
	struct score_result r;

	if (p == NULL || score == NULL)
		err(1, "memory");
	if (head_evaluate(t->head, t->dev, t->team, p, why) < 0)
		cli_die(why);
	for (size_t i = 0; i < t->dev->n; i++) {
		const struct example *e = &t->dev->list[i];
		struct record first =
		    stream_cache_record(t->dev->cache, e->first);

		score_add(score, e->class, p + i * K, first.was_cut);
	}
	r = score_result(score);
	cli_note(&t->cli,
	    "dev: accuracy %.2f %% (95 %%: %.2f to %.2f), macro F1 %.4f, log "
	    "loss %.4f",
	    100 * r.accuracy, 100 * r.low, 100 * r.high, r.macro_f1,
	    r.log_loss);
	score_free(score);
	free(p);
}

static void
close_all(struct train *t)
{
	examples_free(t->examples);
	examples_free(t->dev);
	free(t->counts);
	head_free(t->head);
	stream_cache_free(t->cache);
	stream_cache_free(t->dev_cache);
	team_free(t->team);
	free(t->dir);
}

static void
train_and_write(struct train *t, struct file_out *out)
{
	const struct train_watch watch = { t, show_epoch, show_step };
	struct train_epoch kept;
	char why[WHYSZ];

	t->progress = progress_start(&t->cli);
	if (head_train(t->head, t->examples, t->dev, &t->options, t->team,
		&watch, &kept, why) < 0)
		cli_die(why);
	if (head_describe(t->head, &t->options, t->examples, t->counts, t->dev,
		&kept, why) < 0 ||
	    head_write(t->head, out, why) < 0)
		cli_fail(t->cli.output, why);
}

int
main(int argc, char **argv)
{
	struct train t = { .options = {
			       .decay = 0.01, .dropout = 0.1, .seed = 1 } };
	struct file_out *out;
	char why[WHYSZ];

	cli_start(&t.cli);
	parse_options(&t, argc, argv);
	out = cli_output(&t.cli, true);
	check_input(out, optind < argc ? argv[optind] : "-");
	for (int i = optind + 1; i < argc; i++)
		check_input(out, argv[i]);
	if (t.dev_path)
		check_input(out, t.dev_path);
	open_data(&t, argv + optind, argc - optind);
	if ((t.team = team_open(t.cli.jobs, why)) == NULL)
		cli_die(why);
	open_model(&t);
	if (t.options.dev_percent > 0)
		split_dev(&t);
	train_defaults(&t.options, t.examples->n, t.head->shape.C);
	say_data(&t);
	train_and_write(&t, out);
	cli_commit(out);
	if (t.dev && !t.cli.quiet)
		say_dev(&t);
	close_all(&t);
	return 0;
}
