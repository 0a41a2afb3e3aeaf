/* A score as text, TSV or JSON; see score.h. */
#include <inttypes.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "head/score.h"
#include "sys/buffer.h"
#include "sys/why.h"

enum { MOST_SHOWN = 20 }; /* classes in a confusion matrix as text */

/* What is being written, and whether memory ran out on the way. */
struct report {
	struct buffer *out;
	bool failed;
};

/* Appends as printf. */
static void
say(struct report *b, const char *fmt, ...)
{
	char line[1024], why[WHYSZ];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (buffer_append(b->out, line, strlen(line), why) < 0)
		b->failed = true;
}

static void
say_part(struct report *b, const char *name, const struct score_part *p)
{
	if (p->n > 0)
		say(b, "%-18s %" PRIu64 " records, %.2f %% right\n", name, p->n,
		    100 * (double)p->right / (double)p->n);
}

static void
say_confusion(
    struct report *b, const struct score *s, char *const *names, size_t K)
{
	say(b, "\n%-18s", "true \\ predicted");
	for (size_t k = 0; k < K; k++)
		say(b, " %10.10s", names[k]);
	for (size_t k = 0; k < K; k++) {
		say(b, "\n%-18.18s", names[k]);
		for (size_t i = 0; i < K; i++)
			say(b, " %10" PRIu64, score_confusion(s, k, i));
	}
	say(b, "\n");
}

static void
report_text(
    struct report *b, const struct score *s, size_t K, char *const *names)
{
	struct score_result r = score_result(s);

	say(b, "%-18s %" PRIu64 "\n", "records", r.all.n);
	say(b, "%-18s %.2f %% (95 %%: %.2f to %.2f)\n", "accuracy",
	    100 * r.accuracy, 100 * r.low, 100 * r.high);
	say(b, "%-18s %.2f %% (always %s)\n", "majority baseline",
	    100 * r.majority_accuracy, names[r.majority]);
	say(b, "%-18s %.4f\n", "macro F1", r.macro_f1);
	say(b, "%-18s %.4f\n", "log loss", r.log_loss);
	say(b, "%-18s %.4f\n", "calibration error", r.calibration);
	if (r.cut.n > 0) {
		say_part(b, "whole", &r.whole);
		say_part(b, "cut or split", &r.cut);
	}
	say(b, "\n%-18s %10s %10s %10s %10s\n", "class", "records", "precision",
	    "recall", "F1");
	for (size_t k = 0; k < K; k++) {
		struct score_class c = score_class(s, k);

		say(b, "%-18.18s %10" PRIu64 " %10.4f %10.4f %10.4f\n",
		    names[k], c.n, c.precision, c.recall, c.f1);
	}
	if (K <= MOST_SHOWN)
		say_confusion(b, s, names, K);
}

static void
report_tsv(
    struct report *b, const struct score *s, size_t K, char *const *names)
{
	struct score_result r = score_result(s);

	say(b, "records\t%" PRIu64 "\naccuracy\t%.6f\n", r.all.n, r.accuracy);
	say(b, "accuracy_low\t%.6f\naccuracy_high\t%.6f\n", r.low, r.high);
	say(b, "majority\t%s\nmajority_accuracy\t%.6f\n", names[r.majority],
	    r.majority_accuracy);
	say(b, "macro_f1\t%.6f\nlog_loss\t%.6f\ncalibration_error\t%.6f\n",
	    r.macro_f1, r.log_loss, r.calibration);
	say(b, "whole\t%" PRIu64 "\nwhole_right\t%" PRIu64 "\n", r.whole.n,
	    r.whole.right);
	say(b, "cut\t%" PRIu64 "\ncut_right\t%" PRIu64 "\n", r.cut.n,
	    r.cut.right);
	for (size_t k = 0; k < K; k++) {
		struct score_class c = score_class(s, k);

		say(b, "class\t%s\t%" PRIu64 "\t%.6f\t%.6f\t%.6f\n", names[k],
		    c.n, c.precision, c.recall, c.f1);
	}
}

static json_t *
classes_json(const struct score *s, size_t K, char *const *names)
{
	json_t *classes = json_object();

	for (size_t k = 0; k < K; k++) {
		struct score_class c = score_class(s, k);
		json_t *row = json_array();

		for (size_t i = 0; i < K; i++)
			json_array_append_new(row,
			    json_integer((json_int_t)score_confusion(s, k, i)));
		json_object_set_new(classes, names[k],
		    json_pack("{s:I, s:f, s:f, s:f, s:o}", "records",
			(json_int_t)c.n, "precision", c.precision, "recall",
			c.recall, "f1", c.f1, "predicted", row));
	}
	return classes;
}

static void
report_json(
    struct report *b, const struct score *s, size_t K, char *const *names)
{
	struct score_result r = score_result(s);
	char why[WHYSZ];
	json_t *json = json_pack("{s:I, s:f, s:f, s:f, s:s, s:f, s:f, s:f, s:f,"
				 " s:I, s:I, s:I, s:I, s:o}",
	    "records", (json_int_t)r.all.n, "accuracy", r.accuracy,
	    "accuracy_low", r.low, "accuracy_high", r.high, "majority",
	    names[r.majority], "majority_accuracy", r.majority_accuracy,
	    "macro_f1", r.macro_f1, "log_loss", r.log_loss, "calibration_error",
	    r.calibration, "whole", (json_int_t)r.whole.n, "whole_right",
	    (json_int_t)r.whole.right, "cut", (json_int_t)r.cut.n, "cut_right",
	    (json_int_t)r.cut.right, "classes", classes_json(s, K, names));
	char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));

	json_decref(json);
	if (text == NULL || buffer_append(b->out, text, strlen(text), why) < 0)
		b->failed = true;
	say(b, "\n");
	free(text);
}

int
score_print(struct buffer *out, const struct score *s, size_t K,
    char *const *names, enum score_format format, char *why)
{
	struct report b = { out, false };

	if (format == SCORE_TEXT)
		report_text(&b, s, K, names);
	else if (format == SCORE_TSV)
		report_tsv(&b, s, K, names);
	else
		report_json(&b, s, K, names);
	if (b.failed)
		why_memory(why);
	return b.failed ? -1 : 0;
}
