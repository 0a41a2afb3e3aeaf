/* bpe-encode: text to token stream. */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bpe/bpe.h"
#include "bpe/prepare.h"
#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "cli/encoding.h"
#include "cli/progress.h"
#include "head/head.h"
#include "stream/stream.h"
#include "sys/file.h"
#include "sys/num.h"
#include "text/member.h"
#include "text/reader.h"
#include "text/rows.h"

static const char help[] =
    "usage: bpe-encode [-0hqVv] [-H HEAD] [-m MODEL] [-o FILE] [--exact]\n"
    "                  [--format lines|tsv|csv|jsonl|fasttext] [--header]\n"
    "                  [--text FIELD] [--label FIELD] [--id FIELD]\n"
    "                  [--max-tokens N] [--member NAME]\n"
    "                  [--long split|head|tail|error] [--prefix TEXT]\n"
    "                  [--suffix TEXT] [--special literal|parse|error]\n"
    "                  [--bad-rows stop|empty] [--records A-B]\n"
    "                  [--progress auto|on|off] [FILE ...]\n"
    "\n"
    "  -0, --null         records end in NUL, not in LF\n"
    "      --bad-rows W   stop at a malformed row (default), or leave it "
    "empty\n"
    "      --exact        keep white space, CR and BOM; no limit of length\n"
    "      --format F     lines, tsv, csv, jsonl or fasttext (by the suffix)\n"
    "  -H, --head HEAD    take vocabulary and preparation from a head\n"
    "                     ($GPT2_HEAD)\n"
    "      --header       the first row names the fields\n"
    "      --id F         field of the id: a name or a number from 1\n"
    "  -j, --jobs N       threads (one a processor)\n"
    "      --label F      field of the label\n"
    "      --long W       too long: split (default), keep head or tail, error\n"
    "  -m, --model M      directory or name of the model ($GPT2_MODEL)\n"
    "      --max-tokens N tokens of a record at most (as the model has)\n"
    "      --member NAME  the file of that name in tar or zip archives\n"
    "  -o, --output F     write F, replaced whole, instead of stdout\n"
    "      --prefix TEXT  put TEXT before every text\n"
    "      --progress W   auto, on or off\n"
    "  -q, -v             say less, say more\n"
    "      --records A-B  only these records, counted from 1\n"
    "      --special W    <|endoftext|> in a text: literal, parse or error\n"
    "      --suffix TEXT  put TEXT behind every text\n"
    "      --text F       field of the text\n"
    "  -V, --version      print the version\n";

enum {
	OPT_BAD_ROWS = 256,
	OPT_EXACT,
	OPT_FORMAT,
	OPT_HEADER,
	OPT_ID,
	OPT_LABEL,
	OPT_LONG,
	OPT_MAX_TOKENS,
	OPT_MEMBER,
	OPT_PREFIX,
	OPT_RECORDS,
	OPT_SPECIAL,
	OPT_SUFFIX,
	OPT_TEXT
};

struct encode {
	struct cli cli;
	struct rows_options rows;
	bool format_given, preparation_given, keep_bad_rows;
	struct preparation preparation;
	size_t max_tokens; /* 0: not given */
	enum prepare_long rule;
	uint64_t first, last; /* records to encode, from 1 */
	const char *head_path, *member;

	struct head *head;
	struct bpe *bpe;
	struct preparer *preparer;
	struct encoding *encoding;
	const char *name; /* of the file at hand */
	const char *unit; /* of its records: line, record */
	size_t limit;
	struct file_out *file;
	struct stream_writer *out;
	struct progress progress;
	uint64_t records, tokens, cut, bad;
	uint64_t bytes, all_bytes; /* of the input; all: 0 if unknown */
	bool terminated;
};

/* The options on how a text becomes tokens; false if c is none of them. */
static bool
take_preparation(struct encode *e, int c)
{
	static const char *const specials[] = { "literal", "parse", "error",
		NULL };

	switch (c) {
	case OPT_EXACT:
		e->preparation.strip = false;
		e->rows.exact = true;
		break;
	case OPT_PREFIX:
		e->preparation.prefix = optarg;
		break;
	case OPT_SPECIAL:
		e->preparation.special = (enum stream_special)cli_word(
		    "--special", optarg, specials);
		break;
	case OPT_SUFFIX:
		e->preparation.suffix = optarg;
		break;
	default:
		return false;
	}
	e->preparation_given = true;
	return true;
}

