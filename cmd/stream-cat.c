/* stream-cat: any streams to one; or what they hold, in other forms. */
#include <err.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"
#include "cli/progress.h"
#include "cli/summary.h"
#include "gpt2/forward.h"
#include "head/labels.h"
#include "ops/ops.h"
#include "stream/export.h"
#include "stream/selection.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "sys/num.h"

static const char help[] =
    "usage: stream-cat [-hiqVv] [-o FILE] [--dtype f32|f16]\n"
    "                  [--progress auto|on|off] [--records A-B]\n"
    "                  [--shard I/N] [--shuffle SEED]\n"
    "                  [--to jsonl|tsv|npy|libsvm] [FILE ...]\n"
    "\n"
    "      --dtype D      make the vectors f32 or f16\n"
    "  -i, --info         say what the streams hold, and nothing else\n"
    "  -j, --jobs N       accepted; one thread does the work\n"
    "  -m, --model M      accepted; no model is needed\n"
    "  -o, --output F     write F, replaced whole, instead of stdout\n"
    "      --progress W   auto, on or off\n"
    "      --records A-B  only these records, counted from 1\n"
    "      --shard I/N    of those every N-th, from the I-th\n"
    "      --shuffle SEED in an order that depends on SEED alone\n"
    "      --to F         as JSON lines, TSV, or files of NumPy or LIBSVM\n"
    "  -q, -v             say less, say more\n"
    "  -V, --version      print the version\n";

enum {
	WRITE_AT = 1 << 16,
	OPT_DTYPE = 256,
	OPT_RECORDS,
	OPT_SHARD,
	OPT_SHUFFLE,
	OPT_TO
};

/* What comes out; the exports in the order of enum export_format. */
enum form {
	FORM_JSONL,
	FORM_TSV,
	FORM_NPY,
	FORM_LIBSVM,
	FORM_STREAM,
	FORM_INFO
};

struct cat {
	struct cli cli;
	enum form form;
	struct selection_options select;
	bool dtype_given;
	enum stream_dtype dtype;

	struct stream_header header; /* of what comes out */
	struct selection *in;

	struct summary summary;
	char (*classes)[8]; /* numbers for labels, in their order in summary */
	struct file_out *out;
	struct stream_writer *writer;
	struct buffer text;
	void *vectors; /* of another dtype */
	size_t room;   /* values that fit in vectors */
	struct progress progress;
};

static void
parse_shard(struct cat *c, const char *arg)
{
	const char *slash = strchr(arg, '/');

	if (slash == NULL ||
	    !num_parse(
		slash + 1, strlen(slash + 1), 1 << 30, &c->select.shards) ||
	    !num_parse(arg, (size_t)(slash - arg), c->select.shards,
		&c->select.shard) ||
	    c->select.shard == 0)
		cli_wrong("--shard: want I/N, I from 1 to N");
}

static void
parse_options(struct cat *c, int argc, char **argv)
{
	static const struct option options[] = { { "dtype", required_argument,
						     NULL, OPT_DTYPE },
		{ "info", no_argument, NULL, 'i' },
		{ "records", required_argument, NULL, OPT_RECORDS },
		{ "shard", required_argument, NULL, OPT_SHARD },
		{ "shuffle", required_argument, NULL, OPT_SHUFFLE },
		{ "to", required_argument, NULL, OPT_TO }, CLI_LONG };
	static const char *const dtypes[] = { "f32", "f16", NULL };
	static const char *const forms[] = { "jsonl", "tsv", "npy", "libsvm",
		NULL };
	bool info = false;
	int o;

	while (
	    (o = getopt_long(argc, argv, CLI_SHORT "i", options, NULL)) != -1) {
		switch (o) {
		case 'i':
			info = true;
			break;
		case OPT_DTYPE:
			c->dtype_given = true;
			c->dtype = (enum stream_dtype)cli_word(
			    "--dtype", optarg, dtypes);
			break;
		case OPT_RECORDS:
			cli_range("--records", optarg, &c->select.first,
			    &c->select.last);
			break;
		case OPT_SHARD:
			parse_shard(c, optarg);
			break;
		case OPT_SHUFFLE:
			c->select.shuffle = true;
			c->select.seed =
			    cli_number("--shuffle", optarg, 0, SIZE_MAX / 2);
			break;
		case OPT_TO:
			c->form = (enum form)cli_word("--to", optarg, forms);
			break;
		default:
			cli_option(&c->cli, o, help);
		}
	}
	cli_ready(&c->cli);
	if (info && c->form != FORM_STREAM)
		cli_wrong("-i and --to exclude each other");
	if (c->form != FORM_STREAM && c->dtype_given)
		cli_wrong("--dtype is for streams; --to writes what it needs");
	if (info)
		c->form = FORM_INFO;
}

