/* Output files that are replaced whole; see file.h. */
#include "sys/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/why.h"

struct file_out {
	int fd;
	int dir;	  /* directory of the target; -1: written directly */
	const char *name; /* as the user typed it */
	char *target;	  /* NAME within dir */
	char temp[NAME_MAX + 1]; /* .NAME.tmp within dir */
	struct stat old; /* of the file to be replaced; st_ino 0: none */
};

/* The temporary files to remove when a signal ends the process. */
enum { MOST_OPEN = 8 };
static struct file_out *pending[MOST_OPEN];

static void
set_pending(struct file_out *from, struct file_out *to)
{
	for (size_t i = 0; i < MOST_OPEN; i++) {
		if (pending[i] == from) {
			pending[i] = to;
			return;
		}
	}
}

void
file_abandon_all(void)
{
	for (size_t i = 0; i < MOST_OPEN; i++) {
		if (pending[i])
			unlinkat(pending[i]->dir, pending[i]->temp, 0);
	}
}

int
file_write_all(int fd, const void *p, size_t len)
{
	const char *s = p;

	while (len > 0) {
		ssize_t n = write(fd, s, len < 1 << 30 ? len : 1 << 30);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		s += n;
		len -= (size_t)n;
	}
	return 0;
}

/*
 * Locks the temporary file just created: 1; 0 where another process took it
 * for a stale one in the meantime; -1.
 */
static int
lock_temporary(struct file_out *f, char *why)
{
	struct stat st = { .st_nlink = 0 };
	int rc = flock(f->fd, LOCK_EX | LOCK_NB);

	if (rc < 0 && errno != EWOULDBLOCK) {
		why_errno(why);
		unlinkat(f->dir, f->temp, 0);
		return -1;
	}
	if (rc == 0 && fstat(f->fd, &st) == 0 && st.st_nlink > 0)
		return 1;
	close(f->fd);
	f->fd = -1;
	return 0;
}

/*
 * Creates the temporary file and locks it. A lock that can be had on one that
 * is there means that its maker has died: it is replaced.
 */
static int
create_temporary(struct file_out *f, mode_t mode, char *why)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;

	for (int tries = 0; tries < 3; tries++) {
		int old, locked;

		f->fd = openat(f->dir, f->temp, flags, mode);
		if (f->fd < 0 && errno != EEXIST)
			return why_errno(why);
		locked = f->fd < 0 ? 0 : lock_temporary(f, why);
		if (locked != 0)
			return locked < 0 ? -1 : 0;
		old = openat(f->dir, f->temp,
		    O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
		if (old < 0 && errno == ENOENT)
			continue;
		if (old < 0)
			return why_errno(why);
		if (flock(old, LOCK_EX | LOCK_NB) < 0) {
			close(old);
			return why_set(why, "in use by another process");
		}
		unlinkat(f->dir, f->temp, 0);
		close(old);
	}
	return why_set(why, "in use by another process");
}

/* Opens the directory of path and splits off the name. */
static int
open_directory(struct file_out *f, const char *path, char *why)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	char *dir =
	    slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
	int n;

	f->target = strdup(name);
	if (dir == NULL || f->target == NULL) {
		free(dir);
		why_memory(why);
		return -1;
	}
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	free(dir);
	if (f->dir < 0)
		return why_errno(why);
	n = snprintf(f->temp, sizeof(f->temp), ".%s.tmp", name);
	if (n >= (int)sizeof(f->temp))
		return why_set(why, "%s", strerror(ENAMETOOLONG));
	return 0;
}

/* A regular file, or one that is not there yet: prepare its replacement. */
static int
open_replacement(struct file_out *f, const char *path, char *why)
{
	char *real = realpath(path, NULL);
	mode_t mask = umask(0);
	mode_t mode;
	struct stat st;
	int rc;

	umask(mask);
	if (real == NULL && lstat(path, &st) == 0)
		return why_set(why, "is a link to a missing file");
	mode = f->old.st_ino ? f->old.st_mode & 0777 : 0666 & ~mask;
	rc = open_directory(f, real ? real : path, why);
	if (rc == 0 && f->target[0] == '\0')
		rc = why_set(why, "%s", strerror(ENOENT));
	if (rc == 0)
		rc = create_temporary(f, 0600, why);
	if (rc == 0) {
		set_pending(NULL, f);
		if (fchmod(f->fd, mode) < 0)
			rc = why_errno(why);
	}
	free(real);
	return rc;
}

static bool
is_writable(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	return flags >= 0 && (flags & O_ACCMODE) != O_RDONLY;
}