/* The options on where the rows and fields are. */
static bool
take_rows(struct encode *e, int c)
{
	static const char *const formats[] = { "lines", "tsv", "csv", "jsonl",
		"fasttext", NULL };

	switch (c) {
	case '0':
		e->rows.null = true;
		return true;
	case OPT_FORMAT:
		e->rows.format =
		    (enum text_format)cli_word("--format", optarg, formats);
		e->format_given = true;
		return true;
	case OPT_HEADER:
		e->rows.header = true;
		return true;
	case OPT_ID:
		e->rows.id = optarg;
		return true;
	case OPT_LABEL:
		e->rows.label = optarg;
		return true;
	case OPT_TEXT:
		e->rows.text = optarg;
		return true;
	default:
		return false;
	}
}

static void
parse_options(struct encode *e, int argc, char **argv)
{
	static const struct option options[] = {
		{ "bad-rows", required_argument, NULL, OPT_BAD_ROWS },
		{ "exact", no_argument, NULL, OPT_EXACT },
		{ "format", required_argument, NULL, OPT_FORMAT },
		{ "head", required_argument, NULL, 'H' },
		{ "header", no_argument, NULL, OPT_HEADER },
		{ "id", required_argument, NULL, OPT_ID },
		{ "label", required_argument, NULL, OPT_LABEL },
		{ "long", required_argument, NULL, OPT_LONG },
		{ "max-tokens", required_argument, NULL, OPT_MAX_TOKENS },
		{ "member", required_argument, NULL, OPT_MEMBER },
		{ "null", no_argument, NULL, '0' },
		{ "prefix", required_argument, NULL, OPT_PREFIX },
		{ "records", required_argument, NULL, OPT_RECORDS },
		{ "special", required_argument, NULL, OPT_SPECIAL },
		{ "suffix", required_argument, NULL, OPT_SUFFIX },
		{ "text", required_argument, NULL, OPT_TEXT }, CLI_LONG
	};
	static const char *const rules[] = { "split", "head", "tail", "error",
		NULL };
	static const char *const bad[] = { "stop", "empty", NULL };
	int c;

	while ((c = getopt_long(argc, argv, CLI_SHORT "0H:", options, NULL)) !=
	       -1) {
		if (c == OPT_BAD_ROWS)
			e->keep_bad_rows = cli_word("--bad-rows", optarg, bad);
		else if (c == 'H')
			e->head_path = optarg;
		else if (c == OPT_LONG)
			e->rule = (enum prepare_long)cli_word(
			    "--long", optarg, rules);
		else if (c == OPT_MAX_TOKENS)
			e->max_tokens =
			    cli_number("--max-tokens", optarg, 1, 1048576);
		else if (c == OPT_MEMBER)
			e->member = optarg;
		else if (c == OPT_RECORDS)
			cli_range("--records", optarg, &e->first, &e->last);
		else if (!take_preparation(e, c) && !take_rows(e, c))
			cli_option(&e->cli, c, help);
	}
	cli_ready(&e->cli);
	if (e->rows.exact && e->max_tokens)
		cli_wrong("--exact has no limit: leave out --max-tokens");
	if (e->head_path && e->preparation_given)
		cli_wrong("-H brings its preparation: leave out --exact, "
			  "--prefix, --special and --suffix");
	if (e->head_path == NULL && !e->preparation_given)
		e->head_path = cli_environment("GPT2_HEAD");
}

/* What can be known of the operands before anything is written. */
static void
check_operands(struct encode *e, char **files, int n)
{
	bool known = n > 0;
	struct stat st;

	for (int i = 0; i < n; i++) {
		int rc = strcmp(files[i], "-") ? stat(files[i], &st)
					       : fstat(STDIN_FILENO, &st);

		if (rc < 0 ||
		    (strcmp(files[i], "-") && access(files[i], R_OK) < 0))
			cli_fail(files[i], strerror(errno));
		known &= S_ISREG(st.st_mode);
		e->all_bytes += (uint64_t)st.st_size;
	}
	if (!known)
		e->all_bytes = 0;
}