/* ---- the streams ---- */

static void
open_input(struct cat *c, char **files, int n)
{
	char why[WHYSZ];

	/* The first line tells of the last record. */
	c->select.again = c->form == FORM_NPY || c->form == FORM_LIBSVM;
	c->in = selection_open(
	    (const char *const *)files, (size_t)n, &c->select, why);
	if (c->in == NULL)
		cli_die(why);
	if (selection_reads(c->in, c->out))
		cli_fail(
		    file_name(c->out), "input and output are the same file");
	c->header = *selection_header(c->in);
	if (c->dtype_given && c->header.kind != STREAM_HIDDEN)
		errx(1, "--dtype: want a hidden-state stream");
	if (c->form == FORM_NPY && c->header.kind != STREAM_HIDDEN)
		errx(1, "--to npy: want a hidden-state stream");
	if (c->form == FORM_LIBSVM && c->header.pool != POOL_LAST)
		errx(1, "--to libsvm: want one vector a record (run gpt2-embed "
			"-b 0 --pool last)");
}

/* ---- what becomes of them ---- */

/* Makes the record's vectors those of the wanted dtype. */
static void
convert(struct cat *c, struct record *r, enum stream_dtype from,
    enum stream_dtype to)
{
	size_t n = r->n_vectors * c->header.n_embd;
	char why[WHYSZ];

	if (from == to || n == 0)
		return;
	if (n > c->room) {
		free(c->vectors);
		if ((c->vectors = gpt2_floats(n, why)) == NULL)
			cli_die(why);
		c->room = n;
	}
	if (to == DTYPE_F16)
		ops_to_half(c->vectors, r->vectors, n);
	else
		ops_from_half(c->vectors, r->vectors, n);
	r->vectors = c->vectors;
}

static bool
is_number(const char *s)
{
	char *end;

	return isfinite(strtod(s, &end)) && *s != '\0' && *end == '\0';
}

/* Labels that are not all numbers become 0, 1 … in their order. */
static void
number_labels(struct cat *c)
{
	size_t n = labels_count(c->summary.labels);
	size_t *classes = calloc(n + 1, sizeof(*classes));
	size_t *counts = calloc(n + 1, sizeof(*counts));
	bool numbers = true;
	char why[WHYSZ], **labels;

	if (!classes || !counts)
		err(1, "memory");
	labels = labels_sort(c->summary.labels, classes, counts, why);
	if (labels == NULL)
		cli_die(why);
	for (size_t i = 0; i < n; i++)
		numbers = numbers && is_number(labels[i]);
	if (!numbers && (c->classes = calloc(n, sizeof(*c->classes))) == NULL)
		err(1, "memory");
	for (size_t i = 0; i < n; i++) {
		if (!numbers) {
			snprintf(c->classes[i], sizeof(*c->classes), "%u",
			    (unsigned)classes[i] % 100000);
			cli_note(
			    &c->cli, "%zu stands for label %s", i, labels[i]);
		}
		free(labels[i]);
	}
	if (c->summary.unlabelled)
		cli_note(&c->cli, "%llu records have no label: 0",
		    (unsigned long long)c->summary.unlabelled);
	free(labels);
	free(classes);
	free(counts);
}

static void
count(struct cat *c, const struct record *r)
{
	char why[WHYSZ];

	if (summary_add(&c->summary, r, why) < 0)
		errx(1, "record %llu: %s",
		    (unsigned long long)selection_number(c->in), why);
}

/* Looks at all records for what the first line must know. */
static uint64_t
survey(struct cat *c)
{
	uint64_t vectors = 0;
	struct record r;
	char why[WHYSZ];

	while (selection_read(c->in, &r, why) > 0) {
		vectors += r.n_vectors;
		if (c->form == FORM_LIBSVM)
			count(c, &r);
	}
	if (c->form == FORM_LIBSVM)
		number_labels(c);
	selection_rewind(c->in);
	return vectors;
}

