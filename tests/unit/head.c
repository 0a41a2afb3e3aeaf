/*
 * What is around the network: labels and classes, joining parts, the figures
 * of a score, and lines of predictions.
 */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "head/head.h"
#include "head/labels.h"
#include "head/net.h"
#include "head/print.h"
#include "head/score.h"
#include "head/train.h"
#include "sys/buffer.h"
#include "sys/why.h"
#include "tap.h"

/* The buffer's text is want; empties it. */
static void
expect_text(struct buffer *b, const char *want, const char *name)
{
	bool same = b->len == strlen(want) &&
		    (b->len == 0 || memcmp(b->data, want, b->len) == 0);

	if (!ok(same, "%s", name))
		printf("# got: %.*s# want: %s", (int)b->len, (char *)b->data,
		    want);
	b->len = 0;
}

/* ---- labels ---- */

static void
test_labels(void)
{
	static const char *const order[] = { "-10", "-2.5", "-.5", "0", "00",
		"+1", "1", "1.0", "2", "10", "1e3", "Z", "a", "a b", "\xc3\xa9",
		NULL };
	size_t wrong = 0, classes[8], counts[8];
	char why[WHYSZ] = "", **sorted;
	struct labels *l = labels_new(why);

	for (size_t i = 0; order[i]; i++) {
		for (size_t k = 0; order[k]; k++) {
			int c = labels_compare(order[i], order[k]);

			wrong += (c > 0) - (c < 0) != (i > k) - (i < k);
		}
	}
	ok(wrong == 0, "numbers sort as numbers, before bytes");
	ok(labels_add(l, "b", 1, why) == 0 &&
		labels_add(l, "10", 2, why) == 1 &&
		labels_add(l, "bx", 1, why) == 0 &&
		labels_add(l, "9", 1, why) == 2 && labels_count(l) == 3,
	    "labels are counted");
	sorted = labels_sort(l, classes, counts, why);
	ok(strcmp(sorted[0], "9") == 0 && strcmp(sorted[1], "10") == 0 &&
		strcmp(sorted[2], "b") == 0 && classes[0] == 2 &&
		classes[1] == 1 && classes[2] == 0 && counts[0] == 1 &&
		counts[1] == 1 && counts[2] == 2,
	    "and sorted into classes");
	for (size_t i = 0; i < 3; i++)
		free(sorted[i]);
	free(sorted);
	labels_free(l);
	labels_free(NULL);
}

static void
expect_label(const char *label, size_t len, const char *want)
{
	char why[WHYSZ] = "";
	struct labels *l = labels_new(why);
	long k = labels_add(l, label, len, why);

	if (!ok((want[0] ? k == -1 : k == 0) && strcmp(why, want) == 0,
		"a label of %zu bytes: %s", len, want))
		printf("# got %ld %s\n", k, why);
	labels_free(l);
}

static void
test_bad_labels(void)
{
	char long_label[257], why[WHYSZ] = "", text[16];
	struct labels *l = labels_new(why);
	long k = 0;

	memset(long_label, 'x', sizeof(long_label));
	expect_label(long_label, 255, "");
	expect_label(long_label, 256, "label longer than 255 bytes");
	expect_label("a\tb", 3, "label has a control byte");
	expect_label("a\0b", 3, "label has a control byte");
	expect_label("\x7f", 1, "label has a control byte");
	expect_label("\xff", 1, "label is not UTF-8");
	expect_label("\xc3", 1, "label is not UTF-8");
	expect_label("caf\xc3\xa9", 5, "");
	for (int i = 0; i < MOST_CLASSES && k >= 0; i++) {
		int n = sprintf(text, "%d", i);

		k = labels_add(l, text, (size_t)n, why);
	}
	ok(k == MOST_CLASSES - 1 && labels_add(l, "7", 1, why) == 7 &&
		labels_add(l, "x", 1, why) < 0 &&
		strcmp(why, "more than 65535 classes") == 0,
	    "classes: %s", why);
	labels_free(l);
}