static void
open_output(struct encode *e)
{
	struct stream_header header = { .kind = STREAM_TOKENS };
	char why[WHYSZ];

	strcpy(header.vocabulary, bpe_vocabulary(e->bpe));
	header.vocab_size = bpe_vocab_size(e->bpe);
	header.preparation = e->preparation;
	header.model_name = "";
	if ((e->out = stream_writer_open(e->file, &header, why)) == NULL)
		cli_fail(file_name(e->file), why);
}

/* Ends the program after what was done has been written. */
_Noreturn static void
fail_input(struct encode *e, const char *name, const char *why)
{
	char ignored[WHYSZ];

	progress_end(&e->progress);
	stream_flush(e->out, ignored);
	cli_fail(name, why);
}

/* Writes the record or records of one row. */
static void
write_row(void *arg, const struct encoded *row)
{
	struct encode *e = arg;
	struct record r = { .id = row->id,
		.label = row->label,
		.id_len = row->id_len,
		.label_len = row->label_len };
	char reason[WHYSZ], why[WHYSZ];
	long parts = prepared_parts(row->batch, row->i, reason);

	if (parts < 0) {
		why_set(why, "%s %llu: %.900s", e->unit,
		    (unsigned long long)row->number, reason);
		fail_input(e, e->name, why);
	}
	for (long k = 0; k < parts; k++) {
		prepared_part(row->batch, row->i, (size_t)k, &r);
		if (stream_write(e->out, &r, why) < 0)
			cli_fail(file_name(e->file), why);
		e->tokens += r.n_tokens;
		progress_step(
		    &e->progress, r.n_tokens, row->done, e->all_bytes);
	}
	e->cut += r.was_cut;
}

/* Writes all rows that have been read. */
static void
flush_rows(struct encode *e)
{
	char why[WHYSZ];

	if (encoding_flush(e->encoding, why) < 0)
		fail_input(e, e->name, why);
}

/* A row cannot be read: those before it are written, and that is the end. */
_Noreturn static void
fail_row(struct encode *e, const char *why)
{
	flush_rows(e);
	fail_input(e, e->name, why);
}

/* A malformed row: the end, or an empty record and a line about it. */
static void
take_bad_row(struct encode *e, struct row *row, const char *why)
{
	if (!e->keep_bad_rows)
		fail_row(e, why);
	*row = (struct row){ .text = "" };
	e->bad++;
	cli_note(&e->cli, "%s: %s", e->name, why);
}

static void
encode_rows(struct encode *e, struct rows *rows)
{
	struct text_reader *text = rows_reader(rows);
	char why[WHYSZ];
	struct row row;
	int rc;

	e->unit = text_unit(text);
	while (e->records < e->last) {
		if (!text_ready(text)) {
			flush_rows(e);
			if (stream_flush(e->out, why) < 0)
				cli_fail(file_name(e->file), why);
		}
		if ((rc = rows_read(rows, &row, why)) == 0)
			break;
		if (rc == ROWS_ERROR)
			fail_row(e, why);
		if (++e->records < e->first)
			continue;
		if (rc == ROWS_BAD)
			take_bad_row(e, &row, why);
		if (encoding_add(e->encoding, &row, text_number(text),
			e->bytes + text_bytes(text), why) < 0)
			fail_row(e, why);
	}
	flush_rows(e);
	e->bytes += text_bytes(text);
	e->terminated = text_terminated(text);
}

