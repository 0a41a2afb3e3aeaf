/* gpt2-embed: token stream to hidden states at the cut. */
#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bpe/bpe.h"
#include "checkpoint/checkpoint.h"
#include "cli/cli.h"
#include "cli/progress.h"
#include "gpt2/alike.h"
#include "gpt2/forward.h"
#include "gpt2/model.h"
#include "head/head.h"
#include "ops/ops.h"
#include "stream/flow.h"
#include "stream/memo.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/team.h"

enum { WINDOW_BYTES = 100 << 20 }; /* of states */

static const char help[] =
    "usage: gpt2-embed [-hqVv] [-b N | --cut N] [-H HEAD] [-j N] [-m MODEL]\n"
    "                  [-o FILE] [--cache FILE] [--dtype f32|f16]\n"
    "                  [--pool none|last] [--precision f32|bf16|int8]\n"
    "                  [--progress auto|on|off] [FILE ...]\n"
    "\n"
    "  -b, --blocks N   blocks left above the cut (2)\n"
    "      --cache F    copy what F knows, compute and append the rest\n"
    "      --cut N      or the cut itself, 0 to the model's blocks\n"
    "      --dtype D    of the vectors written: f32 (default) or f16\n"
    "  -H, --head HEAD  take model, cut and precision from a head "
    "($GPT2_HEAD)\n"
    "  -j, --jobs N     threads (one a processor)\n"
    "  -m, --model M    directory or name of the model ($GPT2_MODEL)\n"
    "  -o, --output F   write F, replaced whole, instead of stdout\n"
    "      --pool P     last: the last token's vector alone, at the top cut\n"
    "      --precision P of the arithmetic: f32 (default), bf16, some twice "
    "as\n"
    "                   fast, or int8, some three times\n"
    "      --progress W auto, on or off\n"
    "  -q, -v           say less, say more\n"
    "  -V, --version    print the version\n";

/* What a worker needs of its own for a batch: M rows for N tokens. */
struct bench {
	float *x;     /* (M, C) */
	float *fresh; /* (N, C), with a cache: what it does not know */
	struct record **records; /* (N), of fresh */
	float *scratch;
	struct alike rows;
};

struct embed {
	struct cli cli;
	const char *head_path, *cache_path;
	size_t left, cut; /* SIZE_MAX: not given */
	bool has_precision;

	struct head *head;
	char *dir; /* the model's */
	size_t n_positions;
	uint32_t end_of_text;
	struct team *team;
	struct gpt2_model *model;
	struct bench *benches; /* (workers) */
	struct stream_header header;
	char *model_name;
	struct stream_reader *in;
	struct file_out *file;
	struct stream_writer *out;
	struct memo *memo; /* NULL without --cache */
	uint64_t known;	   /* records that it knew; workers add to it */
	bool shares;	   /* records may share rows */
	uint64_t shared;   /* tokens that did; workers add to it */
	struct progress progress;
	uint64_t records, tokens;
};

static void
parse_options(struct embed *e, int argc, char **argv)
{
	static const struct option options[] = { { "blocks", required_argument,
						     NULL, 'b' },
		{ "cache", required_argument, NULL, 259 },
		{ "cut", required_argument, NULL, 256 },
		{ "dtype", required_argument, NULL, 257 },
		{ "head", required_argument, NULL, 'H' },
		{ "pool", required_argument, NULL, 258 },
		{ "precision", required_argument, NULL, 260 }, CLI_LONG };
	static const char *const dtypes[] = { "f32", "f16", NULL };
	static const char *const pools[] = { "none", "last", NULL };
	static const char *const precisions[] = { "f32", "bf16", "int8", NULL };
	int c;

	e->head_path = cli_environment("GPT2_HEAD");
	while ((c = getopt_long(argc, argv, CLI_SHORT "b:H:", options, NULL)) !=
	       -1) {
		switch (c) {
		case 'b':
			e->left = cli_number("-b", optarg, 0, 1000);
			break;
		case 'H':
			e->head_path = optarg;
			break;
		case 259:
			e->cache_path = optarg;
			break;
		case 256:
			e->cut = cli_number("--cut", optarg, 0, 1000);
			break;
		case 257:
			e->header.dtype = (enum stream_dtype)cli_word(
			    "--dtype", optarg, dtypes);
			break;
		case 258:
			e->header.pool =
			    (enum stream_pool)cli_word("--pool", optarg, pools);
			break;
		case 260:
			e->header.precision = (enum stream_precision)cli_word(
			    "--precision", optarg, precisions);
			e->has_precision = true;
			break;
		default:
			cli_option(&e->cli, c, help);
		}
	}
	cli_ready(&e->cli);
	if (e->left != SIZE_MAX && e->cut != SIZE_MAX)
		cli_wrong("-b and --cut exclude each other");
}

