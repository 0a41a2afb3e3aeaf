/* Directories that appear whole; see directory.h. */
#include "sys/directory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/why.h"

struct directory_out {
	char target[PATH_MAX];
	char temp[PATH_MAX];
};

/* Splits the path and makes the temporary name; slashes at its end go. */
static int
name_paths(struct directory_out *d, const char *path, char *why)
{
	size_t len = strlen(path);
	const char *slash;
	int n;

	while (len > 1 && path[len - 1] == '/')
		len--;
	n = snprintf(d->target, sizeof(d->target), "%.*s", (int)len, path);
	if (len == 0 || n >= (int)sizeof(d->target))
		return why_set(
		    why, "%s", strerror(len ? ENAMETOOLONG : ENOENT));
	slash = strrchr(d->target, '/');
	len = slash ? (size_t)(slash + 1 - d->target) : 0;
	n = snprintf(d->temp, sizeof(d->temp), "%.*s.%s.tmp", (int)len,
	    d->target, d->target + len);
	if (n >= (int)sizeof(d->temp))
		return why_set(why, "%s", strerror(ENAMETOOLONG));
	return 0;
}

static bool
is_empty(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;
	bool empty = dir != NULL;

	while (dir && (e = readdir(dir)) != NULL)
		empty = empty && (strcmp(e->d_name, ".") == 0 ||
				     strcmp(e->d_name, "..") == 0);
	if (dir)
		closedir(dir);
	return empty;
}

/* Removes the files of a directory and itself. */
static void
remove_directory(const char *path)
{
	DIR *dir = opendir(path);
	struct dirent *e;

	while (dir && (e = readdir(dir)) != NULL)
		unlinkat(dirfd(dir), e->d_name, 0);
	if (dir)
		closedir(dir);
	rmdir(path);
}

struct directory_out *
directory_create(const char *path, char *why)
{
	struct directory_out *d = calloc(1, sizeof(*d));
	struct stat st;
	int rc;

	if (d == NULL)
		return why_memory(why);
	rc = name_paths(d, path, why);
	if (rc == 0 && lstat(d->target, &st) == 0 && !is_empty(d->target))
		rc = why_set(why, "%s", strerror(EEXIST));
	if (rc == 0) {
		remove_directory(d->temp); /* of a killed run */
		if (mkdir(d->temp, 0777) < 0)
			rc = why_errno(why);
	}
	if (rc == 0)
		return d;
	free(d);
	return NULL;
}

struct file_out *
directory_file(struct directory_out *d, const char *name, char *why)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s/%s", d->temp, name) >=
	    (int)sizeof(path)) {
		why_set(why, "%s", strerror(ENAMETOOLONG));
		return NULL;
	}
	return file_create(path, why);
}

int
directory_write(struct directory_out *d, const char *name, const void *p,
    size_t len, char *why)
{
	struct file_out *f = directory_file(d, name, why);

	if (f == NULL)
		return -1;
	if (file_write(f, p, len, why) == 0)
		return file_commit(f, why);
	file_abandon(f);
	return -1;
}

int
directory_commit(struct directory_out *d, char *why)
{
	if (rename(d->temp, d->target) < 0) {
		why_errno(why);
		directory_abandon(d);
		return -1;
	}
	free(d);
	return 0;
}

void
directory_abandon(struct directory_out *d)
{
	if (d == NULL)
		return;
	remove_directory(d->temp);
	free(d);
}
