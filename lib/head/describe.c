/* What a head remembers of its making; see describe.h. */
#include "head/describe.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "sys/why.h"

static char *
dump(json_t *json)
{
	char *text =
	    json ? json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9))
		 : NULL;

	json_decref(json);
	return text;
}

static char *
describe_training(const struct train_options *o)
{
	static const char *const keep[] = { "last", "best" };
	static const char *const precision[] = { "f32", "bf16" };

	return dump(
	    json_pack("{s:I, s:I, s:f, s:f, s:f, s:I, s:s, s:f, s:s, s:s}",
		"epochs", (json_int_t)o->epochs, "batch", (json_int_t)o->batch,
		"lr", o->rate, "weight_decay", o->decay, "dropout", o->dropout,
		"seed", (json_int_t)o->seed, "keep", keep[o->keep],
		"dev_percent", o->dev_percent, "precision",
		precision[o->precision], "program", "gpt2-filters " VERSION));
}

static char *
describe_data(
    const struct head *h, const struct examples *e, const size_t *counts)
{
	json_t *classes = json_object();

	for (size_t k = 0; k < h->K; k++)
		json_object_set_new(
		    classes, h->labels[k], json_integer((json_int_t)counts[k]));
	return dump(json_pack("{s:s, s:I, s:I, s:I, s:I, s:I, s:I, s:o}", "id",
	    e->id, "records", (json_int_t)e->n, "tokens", (json_int_t)e->tokens,
	    "duplicates", (json_int_t)e->duplicates, "contradictions",
	    (json_int_t)e->contradictions, "unlabelled",
	    (json_int_t)e->unlabelled, "cut", (json_int_t)e->cut, "classes",
	    classes));
}

static char *
describe_dev(const struct examples *dev, const struct train_epoch *kept)
{
	if (dev == NULL)
		return dump(json_object());
	return dump(json_pack("{s:s, s:I, s:I, s:f, s:f}", "id", dev->id,
	    "records", (json_int_t)dev->n, "epoch", (json_int_t)kept->epoch,
	    "accuracy", kept->dev_accuracy, "loss", kept->dev_loss));
}

int
head_describe(struct head *h, const struct train_options *o,
    const struct examples *e, const size_t *counts, const struct examples *dev,
    const struct train_epoch *kept, char *why)
{
	h->training = describe_training(o);
	h->data = describe_data(h, e, counts);
	h->dev = describe_dev(dev, kept);
	if (h->training && h->data && h->dev)
		return 0;
	why_memory(why);
	return -1;
}

char *
head_dev_id(const struct head *h)
{
	json_t *json = h->dev ? json_loads(h->dev, 0, NULL) : NULL;
	const char *id = json_string_value(json_object_get(json, "id"));
	char *copy = id ? strdup(id) : NULL;

	json_decref(json);
	return copy;
}