static void
test_names(void)
{
	char *labels[] = { "0", "1", "2" }, *names[] = { "bad", "good", "1" };
	struct head h = { .K = 3, .labels = labels, .names = names };
	char why[WHYSZ] = "";

	ok(head_class(&h, "0", 1) == 0 && head_class(&h, "good", 4) == 1 &&
		head_class(&h, "1", 1) == 1 && head_class(&h, "goo", 3) == 3 &&
		head_class(&h, "", 0) == 3,
	    "a class by label, then by name");
	ok(head_check_names(&h, why) == 0, "names");
	names[2] = "bad";
	ok(head_check_names(&h, why) < 0 &&
		strcmp(why, "two classes have one name") == 0,
	    "%s", why);
	names[2] = "a\nb";
	ok(head_check_names(&h, why) < 0, "a name: %s", why);
}

/* ---- joining ---- */

static void
test_join(void)
{
	const float one[] = { -0.1f, -2.3f }, two[] = { -3.0f, -0.05f };
	double sum[2], p[2], odds;
	struct head_join j = { sum, 2, 0 };

	head_join_add(&j, one);
	head_join_end(&j, p);
	ok(fabs(log(p[0] / p[1]) - 2.2) < 1e-6 && fabs(p[0] + p[1] - 1) < 1e-15,
	    "one part: its own probabilities");
	head_join_add(&j, one);
	head_join_add(&j, two);
	head_join_end(&j, p);
	odds = (2.2 - 2.95) / 2;
	ok(fabs(log(p[0] / p[1]) - odds) < 1e-6, "two: the mean of the logs");
	ok(head_best(p, 2) == 1 && head_best((double[]){ .5, .5 }, 2) == 0,
	    "the best class, the first among equals");
}

/* ---- scores ---- */

/*
 * Eight records of three classes, a a a b b b c c, told as a a b b b a c b:
 * by hand a 2/3 of 3, b 2/4 of 3, c 1/1 of 2.
 */
static struct score *
make_score(void)
{
	static const size_t truth[] = { 0, 0, 0, 1, 1, 1, 2, 2 };
	static const size_t told[] = { 0, 0, 1, 1, 1, 0, 2, 1 };
	char why[WHYSZ];
	struct score *s = score_new(3, why);

	for (size_t i = 0; i < 8; i++) {
		double p[3] = { 0.1, 0.1, 0.1 };

		p[told[i]] = 0.8;
		score_add(s, truth[i], p, i == 0 || i == 2);
	}
	return s;
}

static bool
near(double a, double b)
{
	return fabs(a - b) < 5e-7;
}

static void
test_score(void)
{
	struct score *s = make_score();
	struct score_result r = score_result(s);
	struct score_class a = score_class(s, 0), b = score_class(s, 1);

	ok(r.all.n == 8 && r.all.right == 5 && near(r.accuracy, 0.625),
	    "accuracy");
	ok(near(r.low, 0.305742) && near(r.high, 0.863156),
	    "Wilson's interval");
	ok(r.majority == 0 && near(r.majority_accuracy, 0.375), "the majority");
	ok(a.n == 3 && a.predicted == 3 && near(a.precision, 2. / 3) &&
		near(a.recall, 2. / 3) && near(a.f1, 2. / 3),
	    "class a");
	ok(b.predicted == 4 && near(b.precision, 0.5) &&
		near(b.recall, 2. / 3) && near(b.f1, 4. / 7),
	    "class b");
	ok(near(r.macro_f1, (2. / 3 + 4. / 7 + 2. / 3) / 3), "macro F1");
	ok(near(r.log_loss, -(5 * log(0.8) + 3 * log(0.1)) / 8), "log loss");
	ok(near(r.calibration, 0.8 - 0.625), "calibration error");
	ok(r.cut.n == 2 && r.cut.right == 1 && r.whole.n == 6 &&
		r.whole.right == 4,
	    "whole and cut apart");
	ok(score_confusion(s, 2, 1) == 1 && score_confusion(s, 0, 1) == 1 &&
		score_confusion(s, 1, 2) == 0,
	    "confusion");
	score_free(s);
	score_free(NULL);
}

