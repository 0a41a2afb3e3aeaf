/* The frozen part of a GPT-2; see model.h. */
#include "gpt2/model.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "checkpoint/checkpoint.h"
#include "gpt2/forward.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { IDSZ = 33 };

struct gpt2_model {
	struct checkpoint_config config;
	struct gpt2_shape shape;
	size_t cut;
	float *wte, *wpe;	    /* (V, C), (n_positions, C) */
	struct gpt2_block **blocks; /* (cut) */
	char id[IDSZ];
};

struct gpt2_shape
gpt2_shape(const struct checkpoint_config *c)
{
	return (
	    struct gpt2_shape){ c->n_layer, c->n_head, c->n_embd, c->epsilon };
}

/* Reading all tensors: task 0 is wte, 1 wpe, then those of the blocks. */
struct load {
	struct gpt2_model *model;
	const struct checkpoint *checkpoint;
	float **scratch;       /* (workers) one tensor of a block each */
	XXH128_hash_t *hashes; /* (tasks) */
	char (*whys)[WHYSZ];   /* (tasks) "" where all went well */
};

static XXH128_hash_t
hash_floats(const float *x, size_t n)
{
	return XXH3_128bits(x, n * sizeof(*x));
}

static void
load_embedding(struct load *l, size_t task)
{
	const struct checkpoint_config *c = &l->model->config;
	const char *name = task == 0 ? "wte.weight" : "wpe.weight";
	float *out = task == 0 ? l->model->wte : l->model->wpe;
	size_t rows = task == 0 ? c->vocab_size : c->n_positions;

	if (checkpoint_read(
		l->checkpoint, name, rows, c->n_embd, out, l->whys[task]) == 0)
		l->hashes[task] = hash_floats(out, rows * c->n_embd);
}

static void
load_one(void *arg, size_t task, size_t worker)
{
	struct load *l = arg;
	size_t block, i;
	struct gpt2_tensor t;

	if (task < 2) {
		load_embedding(l, task);
		return;
	}
	block = (task - 2) / BLOCK_TENSORS;
	i = (task - 2) % BLOCK_TENSORS;
	t = gpt2_block_tensor(&l->model->shape, block, i);
	if (checkpoint_read(l->checkpoint, t.name, t.rows, t.cols,
		l->scratch[worker], l->whys[task]) < 0)
		return;
	l->hashes[task] = hash_floats(l->scratch[worker], t.rows * t.cols);
	if (l->model->blocks[block])
		gpt2_block_set(l->model->blocks[block], i, l->scratch[worker]);
}

/* The id from the configuration's line and the tensors' hashes. */
static void
make_id(struct gpt2_model *m, const XXH128_hash_t *hashes, size_t n)
{
	const struct checkpoint_config *c = &m->config;
	XXH3_state_t *state = XXH3_createState();
	XXH128_canonical_t bytes;
	XXH128_hash_t id;
	char line[256];
	int len;

	len = snprintf(line, sizeof(line),
	    "n_head=%zu n_embd=%zu n_positions=%zu vocab_size=%zu "
	    "epsilon=%.9g activation=gelu_new",
	    c->n_head, c->n_embd, c->n_positions, c->vocab_size,
	    (double)c->epsilon);
	XXH3_128bits_reset(state);
	XXH3_128bits_update(state, line, (size_t)len);
	for (size_t i = 0; i < n; i++) {
		XXH128_canonicalFromHash(&bytes, hashes[i]);
		XXH3_128bits_update(state, &bytes, sizeof(bytes));
	}
	id = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	snprintf(m->id, sizeof(m->id), "%016llx%016llx",
	    (unsigned long long)id.high64, (unsigned long long)id.low64);
}

static int
run_load(struct load *l, struct team *team, size_t tasks, char *why)
{
	struct gpt2_shape *s = &l->model->shape;

	l->scratch = calloc(team_size(team), sizeof(float *));
	l->hashes = calloc(tasks, sizeof(*l->hashes));
	l->whys = calloc(tasks, sizeof(*l->whys));
	if (!l->scratch || !l->hashes || !l->whys)
		return why_set(why, "memory: %s", strerror(ENOMEM));
	for (size_t i = 0; i < team_size(team); i++) {
		l->scratch[i] = gpt2_floats(4 * s->C * s->C, why);
		if (l->scratch[i] == NULL)
			return -1;
	}
	team_each(team, tasks, load_one, l);
	for (size_t i = 0; i < tasks; i++) {
		if (l->whys[i][0] != '\0')
			return why_set(why, "%s", l->whys[i]);
	}
	make_id(l->model, l->hashes, tasks);
	return 0;
}

static int
load(struct gpt2_model *m, const struct checkpoint *checkpoint,
    struct team *team, char *why)
{
	struct load l = { m, checkpoint, NULL, NULL, NULL };
	int rc = run_load(&l, team, 2 + m->cut * BLOCK_TENSORS, why);

