/*
 * `hidden STREAM FLOAT32 FLOAT64 ATOL`: the states of a stream against those
 * of PyTorch, a JSON array of vectors a line, in both precisions. Within ATOL
 * + 1e-5 |b| of float64 everywhere, and of float32 wherever PyTorch's own is
 * within a third of that (how good it is depends on the processor); the root
 * mean square error no more than twice PyTorch's. Without arguments it only
 * says that there is nothing to compare.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>

#include "stream/cache.h"
#include "sys/why.h"
#include "tap.h"

struct error {
	double worst32, worst64; /* in units of the tolerance */
	double ours, theirs;	 /* sums of squares against float64 */
	size_t n;
	size_t over;  /* values out of tolerance of float32 … */
	size_t fault; /* … where that is close to float64 */
};

static json_t *
read_line(FILE *f)
{
	return json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL);
}

static double
value(const json_t *rows, size_t t, size_t c)
{
	return json_number_value(json_array_get(json_array_get(rows, t), c));
}

/* One record's vectors (T, C). */
static bool
compare(struct error *e, const struct record *r, size_t C, const json_t *f32,
    const json_t *f64, double atol)
{
	const float *x = r->vectors;

	if (json_array_size(f32) != r->n_vectors ||
	    json_array_size(f64) != r->n_vectors)
		return false;
	for (size_t i = 0; i < r->n_vectors * C; i++) {
		double ours = (double)x[i];
		double a = value(f32, i / C, i % C),
		       b = value(f64, i / C, i % C);
		double off32 = fabs(ours - a) / (atol + 1e-5 * fabs(a));
		double off64 = fabs(ours - b) / (atol + 1e-5 * fabs(b));
		double theirs = fabs(a - b) / (atol + 1e-5 * fabs(b));

		e->worst32 = fmax(e->worst32, off32);
		e->worst64 = fmax(e->worst64, off64);
		e->over += off32 > 1;
		e->fault += off32 > 1 && theirs < 1. / 3;
		e->ours += (ours - b) * (ours - b);
		e->theirs += (a - b) * (a - b);
	}
	e->n += r->n_vectors * C;
	return true;
}

int
main(int argc, char **argv)
{
	struct error e = { 0 };
	struct stream_cache *cache;
	const char *files[1];
	char why[WHYSZ] = "";
	FILE *f32, *f64;
	bool same = true;

	if (argc != 5) {
		ok(1, "nothing to compare # SKIP run by tests/hidden.t");
		return done_testing();
	}
	files[0] = argv[1];
	cache = stream_cache_open(files, 1, STREAM_HIDDEN, why);
	f32 = fopen(argv[2], "r");
	f64 = fopen(argv[3], "r");
	if (!ok(cache && f32 && f64, "opened %s: %s", argv[1], why))
		return done_testing();
	for (size_t i = 0; same && i < stream_cache_count(cache); i++) {
		struct record r = stream_cache_record(cache, i);
		json_t *a = read_line(f32), *b = read_line(f64);

		same = compare(&e, &r, stream_cache_header(cache)->n_embd, a, b,
		    atof(argv[4]));
		json_decref(a);
		json_decref(b);
	}
	ok(same && e.n > 0, "the same shapes, %zu values", e.n);
	ok(e.worst64 <= 1, "%.3f of the tolerance from float64", e.worst64);
	ok(e.worst32 <= 2 && e.fault == 0,
	    "%.3f of the tolerance from float32, %zu values over, %zu of them "
	    "where that is close to float64",
	    e.worst32, e.over, e.fault);
	ok(e.ours <= 4 * e.theirs,
	    "root mean square error %.2e, PyTorch's %.2e",
	    sqrt(e.ours / (double)e.n), sqrt(e.theirs / (double)e.n));
	stream_cache_free(cache);
	fclose(f32);
	fclose(f64);
	return done_testing();
}