/* The cut: as asked for, or the head's, or two blocks above it. */
static void
choose_cut(struct embed *e, size_t n_layer)
{
	if (e->cut == SIZE_MAX && e->left == SIZE_MAX && e->head)
		e->cut = e->head->stream.cut;
	if (e->left != SIZE_MAX && e->left > n_layer)
		cli_wrong("-b: the model has %zu blocks", n_layer);
	if (e->cut == SIZE_MAX)
		e->cut = n_layer -
			 (e->left == SIZE_MAX ? num_min(2, n_layer) : e->left);
	if (e->cut > n_layer)
		cli_wrong("--cut: the model has %zu blocks", n_layer);
	if (e->header.pool == POOL_LAST && e->cut != n_layer)
		cli_wrong("--pool last: only where no block is left above the "
			  "cut (-b 0)");
}

/* What the stream's header calls the precisions of the kernels. */
static enum ops_precision
kernel_precision(enum stream_precision p)
{
	return p == PRECISION_INT8   ? OPS_INT8
	       : p == PRECISION_BF16 ? OPS_BF16
				     : OPS_F32;
}

/* Opens head, model and vocabulary, and fills in the header to be written. */
static void
open_model(struct embed *e)
{
	struct stream_header *h = &e->header;
	struct checkpoint *checkpoint;
	const struct checkpoint_config *c;
	char why[WHYSZ];

	if (e->head_path && (e->head = head_open(e->head_path, why)) == NULL)
		cli_fail(e->head_path, why);
	e->dir = checkpoint_find(
	    cli_model(&e->cli, e->head ? e->head->model_name : NULL), why);
	if (e->dir == NULL ||
	    (e->model_name = checkpoint_name(e->dir, why)) == NULL)
		cli_die(why);
	if ((checkpoint = checkpoint_open(e->dir, why)) == NULL)
		cli_fail(e->dir, why);
	c = checkpoint_config(checkpoint);
	choose_cut(e, c->n_layer);
	if ((e->team = team_open(e->cli.jobs, why)) == NULL)
		cli_die(why);
	if (e->head && !e->has_precision)
		h->precision = e->head->stream.precision;
	e->model = gpt2_model_open(
	    checkpoint, e->cut, kernel_precision(h->precision), e->team, why);
	if (e->model == NULL)
		cli_fail(e->dir, why);
	e->n_positions = c->n_positions;
	e->shares = e->cut > 0 && h->pool == POOL_NONE;
	h->kind = STREAM_HIDDEN;
	h->vocab_size = c->vocab_size;
	h->model_name = e->model_name;
	strcpy(h->model, gpt2_model_id(e->model));
	h->cut = e->cut;
	h->n_layer = c->n_layer;
	h->n_head = c->n_head;
	h->n_embd = c->n_embd;
	checkpoint_free(checkpoint);
}

static void
open_benches(struct embed *e)
{
	size_t M = ALIKE_ROWS + e->n_positions;
	size_t N = ALIKE_TOKENS + e->n_positions;
	size_t n = team_size(e->team);
	char why[WHYSZ];

	if ((e->benches = calloc(n, sizeof(*e->benches))) == NULL)
		err(1, "memory");
	for (size_t i = 0; i < n; i++) {
		struct bench *b = &e->benches[i];

		b->scratch = gpt2_floats(gpt2_model_scratch(e->model, M), why);
		b->x = gpt2_floats(M * e->header.n_embd, why);
		b->fresh =
		    gpt2_floats(e->cache_path ? N * e->header.n_embd : 1, why);
		b->records = calloc(N, sizeof(struct record *));
		b->rows.starts = calloc(N + 1, sizeof(size_t));
		b->rows.shared = calloc(N, sizeof(size_t));
		b->rows.tokens = calloc(M, sizeof(uint32_t));
		if (!b->scratch || !b->x || !b->fresh || !b->records ||
		    !b->rows.starts || !b->rows.shared || !b->rows.tokens)
			err(1, "memory");
	}
}

