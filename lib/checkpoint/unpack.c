/*
 * The files of a model that lies in an archive; see unpack.h. No size that the
 * archive states is believed, and nothing is used before all has been read.
 */
#include "checkpoint/unpack.h"

#include <stdlib.h>
#include <string.h>

#include "sys/archive.h"
#include "sys/num.h"
#include "sys/why.h"

enum { SMALL_MAX = 8388608, PATH_LONGEST = 4096, CHUNK = 1 << 20 };

/* Weights hardly shrink; a file of 20 times the archive's size is a trap. */
enum { GROWTH_MAX = 20, GROWTH_FREE = 64 << 20 };
static const size_t weights_max = (size_t)8 << 30, all_small_max = 64 << 20;

struct unpacker {
	struct bundle *bundle;
	struct unpacked *list;
	bool weights;
	size_t large; /* most bytes of a safetensors file */
	size_t small; /* bytes of all other files so far */
};

void
unpack_free(struct unpacked *u)
{
	while (u) {
		struct unpacked *next = u->next;

		free(u->bytes.data);
		free(u);
		u = next;
	}
}

static bool
is_weights(const char *base)
{
	const size_t len = strlen(base);

	return len > 12 && strcmp(base + len - 12, ".safetensors") == 0;
}

static bool
is_wanted(const char *base)
{
	static const char *const names[] = { "config.json", "vocab.json",
		"merges.txt", "tokenizer.json", "gpt2-filters.json",
		"model.safetensors.index.json" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(base, names[i]) == 0)
			return true;
	}
	return is_weights(base);
}

/* A path within the archive, or NULL where it leads out of it. */
static const char *
clean_path(const char *path)
{
	while (strncmp(path, "./", 2) == 0)
		path += 2;
	if (path[0] == '/' || strncmp(path, "../", 3) == 0 ||
	    strstr(path, "/../") || strlen(path) > PATH_LONGEST)
		return NULL;
	return path;
}

/* A place for the file in the list, or why it cannot have one. */
static struct unpacked *
add_file(struct unpacker *p, const struct bundle_member *m, const char *path,
    const char *base, char *why)
{
	struct unpacked *u;
	char shown[256];

	why_escape(shown, sizeof(shown), base, strlen(base));
	if (m->other)
		why_set(why, "%s is %s, not a file", shown, m->other);
	else if (m->encrypted)
		why_set(why, "%s is encrypted", shown);
	for (u = p->list; u && strcmp(u->path, path) != 0; u = u->next)
		;
	if (u)
		why_set(why, "%s is in the archive twice", shown);
	if (u || m->other || m->encrypted)
		return NULL;
	if ((u = calloc(1, sizeof(*u) + strlen(path) + 1)) == NULL)
		return why_memory(why);
	strcpy(u->path, path);
	u->base = u->path + (base - path);
	for (const char *s = path; s < base; s++)
		u->depth += *s == '/';
	u->next = p->list;
	return p->list = u;
}

/* Reads the member's bytes, at most limit. */
static int
read_file(struct unpacker *p, struct unpacked *u, size_t limit, char *why)
{
	char shown[256];
	ssize_t n;

	do {
		if (buffer_reserve(&u->bytes, CHUNK, why) < 0)
			return -1;
		n = bundle_read(
		    p->bundle, u->bytes.data + u->bytes.len, CHUNK, why);
		if (n < 0)
			return -1;
		u->bytes.len += (size_t)n;
		if (u->bytes.len > limit) {
			why_escape(
			    shown, sizeof(shown), u->base, strlen(u->base));
			return why_set(
			    why, "%s larger than %zu bytes", shown, limit);
		}
	} while (n > 0);
	return 0;
}

static int
take_member(struct unpacker *p, const struct bundle_member *m, char *why)
{
	const char *path = clean_path(m->name), *base;
	struct unpacked *u;

	if (path == NULL)
		return 0;
	base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	if (!is_wanted(base))
		return 0;
	if ((u = add_file(p, m, path, base, why)) == NULL)
		return -1;
	u->passed_over = is_weights(base) && !p->weights;
	if (u->passed_over)
		return 0;
	if (is_weights(base))
		return read_file(p, u, p->large, why);
	if (read_file(p, u, SMALL_MAX, why) < 0)
		return -1;
	p->small += u->bytes.len;
	if (p->small > all_small_max)
		return why_set(
		    why, "more than %zu bytes of JSON", all_small_max);
	return 0;
}

/* Both lie in the same directory of the archive. */
static bool
is_beside(const struct unpacked *a, const struct unpacked *b)
{
	return a->base - a->path == b->base - b->path &&
	       memcmp(a->path, b->path, (size_t)(a->base - a->path)) == 0;
}

/* a says better than b where the model is. */
static bool
is_better(const struct unpacked *a, const struct unpacked *b)
{
	const bool config = strcmp(a->base, "config.json") == 0;

	if (config != (strcmp(b->base, "config.json") == 0))
		return config;
	return a->depth < b->depth;
}

/*
 * Keeps the files beside the uppermost config.json, or where there is none,
 * beside the uppermost file.
 */
static int
keep_model(struct unpacker *p, char *why)
{
	const struct unpacked *best = p->list;
	struct unpacked **at = &p->list, *u, *dropped = NULL;
	bool twice = false;

	for (u = p->list; u; u = u->next) {
		if (is_better(u, best))
			best = u;
	}
	while ((u = *at)) {
		if (is_beside(u, best)) {
			at = &u->next;
			continue;
		}
		twice |=
		    !is_better(best, u) && strcmp(u->base, best->base) == 0;
		*at = u->next;
		u->next = dropped;
		dropped = u;
	}
	unpack_free(dropped);
	return twice ? why_set(why, "%s is in the archive twice", best->base)
		     : 0;
}

struct unpacked *
unpack_model(const uint8_t *data, size_t size, bool weights, char *why)
{
	struct unpacker p = { .weights = weights };
	struct bundle_member m;
	int rc;

	if (!num_mul(size, GROWTH_MAX, &p.large) ||
	    !num_add(p.large, GROWTH_FREE, &p.large))
		p.large = weights_max;
	p.large = num_min(p.large, weights_max);
	if ((p.bundle = bundle_open(data, size, why)) == NULL)
		return NULL;
	while ((rc = bundle_next(p.bundle, &m, why)) > 0) {
		if ((rc = take_member(&p, &m, why)) < 0)
			break;
	}
	bundle_free(p.bundle);
	if (rc == 0 && p.list)
		rc = keep_model(&p, why);
	else if (rc == 0)
		why[0] = '\0';
	if (rc == 0)
		return p.list;
	unpack_free(p.list);
	return NULL;
}