static void
test_reports(void)
{
	static char *const names[] = { "a", "b", "c" };
	struct score *s = make_score();
	struct buffer out = { NULL, 0, 0 };
	char why[WHYSZ];
	json_t *json;

	score_print(&out, s, 3, names, SCORE_TEXT, why);
	expect_text(&out,
	    "records            8\n"
	    "accuracy           62.50 % (95 %: 30.57 to 86.32)\n"
	    "majority baseline  37.50 % (always a)\n"
	    "macro F1           0.6349\n"
	    "log loss           1.0029\n"
	    "calibration error  0.1750\n"
	    "whole              6 records, 66.67 % right\n"
	    "cut or split       2 records, 50.00 % right\n"
	    "\n"
	    "class                 records  precision     recall         F1\n"
	    "a                           3     0.6667     0.6667     0.6667\n"
	    "b                           3     0.5000     0.6667     0.5714\n"
	    "c                           2     1.0000     0.5000     0.6667\n"
	    "\n"
	    "true \\ predicted            a          b          c\n"
	    "a                           2          1          0\n"
	    "b                           1          2          0\n"
	    "c                           0          1          1\n",
	    "a report as text");
	score_print(&out, s, 3, names, SCORE_TSV, why);
	expect_text(&out,
	    "records\t8\naccuracy\t0.625000\naccuracy_low\t0.305742\n"
	    "accuracy_high\t0.863156\nmajority\ta\nmajority_accuracy\t0."
	    "375000\n"
	    "macro_f1\t0.634921\nlog_loss\t1.002934\n"
	    "calibration_error\t0.175000\nwhole\t6\nwhole_right\t4\ncut\t2\n"
	    "cut_right\t1\nclass\ta\t3\t0.666667\t0.666667\t0.666667\n"
	    "class\tb\t3\t0.500000\t0.666667\t0.571429\n"
	    "class\tc\t2\t1.000000\t0.500000\t0.666667\n",
	    "as TSV");
	score_print(&out, s, 3, names, SCORE_JSONL, why);
	json = json_loadb((char *)out.data, out.len, 0, NULL);
	ok(json_integer_value(json_array_get(
	       json_object_get(
		   json_object_get(json_object_get(json, "classes"), "b"),
		   "predicted"),
	       1)) == 2 &&
		near(json_real_value(json_object_get(json, "accuracy")), 0.625),
	    "as JSON");
	json_decref(json);
	free(out.data);
	score_free(s);
}

/* ---- lines ---- */

static const struct print_record plain = { NULL, 0, 7, false };
static const struct print_record named = { "i\t\x01 1", 5, 7, true };

static void
expect_line(struct print_options o, const struct print_record *r, size_t n,
    const char *want, const char *name)
{
	static char *const abc[] = { "a", "b", "c" }, *const xy[] = { "x",
		"y" };
	static const double p[] = { 0.25, 0.5, 0.25 }, q[] = { 0.1, 0.9 };
	const struct print_scores s[] = { { "one", 3, abc, p },
		{ "two", 2, xy, q } };
	struct buffer out = { NULL, 0, 0 };
	char why[WHYSZ];

	print_header(&out, &o, r->id != NULL, s, n, why);
	print_line(&out, &o, r, s, n, why);
	expect_text(&out, want, name);
	free(out.data);
}