/* Opens the token stream, which must be of the model's vocabulary. */
static void
open_input(struct embed *e, char **files, int n)
{
	const struct stream_header *in;
	char why[WHYSZ];
	struct bpe *bpe = bpe_open(e->dir, why);

	if (bpe == NULL)
		cli_fail(e->dir, why);
	e->end_of_text = bpe_end_of_text(bpe);
	strcpy(e->header.vocabulary, bpe_vocabulary(bpe));
	bpe_free(bpe);
	e->in = stream_reader_open(
	    (const char *const *)files, (size_t)n, STREAM_TOKENS, why);
	if (e->in == NULL)
		cli_die(why);
	in = stream_reader_header(e->in);
	if (strcmp(in->vocabulary, e->header.vocabulary) != 0 ||
	    in->vocab_size != e->header.vocab_size)
		errx(1,
		    "%s: made with another vocabulary (%zu tokens, %s has "
		    "%zu): run bpe-encode -m %s",
		    stream_reader_name(e->in), in->vocab_size, e->model_name,
		    e->header.vocab_size, e->model_name);
	e->header.preparation = in->preparation;
	if (e->head && head_fits(e->head, e->head_path, &e->header, why) < 0)
		cli_fail(stream_reader_name(e->in), why);
}

static void
open_cache(struct embed *e)
{
	uint64_t dropped;
	struct stat st;
	char why[WHYSZ];

	if (stat(e->cache_path, &st) == 0 && file_is_same(e->file, &st))
		cli_fail(e->cache_path, "output and cache are the same file");
	e->memo = memo_open(e->cache_path, &e->header, &dropped, why);
	if (e->memo == NULL)
		cli_fail(e->cache_path, why);
	if (dropped > 0)
		cli_note(&e->cli,
		    "%s: dropped %llu bytes of an unfinished record",
		    e->cache_path, (unsigned long long)dropped);
}

/* A record that joins a batch: not empty, and not too long for the model. */
static int
admit(void *arg, struct record *r, char *why)
{
	struct embed *e = arg;

	e->records += r->part == 1;
	if (r->n_tokens == 0) {
		r->tokens = &e->end_of_text;
		r->n_tokens = 1;
	}
	if (r->n_tokens > e->n_positions)
		return why_set(why,
		    "%s: record %llu: %zu tokens, limit %zu: run bpe-encode "
		    "-m %s",
		    stream_reader_name(e->in), (unsigned long long)e->records,
		    r->n_tokens, e->n_positions, e->model_name);
	e->tokens += r->n_tokens;
	return 0;
}

/* Fills out with the vectors of n records, as the stream has them. */
static void
embed(struct embed *e, struct bench *b, float *out,
    struct record *const *records, size_t n)
{
	const struct alike *rows = &b->rows;
	size_t N = n;

	alike_lay(&b->rows, records, n, e->shares);
	if (e->header.pool == POOL_LAST) {
		gpt2_model_run_last(e->model, out, b->x, rows->tokens,
		    rows->starts, n, b->scratch);
	} else {
		gpt2_model_run(e->model, b->x, rows->tokens, rows->starts,
		    rows->shared, n, b->scratch);
		N = alike_spread(rows, out, b->x, e->header.n_embd);
	}
	__atomic_add_fetch(&e->shared, alike_saved(rows), __ATOMIC_RELAXED);
	/* Halves take the place of floats from the front on. */
	if (e->header.dtype == DTYPE_F16)
		ops_to_half((uint16_t *)(void *)out, out, N * e->header.n_embd);
}

/* Bytes of a record's vectors. */
static size_t
vector_bytes(const struct embed *e, const struct record *r)
{
	size_t n = e->header.pool == POOL_LAST ? 1 : r->n_tokens;

	return n * e->header.n_embd * stream_dtype_size(e->header.dtype);
}

/* Copies what the cache knows, and computes the rest apart. */
static void
embed_unknown(struct embed *e, struct bench *b, struct flow_batch *batch)
{
	char *fresh = (char *)b->fresh;
	size_t n = 0;

	for (size_t i = 0; i < batch->n; i++) {
		struct record *r = batch->records[i];

		if (!memo_find(e->memo, r->tokens, r->n_tokens,
			(char *)(uintptr_t)r->vectors))
			b->records[n++] = r;
	}
	__atomic_add_fetch(&e->known, batch->n - n, __ATOMIC_RELAXED);
	if (n == 0)
		return;
	embed(e, b, b->fresh, b->records, n);
	for (size_t i = 0; i < n; i++) {
		size_t len = vector_bytes(e, b->records[i]);

		memcpy((char *)(uintptr_t)b->records[i]->vectors, fresh, len);
		fresh += len;
	}
}

static void
compute(void *arg, struct flow_batch *batch, size_t worker)
{
	struct embed *e = arg;
	struct bench *b = &e->benches[worker];
	char *out = (char *)batch->result;

	for (size_t i = 0; i < batch->n; i++) {
		struct record *r = batch->records[i];

		r->vectors = out;
		r->n_vectors = e->header.pool == POOL_LAST ? 1 : r->n_tokens;
		out += vector_bytes(e, r);
	}
	if (e->memo)
		embed_unknown(e, b, batch);
	else
		embed(e, b, batch->result, batch->records, batch->n);
}