struct file_out *
file_create(const char *path, char *why)
{
	struct file_out *f = calloc(1, sizeof(*f));
	int rc = 0;

	if (f == NULL)
		return why_memory(why);
	f->dir = f->fd = -1;
	f->name = path ? path : "stdout";
	if (path == NULL || strcmp(path, "/dev/stdout") == 0) {
		f->fd = STDOUT_FILENO;
		if (fstat(f->fd, &f->old) < 0 || !is_writable(f->fd))
			rc = why_set(why, "%s", strerror(EBADF));
	} else if (stat(path, &f->old) == 0 && S_ISDIR(f->old.st_mode)) {
		rc = why_set(why, "Is a directory");
	} else if (f->old.st_ino && !S_ISREG(f->old.st_mode)) {
		if ((f->fd = open(path, O_WRONLY | O_CLOEXEC)) < 0)
			rc = why_errno(why);
	} else {
		rc = open_replacement(f, path, why);
	}
	if (rc < 0) {
		file_abandon(f);
		return NULL;
	}
	return f;
}

/* Opens and locks; the size is looked at with the lock held. */
static int
open_append(struct file_out *f, const char *path, char *why)
{
	f->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
	if (f->fd < 0)
		return why_errno(why);
	if (fstat(f->fd, &f->old) < 0)
		return why_errno(why);
	if (!S_ISREG(f->old.st_mode))
		return why_set(why, "not a regular file");
	if (flock(f->fd, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
			   ? why_set(why, "in use by another process")
			   : why_errno(why);
	return lseek(f->fd, 0, SEEK_END) < 0 ? why_errno(why) : 0;
}

struct file_out *
file_append(const char *path, char *why)
{
	struct file_out *f = calloc(1, sizeof(*f));

	if (f == NULL)
		return why_memory(why);
	f->dir = f->fd = -1;
	f->name = path;
	if (open_append(f, path, why) < 0) {
		file_abandon(f);
		return NULL;
	}
	return f;
}

int
file_descriptor(const struct file_out *f)
{
	return f->fd;
}

int
file_write(struct file_out *f, const void *p, size_t len, char *why)
{
	return file_write_all(f->fd, p, len) < 0 ? why_errno(why) : 0;
}

static void
file_free(struct file_out *f)
{
	if (f->fd > STDERR_FILENO)
		close(f->fd);
	if (f->dir >= 0)
		close(f->dir);
	free(f->target);
	free(f);
}

int
file_commit(struct file_out *f, char *why)
{
	int fd = f->fd;

	if (f->dir < 0) {
		f->fd = -1;
		file_free(f);
		return close(fd) < 0 ? why_errno(why) : 0;
	}
	if (fsync(fd) < 0) {
		why_errno(why);
		file_abandon(f);
		return -1;
	}
	f->fd = -1;
	if (close(fd) < 0 || renameat(f->dir, f->temp, f->dir, f->target) < 0) {
		why_errno(why);
		file_abandon(f);
		return -1;
	}
	set_pending(f, NULL);
	if (fsync(f->dir) < 0 && errno != EINVAL) {
		why_errno(why);
		file_free(f);
		return -1;
	}
	file_free(f);
	return 0;
}

void
file_abandon(struct file_out *f)
{
	if (f == NULL)
		return;
	for (size_t i = 0; i < MOST_OPEN; i++) {
		if (pending[i] == f) {
			unlinkat(f->dir, f->temp, 0);
			pending[i] = NULL;
		}
	}
	file_free(f);
}

const char *
file_name(const struct file_out *f)
{
	return f->name;
}

bool
file_is_terminal(const struct file_out *f)
{
	return isatty(f->fd) == 1;
}

bool
file_is_same(const struct file_out *f, const struct stat *st)
{
	return f->old.st_ino && S_ISREG(f->old.st_mode) &&
	       st->st_ino == f->old.st_ino && st->st_dev == f->old.st_dev;
}

int
file_temporary(char *why)
{
	const char *dir = getenv("TMPDIR");
	char path[PATH_MAX];
	int fd, n;

	if (dir == NULL || dir[0] == '\0')
		dir = "/tmp";
	n = snprintf(path, sizeof(path), "%s/gpt2-filters.XXXXXX", dir);
	if (n >= (int)sizeof(path))
		return why_set(why, "TMPDIR: %s", strerror(ENAMETOOLONG));
	if ((fd = mkostemp(path, O_CLOEXEC)) < 0)
		return why_set(why, "%s: %s", dir, strerror(errno));
	unlink(path);
	return fd;
}
