/* Where models lie, and the names they are remembered by: checkpoint.h. */
#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/checkpoint.h"
#include "checkpoint/hub.h"
#include "sys/why.h"

/*
 * The small model's place relative to the program's own directory: installed
 * as PREFIX/bin, and built as build/bin or, with sanitizers, build/asan/bin.
 */
static const char *const shipped[] = { "../share/gpt2-filters/mini",
	"../../examples/mini", "../../../examples/mini" };

static char *
copy(const char *s, char *why)
{
	char *p = strdup(s);

	return p ? p : why_memory(why);
}

/* The small model's directory, an absolute path without links. */
static char *
find_shipped(char *why)
{
	char bin[PATH_MAX], path[PATH_MAX + 64], *real;
	ssize_t n = readlink("/proc/self/exe", bin, sizeof(bin) - 1);

	if (n < 0) {
		why_set(why, "/proc/self/exe: %s", strerror(errno));
		return NULL;
	}
	bin[n] = '\0';
	*strrchr(bin, '/') = '\0';
	for (size_t i = 0; i < sizeof(shipped) / sizeof(shipped[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", bin, shipped[i]);
		if ((real = realpath(path, NULL)))
			return real;
	}
	why_set(why, "no model: the one that ships is not in %s/{%s,%s}", bin,
	    shipped[0], shipped[1]);
	return NULL;
}

/* The directory of the small model and its like, or NULL. */
static char *
find_shelf(void)
{
	char ignored[WHYSZ], *path = find_shipped(ignored);

	if (path)
		*strrchr(path, '/') = '\0';
	return path;
}

/* shelf/name where that is a model, else NULL. */
static char *
find_beside(const char *shelf, const char *name)
{
	char config[PATH_MAX];
	struct stat st;
	int n =
	    snprintf(config, sizeof(config), "%s/%s/config.json", shelf, name);

	if (n < 0 || (size_t)n >= sizeof(config) || stat(config, &st) < 0)
		return NULL;
	*strrchr(config, '/') = '\0';
	return strdup(config);
}

static bool
is_model(const char *shelf, const char *name)
{
	char *path = find_beside(shelf, name);

	free(path);
	return path != NULL;
}

/* Appends the names of the models on the shelf to out. */
static void
list_beside(const char *shelf, char *out, size_t size)
{
	struct dirent **entry = NULL;
	int n = scandir(shelf, &entry, NULL, alphasort);
	size_t at = strlen(out);

	for (int i = 0; i < n; i++) {
		const char *name = entry[i]->d_name;

		if (hub_is_name(name) && at + strlen(name) + 3 < size &&
		    is_model(shelf, name))
			at += (size_t)snprintf(
			    out + at, size - at, "%s%s", at ? ", " : "", name);
		free(entry[i]);
	}
	free(entry);
}

/* Says where the name was looked for, and what there is. */
static void
fault_unknown(const char *name, const char *shelf, char *why)
{
	char shown[200], known[400] = "";
	char *hub = hub_cache();
	const bool beside = shelf && strchr(name, '/') == NULL;

	if (shelf)
		list_beside(shelf, known, sizeof(known));
	hub_list(known, sizeof(known));
	why_escape(shown, sizeof(shown), name, strlen(name));
	why_set(why, "%s: no such directory%s%.150s%s%.150s; known models: %s",
	    shown, beside ? ", nor in " : "", beside ? shelf : "",
	    hub ? ", nor in " : "", hub ? hub : "", known[0] ? known : "none");
	free(hub);
}

/* A short name, of a model beside the small one or in the hub's cache. */
static char *
find_known(const char *name, char *why)
{
	char *shelf = find_shelf();
	char *path = NULL;

	if (shelf && strchr(name, '/') == NULL)
		path = find_beside(shelf, name);
	if (path == NULL && (path = hub_find(name, why)) == NULL &&
	    why[0] == '\0')
		fault_unknown(name, shelf, why);
	free(shelf);
	return path;
}

char *
checkpoint_find(const char *name, char *why)
{
	struct stat st;
	char shown[WHYSZ / 2];

	if (name == NULL)
		return find_shipped(why);
	if (stat(name, &st) == 0)
		return copy(name, why);
	if (errno == ENOENT && hub_is_name(name))
		return find_known(name, why);
	why_escape(shown, sizeof(shown), name, strlen(name));
	why_set(why, "%s: %s", shown, strerror(errno));
	return NULL;
}

char *
checkpoint_name(const char *path, char *why)
{
	char *real = realpath(path, NULL), *shelf, *name = NULL;
	const char *last;

	if (real == NULL) {
		why_errno(why);
		return NULL;
	}
	last = strrchr(real, '/');
	shelf = find_shelf();
	if (shelf && strlen(shelf) == (size_t)(last - real) &&
	    strncmp(shelf, real, strlen(shelf)) == 0 && hub_is_name(last + 1) &&
	    is_model(shelf, last + 1))
		name = copy(last + 1, why);
	else if ((name = hub_name(real)) == NULL)
		name = copy(real, why);
	free(shelf);
	free(real);
	return name;
}