static void
test_lines(void)
{
	struct print_options o = { PRINT_TSV, 1, false, -1, NULL };

	expect_line(o, &plain, 1, "b\t0.500000\n", "a label");
	expect_line(o, &named, 1, "i\\x09\\x01 1\tb\t0.500000\n", "with an id");
	expect_line(o, &plain, 2, "b\t0.500000\ty\t0.900000\n", "two heads");
	o.top = 2;
	expect_line(o, &plain, 1, "b\t0.500000\ta\t0.250000\n", "two labels");
	o.top = 9;
	expect_line(o, &plain, 1, "b\t0.500000\ta\t0.250000\tc\t0.250000\n",
	    "more than there are");
	o.min_prob = 0.6;
	o.otherwise = "?";
	expect_line(o, &plain, 1, "?\t0.500000\ta\t0.250000\tc\t0.250000\n",
	    "the best is in doubt");
	o.min_prob = 0.5;
	o.top = 1;
	expect_line(o, &plain, 1, "b\t0.500000\n", "it is not");
	o.all = true;
	expect_line(o, &plain, 1, "a\tb\tc\n0.250000\t0.500000\t0.250000\n",
	    "all classes");
	expect_line(o, &named, 2,
	    "id\tone:a\tone:b\tone:c\ttwo:x\ttwo:y\n"
	    "i\\x09\\x01 1\t0.250000\t0.500000\t0.250000\t0.100000\t0.900000\n",
	    "of two heads");
}

static void
test_other_formats(void)
{
	struct print_options o = { PRINT_FASTTEXT, 2, false, -1, NULL };

	expect_line(o, &plain, 1, "__label__b 0.500000 __label__a 0.250000\n",
	    "fastText");
	o.format = PRINT_JSONL;
	o.top = 1;
	expect_line(o, &plain, 1,
	    "{\"label\":\"b\",\"prob\":0.5,\"tokens\":7,\"cut\":false}\n",
	    "JSON");
	o.otherwise = "\xff";
	o.min_prob = 0.6;
	expect_line(o, &named, 1,
	    "{\"id\":\"i\\t\\u0001 1\",\"label\":\"\\\\xff\",\"prob\":0.5,"
	    "\"tokens\":7,\"cut\":true}\n",
	    "JSON of an odd label");
	o.otherwise = NULL;
	o.top = 2;
	expect_line(o, &plain, 2,
	    "{\"heads\":{\"one\":{\"label\":\"b\",\"prob\":0.5,\"scores\":"
	    "{\"b\":0.5,\"a\":0.25}},\"two\":{\"label\":\"y\",\"prob\":0.9,"
	    "\"scores\":{\"y\":0.9,\"x\":0.1}}},\"tokens\":7,\"cut\":false}\n",
	    "JSON of two heads");
}

/* ---- defaults ---- */

static void
test_defaults(void)
{
	static const size_t sizes[] = { 1, 19, 20, 21, 100, 319, 320, 1000,
		3200, 9999, 10000, 67349 };
	size_t wrong = 0;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct train_options o = { .epochs = 0 };
		size_t n = sizes[i], updates;

		train_defaults(&o, n, 768);
		updates = o.epochs * ((n + o.batch - 1) / o.batch);
		if (o.epochs < 3 || o.epochs > 30 ||
		    (updates < 600 && (o.epochs < 30 || o.batch > 1)) ||
		    (n >= 10000 && (o.epochs != 3 || o.batch != 32))) {
			printf("# %zu: %zu of %zu\n", n, o.epochs, o.batch);
			wrong++;
		}
	}
	ok(wrong == 0, "600 updates, at most 30 epochs; 3 of 32 from 10,000");
	for (size_t C = 256; C <= 1024; C += 768) {
		struct train_options o = { .epochs = 7, .batch = 5 };

		train_defaults(&o, 100, C);
		ok(o.epochs == 7 && o.batch == 5 &&
			near(o.rate * 1e4, C > 768 ? 0.75 : 1),
		    "the rate for %zu channels", C);
	}
}

int
main(void)
{
	test_labels();
	test_bad_labels();
	test_names();
	test_join();
	test_score();
	test_reports();
	test_lines();
	test_other_formats();
	test_defaults();
	return done_testing();
}
