/*
 * `logits STREAM MODEL FLOAT32 ATOL`: what follows each record of a token
 * stream, a row of logits each, against those in a file of float32 (records,
 * V). Without arguments it only says that there is nothing to compare.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "checkpoint/checkpoint.h"
#include "gpt2/group.h"
#include "stream/cache.h"
#include "sys/team.h"
#include "sys/why.h"
#include "tap.h"

/* The largest difference of one record's row; NaN where it has none. */
static double
compare(struct gpt2_group *g, const struct record *r, FILE *want)
{
	const bool marks[GROUP_MOST] = { true };
	double worst = 0;
	char why[WHYSZ];

	if (gpt2_group_add(g, r->tokens, r->n_tokens, r->n_tokens, why) < 0 ||
	    gpt2_group_run(g, marks, why) < 0)
		return NAN;
	for (size_t v = 0; v < g->V; v++) {
		float x;

		if (fread(&x, sizeof(x), 1, want) != 1)
			return NAN;
		worst = fmax(worst, fabs((double)g->logits[v] - (double)x));
	}
	gpt2_group_clear(g);
	return worst;
}

int
main(int argc, char **argv)
{
	struct gpt2_group g = { .B = 0 };
	struct checkpoint *checkpoint;
	struct stream_cache *cache;
	struct team *team;
	const char *files[1];
	char why[WHYSZ] = "";
	double worst = 0;
	FILE *want;

	if (argc != 5) {
		ok(1, "nothing to compare # SKIP run by tests/generate.t");
		return done_testing();
	}
	files[0] = argv[1];
	cache = stream_cache_open(files, 1, STREAM_TOKENS, why);
	checkpoint = checkpoint_open(argv[2], why);
	team = team_open(2, why);
	want = fopen(argv[3], "rb");
	if (!ok(cache && checkpoint && team && want, "opened %s", why))
		return done_testing();
	g.V = checkpoint_config(checkpoint)->vocab_size;
	g.decoder = gpt2_decoder_open(checkpoint, OPS_F32, team, why);
	if (!ok(g.decoder != NULL, "the decoder %s", why))
		return done_testing();
	for (size_t i = 0; i < stream_cache_count(cache); i++) {
		struct record r = stream_cache_record(cache, i);
		double off = compare(&g, &r, want);

		worst = isnan(off) ? INFINITY : fmax(worst, off);
	}
	ok(worst <= atof(argv[4]) && fgetc(want) == EOF,
	    "%zu rows of %zu logits, %.2e off at most",
	    stream_cache_count(cache), g.V, worst);
	gpt2_group_free(&g);
	gpt2_decoder_free(g.decoder);
	checkpoint_free(checkpoint);
	stream_cache_free(cache);
	team_free(team);
	fclose(want);
	return done_testing();
}