/* What has been computed is kept before its turn to be written comes. */
static int
finish(void *arg, const struct flow_batch *batch, char *why)
{
	struct embed *e = arg;
	uint64_t all, done = stream_reader_bytes(e->in, &all);

	for (size_t i = 0; i < batch->n; i++) {
		const struct record *r = batch->records[i];

		if (e->memo && memo_add(e->memo, r, why) < 0)
			cli_fail(e->cache_path, why);
		progress_step(&e->progress, r->n_tokens, done, all);
	}
	if (e->memo && memo_flush(e->memo, why) < 0)
		cli_fail(e->cache_path, why);
	return 0;
}

static int
emit(void *arg, const struct flow_batch *batch, char *why)
{
	struct embed *e = arg;

	for (size_t i = 0; i < batch->n; i++) {
		if (stream_write(e->out, batch->records[i], why) < 0)
			cli_fail(file_name(e->file), why);
	}
	return 0;
}

static int
flush(void *arg, char *why)
{
	struct embed *e = arg;

	if (stream_flush(e->out, why) < 0)
		cli_fail(file_name(e->file), why);
	return 0;
}

static void
say_counts(const struct embed *e)
{
	if (!e->cli.verbose)
		return;
	warnx("%llu records, %llu tokens, %s at cut %zu, %s by %s",
	    (unsigned long long)e->records, (unsigned long long)e->tokens,
	    e->model_name, e->cut, stream_precision_name(e->header.precision),
	    ops_describe(kernel_precision(e->header.precision)));
	if (e->shares)
		warnx("%llu tokens were shared by records that begin alike",
		    (unsigned long long)e->shared);
	if (e->memo)
		warnx("%s: %llu records were known, %llu are now",
		    e->cache_path, (unsigned long long)e->known,
		    (unsigned long long)memo_count(e->memo));
}

static void
run(struct embed *e)
{
	bool last = e->header.pool == POOL_LAST;
	struct flow flow = { .batch_tokens = ALIKE_ROWS,
		.floats_per_token = last ? 0 : e->header.n_embd,
		.floats_per_record = last ? e->header.n_embd : 0,
		.arg = e,
		.compute = compute,
		.emit = emit,
		.flush = flush,
		.admit = admit,
		.finish = finish };
	char why[WHYSZ];
	int rc;

	if (e->shares) {
		flow.window_tokens =
		    WINDOW_BYTES / (e->header.n_embd * sizeof(float));
		flow.arrange = alike_arrange;
	}
	e->progress = progress_start(&e->cli);
	rc = flow_run(&flow, e->in, e->team, why);
	progress_end(&e->progress);
	if (rc < 0)
		cli_die(why);
	if (e->memo && memo_end(e->memo, why) < 0)
		cli_fail(e->cache_path, why);
	if (stream_end(e->out, stream_reader_terminated(e->in), why) < 0)
		cli_fail(file_name(e->file), why);
	cli_commit(e->file);
	say_counts(e);
}

static void
close_all(struct embed *e)
{
	for (size_t i = 0; i < team_size(e->team); i++) {
		free(e->benches[i].x);
		free(e->benches[i].fresh);
		free(e->benches[i].records);
		free(e->benches[i].scratch);
		free(e->benches[i].rows.starts);
		free(e->benches[i].rows.shared);
		free(e->benches[i].rows.tokens);
	}
	free(e->benches);
	memo_free(e->memo);
	stream_writer_free(e->out);
	stream_reader_free(e->in);
	team_free(e->team);
	gpt2_model_free(e->model);
	head_free(e->head);
	free(e->model_name);
	free(e->dir);
}

int
main(int argc, char **argv)
{
	struct embed e = { .left = SIZE_MAX, .cut = SIZE_MAX };
	char why[WHYSZ];

	cli_start(&e.cli);
	parse_options(&e, argc, argv);
	e.file = cli_output(&e.cli, true);
	open_model(&e);
	open_benches(&e);
	open_input(&e, argv + optind, argc - optind);
	if (stream_reader_reads(e.in, e.file))
		cli_fail(
		    file_name(e.file), "input and output are the same file");
	if (e.cache_path)
		open_cache(&e);
	if ((e.out = stream_writer_open(e.file, &e.header, why)) == NULL)
		cli_die(why);
	run(&e);
	close_all(&e);
	return 0;
}