static void
start_output(struct cat *c)
{
	enum export_format format = (enum export_format)c->form;
	uint64_t vectors = c->select.again ? survey(c) : 0;
	char why[WHYSZ];

	if (c->form == FORM_STREAM) {
		if (c->dtype_given)
			c->header.dtype = c->dtype;
		c->writer = stream_writer_open(c->out, &c->header, why);
		if (c->writer == NULL)
			cli_die(why);
	} else if (c->form != FORM_INFO && export_start(&c->text, format,
					       &c->header, vectors, why) < 0) {
		cli_die(why);
	}
}

static void
write_text(struct cat *c)
{
	char why[WHYSZ];

	if (file_write(c->out, c->text.data, c->text.len, why) < 0)
		cli_fail(file_name(c->out), why);
	c->text.len = 0;
}

static void
flush(struct cat *c)
{
	char why[WHYSZ];

	if (c->form != FORM_STREAM)
		write_text(c);
	else if (stream_flush(c->writer, why) < 0)
		cli_fail(file_name(c->out), why);
}

static void export(struct cat *c, struct record *r)
{
	char why[WHYSZ];

	convert(c, r, c->header.dtype, DTYPE_F32);
	if (c->classes && r->label_len > 0) {
		long i =
		    labels_add(c->summary.labels, r->label, r->label_len, why);

		if (i < 0)
			cli_die(why);
		r->label = c->classes[i];
		r->label_len = strlen(r->label);
	}
	if (export_record(&c->text, (enum export_format)c->form, &c->header, r,
		selection_number(c->in), why) < 0)
		cli_die(why);
	if (c->text.len >= WRITE_AT)
		write_text(c);
}

static void
put(struct cat *c, struct record *r)
{
	char why[WHYSZ];

	switch (c->form) {
	case FORM_INFO:
		count(c, r);
		break;
	case FORM_STREAM:
		convert(c, r, selection_header(c->in)->dtype, c->header.dtype);
		if (stream_write(c->writer, r, why) < 0)
			cli_fail(file_name(c->out), why);
		break;
	default:
		export(c, r);
	}
}

static int
run(struct cat *c, char *why)
{
	struct record r;
	int rc;

	for (;;) {
		uint64_t all, done;

		if (!selection_ready(c->in))
			flush(c);
		if ((rc = selection_read(c->in, &r, why)) <= 0)
			break;
		put(c, &r);
		done = selection_bytes(c->in, &all);
		progress_step(&c->progress, r.n_tokens, done, all);
	}
	flush(c);
	return rc;
}

static void
end_output(struct cat *c)
{
	char why[WHYSZ];

	if (c->form == FORM_INFO) {
		if (summary_print(&c->text, &c->summary, &c->header, why) < 0)
			cli_die(why);
		write_text(c);
	}
	if (c->form == FORM_STREAM &&
	    stream_end(c->writer, selection_terminated(c->in), why) < 0)
		cli_fail(file_name(c->out), why);
	cli_commit(c->out);
	if (c->cli.verbose)
		cli_note(&c->cli, "%llu records",
		    (unsigned long long)selection_number(c->in));
}

static void
close_all(struct cat *c)
{
	stream_writer_free(c->writer);
	selection_free(c->in);
	labels_free(c->summary.labels);
	free(c->classes);
	free(c->text.data);
	free(c->vectors);
}

int
main(int argc, char **argv)
{
	struct cat c = { .form = FORM_STREAM,
		.select = {
		    .first = 1, .last = UINT64_MAX, .shard = 1, .shards = 1 } };
	char why[WHYSZ];
	int rc;

	cli_start(&c.cli);
	parse_options(&c, argc, argv);
	c.out = cli_output(&c.cli, c.form == FORM_STREAM || c.form == FORM_NPY);
	if ((c.summary.labels = labels_new(why)) == NULL)
		cli_die(why);
	open_input(&c, argv + optind, argc - optind);
	start_output(&c);
	c.progress = progress_start(&c.cli);
	rc = run(&c, why);
	progress_end(&c.progress);
	if (rc < 0)
		cli_die(why);
	end_output(&c);
	close_all(&c);
	return 0;
}
