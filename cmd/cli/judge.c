/* The heads at work on one stream; see judge.h. */
#include "cli/judge.h"

#include <err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gpt2/forward.h"

/* The head's name for columns: a.head → a. */
static char *
short_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t len = strlen(name);

	if (len > 5 && strcmp(name + len - 5, ".head") == 0)
		len -= 5;
	return strndup(name, len);
}

/* Files of one name in several directories go by their paths. */
static void
name_judges(struct judges *js)
{
	for (size_t i = 0; i < js->n; i++) {
		char *name = short_name(js->list[i].path);
		size_t same = 0;

		for (size_t k = 0; name && k < js->n; k++) {
			char *other = short_name(js->list[k].path);

			same += other && strcmp(name, other) == 0;
			free(other);
		}
		if (same > 1) {
			free(name);
			name = strdup(js->list[i].path);
		}
		if ((js->list[i].name = name) == NULL)
			err(1, "memory");
	}
}

static void
open_judge(struct judge *j, char *path, struct stream_reader *in)
{
	char why[WHYSZ];

	j->path = path;
	if ((j->head = head_open(path, why)) == NULL)
		cli_fail(path, why);
	if (head_fits(j->head, path, stream_reader_header(in), why) < 0)
		cli_fail(stream_reader_name(in), why);
	if ((j->net = head_net_open(j->head, why)) == NULL)
		cli_die(why);
	j->join.K = j->head->K;
	j->join.sum = calloc(j->head->K, sizeof(double));
	j->p = calloc(j->head->K, sizeof(double));
	if (!j->join.sum || !j->p)
		err(1, "memory");
}

/* The head that ships with the stream's model. */
static char *
default_head(const struct cli *cli, struct stream_reader *in)
{
	const char *of_stream = stream_reader_header(in)->model_name;
	const char *model = cli->model ? cli->model : of_stream;
	char why[WHYSZ], *path = head_find(model, why);

	if (path == NULL || access(path, R_OK) < 0)
		errx(1,
		    "no head for model %s: name one with -H (head-train "
		    "makes them)",
		    model);
	cli_note(cli, "using %s", path);
	return path;
}

void
judges_open(struct judges *js, const struct cli *cli, const char *const *paths,
    size_t n, struct stream_reader *in, size_t workers)
{
	const char *given = cli_environment("GPT2_HEAD");

	js->n = n > 0 ? n : 1;
	js->workers = workers;
	js->dtype = stream_reader_header(in)->dtype;
	js->list = calloc(js->n, sizeof(*js->list));
	js->scratch = calloc(workers, sizeof(float *));
	js->room = calloc(workers, sizeof(*js->room));
	if (!js->list || !js->scratch || !js->room)
		err(1, "memory");
	for (size_t i = 0; i < js->n; i++) {
		const char *name = n > 0 ? paths[i] : given;
		char *path = name ? strdup(name) : default_head(cli, in);

		if (path == NULL)
			err(1, "memory");
		open_judge(&js->list[i], path, in);
		js->floats += js->list[i].head->K;
	}
	name_judges(js);
}

void
judges_close(struct judges *js)
{
	for (size_t i = 0; i < js->n; i++) {
		struct judge *j = &js->list[i];

		head_net_free(j->net);
		head_free(j->head);
		free(j->join.sum);
		free(j->p);
		free(j->name);
		free(j->path);
	}
	for (size_t i = 0; i < js->workers; i++)
		free(js->scratch[i]);
	free(js->scratch);
	free(js->room);
	free(js->list);
}

/* Scratch memory of a worker, grown to what the batch needs. */
static float *
scratch(struct judges *js, size_t worker, size_t M, size_t B)
{
	size_t need = 0;
	char why[WHYSZ];

	for (size_t i = 0; i < js->n; i++) {
		size_t one = head_net_scratch(js->list[i].net, M, B);

		need = one > need ? one : need;
	}
	if (need > js->room[worker]) {
		free(js->scratch[worker]);
		js->scratch[worker] = gpt2_floats(need, why);
		js->room[worker] = need;
		if (js->scratch[worker] == NULL)
			cli_die(why);
	}
	return js->scratch[worker];
}

void
judges_run(struct judges *js, struct flow_batch *batch, size_t worker)
{
	float *memory = scratch(js, worker, batch->n_tokens, batch->n);
	float *logp = batch->result;

	for (size_t i = 0; i < js->n; i++) {
		const struct judge *j = &js->list[i];

		head_net_run(j->net, logp, batch->records, batch->n,
		    batch->n_tokens, js->dtype, memory);
		logp += batch->n * j->head->K;
	}
}

void
judges_join(struct judges *js, const struct flow_batch *batch, size_t i)
{
	const float *logp = batch->result;

	for (size_t k = 0; k < js->n; k++) {
		struct judge *j = &js->list[k];

		head_join_add(&j->join, logp + i * j->head->K);
		logp += batch->n * j->head->K;
	}
}
