/* The files of a model; see folder.h. */
#include "checkpoint/folder.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "checkpoint/kind.h"
#include "checkpoint/unpack.h"
#include "sys/archive.h"
#include "sys/map.h"
#include "sys/why.h"

struct held {
	struct held *next;
	struct map map;
	char name[];
};

struct folder {
	int dir;	   /* -1: an archive */
	struct held *held; /* what has been asked for */
	struct unpacked *unpacked;
};

/* Reads the archive that the path names, if it is one. */
static int
open_archive(struct folder *f, const char *path, bool weights, char *why)
{
	const char *kind;
	struct map map;
	int rc = 0;

	if (map_open(&map, path, why) < 0)
		return -1;
	kind = bundle_begins(map.data, map.size)
		   ? NULL
		   : kind_describe(map.data, map.size);
	if (kind) {
		rc = why_set(why, "is %s", kind);
	} else {
		why[0] = '\0';
		f->unpacked = unpack_model(map.data, map.size, weights, why);
		if (f->unpacked == NULL && why[0])
			rc = -1;
	}
	map_close(&map);
	return rc;
}

static struct folder *
open_either(const char *path, bool weights, char *why)
{
	struct folder *f = calloc(1, sizeof(*f));
	int rc = 0;

	if (f == NULL)
		return why_memory(why);
	f->dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0)
		rc = errno == ENOTDIR ? open_archive(f, path, weights, why)
				      : why_errno(why);
	if (rc == 0)
		return f;
	folder_free(f);
	return NULL;
}

struct folder *
folder_open(const char *path, char *why)
{
	return open_either(path, false, why);
}

struct folder *
folder_open_weights(const char *path, char *why)
{
	return open_either(path, true, why);
}

void
folder_free(struct folder *f)
{
	if (f == NULL)
		return;
	while (f->held) {
		struct held *h = f->held;

		f->held = h->next;
		map_close(&h->map);
		free(h);
	}
	unpack_free(f->unpacked);
	if (f->dir >= 0)
		close(f->dir);
	free(f);
}

const char *
folder_where(const struct folder *f)
{
	return f->dir < 0 ? " in archive" : "";
}

static const struct unpacked *
find_unpacked(const struct folder *f, const char *name)
{
	const struct unpacked *u = f->unpacked;

	while (u && strcmp(u->base, name) != 0)
		u = u->next;
	return u;
}

bool
folder_has(const struct folder *f, const char *name)
{
	struct stat st;

	if (f->dir < 0)
		return find_unpacked(f, name) != NULL;
	return fstatat(f->dir, name, &st, 0) == 0;
}

/* Maps the file and keeps it. */
static struct held *
hold(struct folder *f, const char *name, char *why)
{
	const size_t len = strlen(name) + 1;
	struct held *h = calloc(1, sizeof(*h) + len);
	int fd, rc;

	if (h == NULL)
		return why_memory(why);
	memcpy(h->name, name, len);
	/* Not to wait for a writer, should the name be a FIFO's. */
	fd = openat(f->dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	rc = fd < 0 ? why_errno(why) : map_descriptor(&h->map, fd, why);
	if (fd >= 0)
		close(fd);
	if (rc < 0) {
		free(h);
		return NULL;
	}
	h->next = f->held;
	return f->held = h;
}

static int
get_unpacked(const struct folder *f, const char *name, const uint8_t **data,
    size_t *size, char *why)
{
	const struct unpacked *u = find_unpacked(f, name);
	char shown[256];

	if (u == NULL || u->passed_over) {
		why_escape(shown, sizeof(shown), name, strlen(name));
		return why_set(why, "no %s in archive", shown);
	}
	*data = u->bytes.data;
	*size = u->bytes.len;
	return 0;
}

int
folder_get(struct folder *f, const char *name, const uint8_t **data,
    size_t *size, char *why)
{
	struct held *h = f->held;
	char reason[WHYSZ], shown[256];

	if (f->dir < 0)
		return get_unpacked(f, name, data, size, why);
	while (h && strcmp(h->name, name) != 0)
		h = h->next;
	if (h == NULL && (h = hold(f, name, reason)) == NULL) {
		why_escape(shown, sizeof(shown), name, strlen(name));
		return why_set(why, "%s: %.700s", shown, reason);
	}
	*data = h->map.data;
	*size = h->map.size;
	return 0;
}

void
folder_forget(const struct folder *f, const uint8_t *p, size_t n)
{
	if (f->dir >= 0)
		map_forget(p, n);
}

static bool
holds_weights(const char *name)
{
	static const char *const suffixes[] = { ".safetensors", ".bin", ".pt",
		".pth", ".ckpt", ".gguf", ".onnx", ".h5", ".msgpack", ".zip" };
	const char *dot = strrchr(name, '.');

	for (size_t i = 0; dot && i < sizeof(suffixes) / sizeof(suffixes[0]);
	     i++) {
		if (strcmp(dot, suffixes[i]) == 0)
			return true;
	}
	return false;
}

char *
folder_find_weights(const struct folder *f)
{
	int fd = f->dir < 0
		     ? -1
		     : openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd < 0 ? NULL : fdopendir(fd);
	char *first = NULL;
	const struct dirent *e;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return NULL;
	}
	while ((e = readdir(dir))) {
		if (holds_weights(e->d_name) &&
		    (first == NULL || strcmp(e->d_name, first) < 0)) {
			free(first);
			first = strdup(e->d_name);
		}
	}
	closedir(dir);
	return first;
}