	for (size_t i = 0; l.scratch && i < team_size(team); i++)
		free(l.scratch[i]);
	free(l.scratch);
	free(l.hashes);
	free(l.whys);
	return rc;
}

/* With pack false the blocks stay away: enough for the id. */
static struct gpt2_model *
open_model(const struct checkpoint *checkpoint, size_t cut,
    enum ops_precision precision, struct team *team, bool pack, char *why)
{
	const struct checkpoint_config *c = checkpoint_config(checkpoint);
	struct gpt2_model *m = calloc(1, sizeof(*m));
	bool whole;

	if (m == NULL)
		return why_memory(why);
	m->config = *c;
	m->shape = gpt2_shape(c);
	m->cut = cut;
	m->wte = gpt2_floats(c->vocab_size * c->n_embd, why);
	m->wpe = gpt2_floats(c->n_positions * c->n_embd, why);
	m->blocks = calloc(cut + 1, sizeof(struct gpt2_block *));
	whole = m->wte && m->wpe && m->blocks;
	for (size_t i = 0; whole && pack && i < cut; i++) {
		m->blocks[i] = gpt2_block_new(&m->shape, precision, why);
		whole = m->blocks[i] != NULL;
	}
	if (!whole || load(m, checkpoint, team, why) < 0) {
		gpt2_model_free(m);
		return NULL;
	}
	return m;
}

struct gpt2_model *
gpt2_model_open(const struct checkpoint *checkpoint, size_t cut,
    enum ops_precision precision, struct team *team, char *why)
{
	return open_model(checkpoint, cut, precision, team, true, why);
}

int
gpt2_identify(char id[33], const struct checkpoint *checkpoint, size_t cut,
    struct team *team, char *why)
{
	struct gpt2_model *m =
	    open_model(checkpoint, cut, OPS_F32, team, false, why);

	if (m == NULL)
		return -1;
	memcpy(id, m->id, IDSZ);
	gpt2_model_free(m);
	return 0;
}

void
gpt2_model_free(struct gpt2_model *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; m->blocks && i < m->cut; i++)
		gpt2_block_free(m->blocks[i]);
	free(m->blocks);
	free(m->wte);
	free(m->wpe);
	free(m);
}

const char *
gpt2_model_id(const struct gpt2_model *m)
{
	return m->id;
}

size_t
gpt2_model_scratch(const struct gpt2_model *m, size_t M)
{
	return gpt2_scratch_size(&m->shape, M, m->config.n_positions, true);
}

/* x (M, C) = wte[token] + wpe[position]. */
static void
embed(const struct gpt2_model *m, float *x, const uint32_t *tokens,
    const size_t *starts, const size_t *shared, size_t B)
{
	size_t C = m->shape.C;

	for (size_t b = 0; b < B; b++) {
		size_t first = shared ? shared[b] : 0;

		for (size_t i = starts[b]; i < starts[b + 1]; i++) {
			const float *token = m->wte + tokens[i] * C;
			const float *place =
			    m->wpe + (first + i - starts[b]) * C;

			for (size_t c = 0; c < C; c++)
				x[i * C + c] = token[c] + place[c];
		}
	}
}

void
gpt2_model_run(const struct gpt2_model *m, float *x, const uint32_t *tokens,
    const size_t *starts, const size_t *shared, size_t B, float *scratch)
{
	embed(m, x, tokens, starts, shared, B);
	for (size_t i = 0; i < m->cut; i++)
		gpt2_block_run(m->blocks[i], x, starts, shared, B, scratch);
}

void
gpt2_model_run_last(const struct gpt2_model *m, float *out, float *x,
    const uint32_t *tokens, const size_t *starts, size_t B, float *scratch)
{
	embed(m, x, tokens, starts, NULL, B);
	for (size_t i = 0; i + 1 < m->cut; i++)
		gpt2_block_run(m->blocks[i], x, starts, NULL, B, scratch);
	gpt2_block_run_last(m->blocks[m->cut - 1], out, x, starts, B, scratch);
}

int
gpt2_read_top(float *top, const struct checkpoint *checkpoint, size_t cut,
    size_t K, char *why)
{
	struct gpt2_shape s = gpt2_shape(checkpoint_config(checkpoint));
	size_t n = gpt2_top_count(&s, cut);

	for (size_t i = 0; i + 1 < n; i++) {
		struct gpt2_tensor t = gpt2_top_tensor(&s, cut, K, i);

		if (checkpoint_read(checkpoint, t.name, t.rows, t.cols,
			top + t.offset, why) < 0)
			return -1;
	}
	memset(top + gpt2_top_score(&s, cut), 0, K * s.C * sizeof(*top));
	return 0;
}