/* The operand, or the wanted member of it; an error ends the program. */
static int
open_file(struct encode *e, const char *path, const char *name)
{
	const bool is_stdin = strcmp(path, "-") == 0;
	int fd = STDIN_FILENO, archive;
	char why[WHYSZ];
	struct stat st;

	if (!is_stdin && (fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		fail_input(e, name, strerror(errno));
	if (fstat(fd, &st) == 0 && file_is_same(e->file, &st))
		cli_fail(name, "input and output are the same file");
	if (e->member == NULL)
		return fd;
	archive = fd;
	if ((fd = member_open(archive, e->member, why)) < 0)
		fail_input(e, name, why);
	if (!is_stdin)
		close(archive);
	return fd;
}

static void
encode_file(struct encode *e, const char *path)
{
	const char *name = strcmp(path, "-") == 0 ? "stdin" : path;
	struct rows_options options = e->rows;
	int fd = open_file(e, path, name);
	struct rows *rows;
	char why[WHYSZ];

	if (!e->format_given)
		options.format =
		    rows_format(e->member ? e->member : path, TEXT_LINES);
	if ((rows = rows_open(fd, &options, why)) == NULL)
		fail_input(e, name, why);
	e->name = name;
	encode_rows(e, rows);
	rows_free(rows);
	if (fd != STDIN_FILENO)
		close(fd);
}

static void
open_model(struct encode *e)
{
	char why[WHYSZ], *dir;

	if (e->head_path && (e->head = head_open(e->head_path, why)) == NULL)
		cli_fail(e->head_path, why);
	dir = checkpoint_find(
	    cli_model(&e->cli, e->head ? e->head->model_name : NULL), why);
	if (dir == NULL)
		cli_die(why);
	if ((e->bpe = bpe_open(dir, why)) == NULL)
		cli_fail(dir, why);
	if (e->head) {
		const char *want = e->head->stream.vocabulary;

		if (strcmp(want, bpe_vocabulary(e->bpe)) != 0)
			errx(1,
			    "%s: made with another vocabulary "
			    "(%.4s.., %s has %.4s..)",
			    e->head_path, want, dir, bpe_vocabulary(e->bpe));
		e->preparation = e->head->stream.preparation;
	}
	free(dir);
	e->limit = bpe_positions(e->bpe);
	if (e->max_tokens > e->limit)
		cli_wrong("--max-tokens: want 1..%zu", e->limit);
	if (e->max_tokens)
		e->limit = e->max_tokens;
	if (e->rows.exact)
		e->limit = 0;
	e->preparer =
	    preparer_open(e->bpe, &e->preparation, e->limit, e->rule, why);
	if (e->preparer == NULL)
		cli_die(why);
	e->encoding =
	    encoding_open(e->preparer, e->bpe, e->cli.jobs, write_row, e, why);
	if (e->encoding == NULL)
		cli_die(why);
}

/* One line about what did not go through as it was. */
static void
say_counts(const struct encode *e)
{
	const char *what =
	    e->rule == LONG_SPLIT ? "split into parts of at most" : "cut to";
	const uint64_t n =
	    e->records < e->first ? 0 : e->records - (e->first - 1);

	if (e->cut)
		cli_note(&e->cli, "%llu of %llu records %s %zu tokens",
		    (unsigned long long)e->cut, (unsigned long long)n, what,
		    e->limit);
	if (e->cli.verbose)
		cli_note(&e->cli, "%llu records, %llu tokens",
		    (unsigned long long)n, (unsigned long long)e->tokens);
	if (e->bad)
		cli_note(&e->cli, "%llu of %llu rows malformed, left empty",
		    (unsigned long long)e->bad, (unsigned long long)n);
}

int
main(int argc, char **argv)
{
	struct encode e = { .preparation = { true, "", "", SPECIAL_LITERAL },
		.first = 1,
		.last = UINT64_MAX,
		.terminated = true };
	char why[WHYSZ];

	cli_start(&e.cli);
	parse_options(&e, argc, argv);
	check_operands(&e, argv + optind, argc - optind);
	e.file = cli_output(&e.cli, true);
	open_model(&e);
	open_output(&e);
	e.progress = progress_start(&e.cli);
	if (optind == argc)
		encode_file(&e, "-");
	for (int i = optind; i < argc; i++)
		encode_file(&e, argv[i]);
	progress_end(&e.progress);
	if (stream_end(e.out, e.terminated, why) < 0)
		cli_fail(file_name(e.file), why);
	cli_commit(e.file);
	say_counts(&e);
	stream_writer_free(e.out);
	encoding_free(e.encoding);
	preparer_free(e.preparer);
	bpe_free(e.bpe);
	head_free(e.head);
	return 0;
}
