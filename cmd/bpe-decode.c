/* bpe-decode: token stream to text. */
#include <err.h>
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "stream/stream.h"
#include "sys/buffer.h"
#include "sys/file.h"
#include "text/utf8.h"

static const char help[] =
    "usage: bpe-decode [-0hqVv] [-m MODEL] [-o FILE] [--progress auto|on|off]\n"
    "                  [FILE ...]\n"
    "\n"
    "  -0, --null        records end in NUL, not in LF\n"
    "  -j, --jobs N      accepted; one thread does the work\n"
    "  -m, --model M     directory or name of the model ($GPT2_MODEL)\n"
    "  -o, --output F    write F, replaced whole, instead of stdout\n"
    "      --progress W  auto, on or off\n"
    "  -q, -v            say less, say more\n"
    "  -V, --version     print the version\n";

enum { WRITE_AT = 1 << 16 }; /* bytes held before they are written */

struct decode {
	struct cli cli;
	char delimiter;
	struct bpe *bpe;
	struct stream_reader *in;
	struct file_out *file;
	struct buffer text;
	bool begun; /* the record that came last lacks its delimiter */
	bool open;  /* and parts of it may follow */
	struct progress progress;
	uint64_t records, tokens;
};

static void
parse_options(struct decode *d, int argc, char **argv)
{
	static const struct option options[] = {
		{ "null", no_argument, NULL, '0' }, CLI_LONG
	};
	int c;

	d->delimiter = '\n';
	while (
	    (c = getopt_long(argc, argv, CLI_SHORT "0", options, NULL)) != -1) {
		if (c == '0')
			d->delimiter = '\0';
		else
			cli_option(&d->cli, c, help);
	}
	cli_ready(&d->cli);
}

/* Opens the streams, then the vocabulary, which must be theirs. */
static void
open_input(struct decode *d, char **files, int n)
{
	const struct stream_header *h;
	char why[WHYSZ], *dir;

	d->in = stream_reader_open(
	    (const char *const *)files, (size_t)n, STREAM_TOKENS, why);
	if (d->in == NULL)
		cli_die(why);
	if ((dir = checkpoint_find(cli_model(&d->cli, NULL), why)) == NULL)
		cli_die(why);
	if ((d->bpe = bpe_open(dir, why)) == NULL)
		cli_fail(dir, why);
	h = stream_reader_header(d->in);
	if (strcmp(h->vocabulary, bpe_vocabulary(d->bpe)) != 0 ||
	    h->vocab_size != bpe_vocab_size(d->bpe))
		errx(1,
		    "%s: made with another vocabulary (%.4s.., %s has "
		    "%.4s..)",
		    stream_reader_name(d->in), h->vocabulary, dir,
		    bpe_vocabulary(d->bpe));
	free(dir);
}

/*
 * Writes what is held, but not the first bytes of a character whose others
 * may come with the next part.
 */
static void
write_text(struct decode *d)
{
	size_t keep = 0;
	char why[WHYSZ];

	if (d->open && d->text.len > 0)
		keep = utf8_unfinished(d->text.data, d->text.len);
	if (d->text.len == keep)
		return;
	if (file_write(d->file, d->text.data, d->text.len - keep, why) < 0)
		cli_fail(file_name(d->file), why);
	memmove(d->text.data, d->text.data + d->text.len - keep, keep);
	d->text.len = keep;
}

/* Refuses to replace a file that was read. */
static void
check_output(const struct decode *d)
{
	if (stream_reader_reads(d->in, d->file))
		cli_fail(
		    file_name(d->file), "input and output are the same file");
}

static void
append(struct decode *d, const void *p, size_t len)
{
	char why[WHYSZ];

	if (buffer_append(&d->text, p, len, why) < 0)
		cli_die(why);
}

/* Ends the record that came last. */
static void
end_record(struct decode *d)
{
	if (d->begun)
		append(d, &d->delimiter, 1);
	d->begun = d->open = false;
}

/*
 * A record's delimiter is written with it; of a stream made with --exact only
 * when it is known that the text had it too.
 */
static void
decode_record(struct decode *d, const struct record *r)
{
	if (r->part <= 1)
		end_record(d);
	d->begun = true;
	d->open = r->part != r->parts;
	for (size_t i = 0; i < r->n_tokens; i++) {
		size_t len;
		const uint8_t *p = bpe_token_bytes(d->bpe, r->tokens[i], &len);

		append(d, p, len);
		if (d->text.len >= WRITE_AT)
			write_text(d);
	}
	if (!d->open && stream_reader_header(d->in)->preparation.strip)
		end_record(d);
}

static void
decode(struct decode *d)
{
	struct record r;
	char why[WHYSZ];
	int rc;

	d->progress = progress_start(&d->cli);
	for (;;) {
		uint64_t all, done;

		if (d->text.len > 0 && !stream_reader_ready(d->in))
			write_text(d);
		if ((rc = stream_read(d->in, &r, why)) <= 0)
			break;
		decode_record(d, &r);
		d->records += r.part == r.parts;
		d->tokens += r.n_tokens;
		done = stream_reader_bytes(d->in, &all);
		progress_step(&d->progress, r.n_tokens, done, all);
	}
	progress_end(&d->progress);
	if (rc == 0 && (d->open || stream_reader_terminated(d->in)))
		end_record(d);
	d->open = false;
	write_text(d);
	if (rc < 0)
		cli_die(why);
	if (d->cli.verbose)
		cli_note(&d->cli, "%llu records, %llu tokens",
		    (unsigned long long)d->records,
		    (unsigned long long)d->tokens);
}

int
main(int argc, char **argv)
{
	struct decode d = { 0 };

	cli_start(&d.cli);
	parse_options(&d, argc, argv);
	open_input(&d, argv + optind, argc - optind);
	d.file = cli_output(&d.cli, false);
	check_output(&d);
	decode(&d);
	check_output(&d);
	cli_commit(d.file);
	stream_reader_free(d.in);
	bpe_free(d.bpe);
	free(d.text.data);
	return 0;
}
