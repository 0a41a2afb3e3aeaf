/* Models in the local cache of the Hugging Face hub; see hub.h. */
#include "checkpoint/hub.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/why.h"

static const char prefix[] = "models--";

enum { PREFIX_LEN = sizeof(prefix) - 1, NAME_MAX_LEN = 200, REVISION_MAX = 64 };

char *
hub_cache(void)
{
	const char *cache = getenv("HF_HUB_CACHE");
	const char *base = getenv("HF_HOME");
	const char *home = getenv("HOME");
	char *path = NULL;
	int n = -1;

	if (cache && cache[0])
		return strdup(cache);
	if (base && base[0])
		n = asprintf(&path, "%s/hub", base);
	else if (home && home[0])
		n = asprintf(&path, "%s/.cache/huggingface/hub", home);
	return n < 0 ? NULL : path;
}

bool
hub_is_name(const char *name)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-/";
	const size_t len = strlen(name);
	const char *slash = strchr(name, '/');

	return len > 0 && len <= NAME_MAX_LEN && strspn(name, allowed) == len &&
	       name[0] != '/' && name[0] != '.' && name[len - 1] != '/' &&
	       (slash == NULL ||
		   (strchr(slash + 1, '/') == NULL && slash[1] != '.'));
}

/* Reads refs/main: a revision, which is a plain name of a directory. */
static int
read_revision(char out[REVISION_MAX + 1], const char *model, char *why)
{
	char *path = NULL;
	ssize_t n;
	int fd;

	if (asprintf(&path, "%s/refs/main", model) < 0) {
		why_memory(why);
		return -1;
	}
	fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	n = fd < 0 ? -1 : read(fd, out, REVISION_MAX);
	if (n < 0)
		why_set(why, "%.900s: %s", path, strerror(errno));
	if (fd >= 0)
		close(fd);
	while (n > 0 && (out[n - 1] == '\n' || out[n - 1] == '\r'))
		n--;
	if (n >= 0) {
		out[n] = '\0';
		if (n == 0 || strspn(out, "0123456789abcdef") != (size_t)n)
			n = why_set(why, "%.900s: not a revision", path);
	}
	free(path);
	return n < 0 ? -1 : 0;
}

/* The cache's directory of the model: its name with "--" for the slash. */
static char *
model_directory(const char *cache, const char *name)
{
	const char *slash = strchr(name, '/');
	char *path = NULL;
	int n;

	if (slash)
		n = asprintf(&path, "%s/%s%.*s--%s", cache, prefix,
		    (int)(slash - name), name, slash + 1);
	else
		n = asprintf(&path, "%s/%s%s", cache, prefix, name);
	return n < 0 ? NULL : path;
}

char *
hub_find(const char *name, char *why)
{
	char *cache = hub_cache();
	char *model = cache ? model_directory(cache, name) : NULL;
	char *path = NULL;
	char revision[REVISION_MAX + 1];
	struct stat st;

	why[0] = '\0';
	if (model && stat(model, &st) == 0 &&
	    read_revision(revision, model, why) == 0) {
		if (asprintf(&path, "%s/snapshots/%s", model, revision) < 0) {
			path = why_memory(why);
		} else if (stat(path, &st) < 0) {
			why_set(why, "%.900s: %s", path, strerror(errno));
			free(path);
			path = NULL;
		}
	}
	free(model);
	free(cache);
	return path;
}

/* "models--A--B" as "A/B"; false for what is no model's directory. */
static bool
read_entry(char *out, size_t size, const char *entry)
{
	char *dashes;
	int n;

	if (strncmp(entry, prefix, PREFIX_LEN) != 0)
		return false;
	n = snprintf(out, size, "%s", entry + PREFIX_LEN);
	if (n <= 0 || (size_t)n >= size)
		return false;
	if ((dashes = strstr(out, "--"))) {
		*dashes = '/';
		memmove(dashes + 1, dashes + 2, strlen(dashes + 2) + 1);
	}
	return hub_is_name(out);
}

char *
hub_name(const char *path)
{
	const char *at = strstr(path, "/models--");
	char entry[NAME_MAX_LEN + PREFIX_LEN + 1], name[NAME_MAX_LEN + 1];
	char ignored[WHYSZ];
	char *found, *real = NULL;
	bool same;

	if (at == NULL)
		return NULL;
	snprintf(
	    entry, sizeof(entry), "%.*s", (int)strcspn(at + 1, "/"), at + 1);
	if (!read_entry(name, sizeof(name), entry))
		return NULL;
	found = hub_find(name, ignored);
	if (found)
		real = realpath(found, NULL);
	same = real && strcmp(real, path) == 0;
	free(found);
	free(real);
	return same ? strdup(name) : NULL;
}

void
hub_list(char *out, size_t size)
{
	char *cache = hub_cache();
	struct dirent **entry = NULL;
	int n = cache ? scandir(cache, &entry, NULL, alphasort) : -1;
	char name[NAME_MAX_LEN + 1];
	size_t at = strlen(out);

	for (int i = 0; i < n; i++) {
		if (read_entry(name, sizeof(name), entry[i]->d_name) &&
		    at + strlen(name) + 3 < size)
			at += (size_t)snprintf(
			    out + at, size - at, "%s%s", at ? ", " : "", name);
		free(entry[i]);
	}
	free(entry);
	free(cache);
}
