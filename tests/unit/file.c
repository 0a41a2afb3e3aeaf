/*
 * Output files: at every moment the old or the new one, links kept, what is
 * no regular file written directly, and nothing left behind.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sys/file.h"
#include "sys/why.h"
#include "tap.h"

static char dir[] = "/tmp/file.XXXXXX";

/* A path in the test's directory; good until the eighth call from now. */
__attribute__((format(printf, 1, 2))) static const char *
at(const char *fmt, ...)
{
	static char paths[8][512];
	static size_t next;
	char *p = paths[next++ % 8];
	va_list ap;
	int n = sprintf(p, "%s/", dir);

	va_start(ap, fmt);
	vsnprintf(p + n, 512 - (size_t)n, fmt, ap);
	va_end(ap);
	return p;
}

static void
put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	fputs(text, f);
	fclose(f);
}

static const char *
get(const char *path)
{
	static char text[256];
	FILE *f = fopen(path, "r");
	size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;

	text[n] = '\0';
	if (f)
		fclose(f);
	return f ? text : "(none)";
}

static bool
is_file(const char *path, const char *want)
{
	return strcmp(get(path), want) == 0;
}

/* How many files of the directory end in .tmp. */
static int
temporaries(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;
	int n = 0;

	while ((e = readdir(d)) != NULL)
		n += strlen(e->d_name) > 4 &&
		     strcmp(e->d_name + strlen(e->d_name) - 4, ".tmp") == 0;
	closedir(d);
	return n;
}

/* Writes text to path and commits it: "" or the reason. */
static const char *
save(const char *path, const char *text)
{
	static char why[WHYSZ];
	struct file_out *f = file_create(path, why);

	if (f == NULL)
		return why;
	if (file_write(f, text, strlen(text), why) < 0) {
		file_abandon(f);
		return why;
	}
	return file_commit(f, why) < 0 ? why : "";
}

/* Writing to path fails with the reason. */
static void
refused(const char *path, const char *want, const char *name)
{
	const char *why = save(path, "new");

	if (!ok(strcmp(why, want) == 0, "%s", name))
		printf("# got %s\n", why);
}

static void
test_replace(void)
{
	const char *path = at("a");
	struct file_out *f;
	struct stat st;
	char why[WHYSZ];

	umask(027);
	ok(save(path, "one")[0] == '\0' && is_file(path, "one"), "a new file");
	stat(path, &st);
	ok((st.st_mode & 07777) == 0640, "has the umask's mode");
	chmod(path, 0604);
	f = file_create(path, why);
	ok(temporaries() == 1 && file_write(f, "two", 3, why) == 0 &&
		is_file(path, "one"),
	    "the old one stays while the new is written");
	ok(file_commit(f, why) == 0 && is_file(path, "two"), "then it goes");
	stat(path, &st);
	ok((st.st_mode & 07777) == 0604, "and leaves its mode");
	f = file_create(path, why);
	file_write(f, "three", 5, why);
	file_abandon(f);
	ok(is_file(path, "two"), "what is abandoned changes nothing");
	f = file_create(path, why);
	file_abandon_all();
	ok(temporaries() == 0, "and no temporary file is left");
	file_abandon(f);
	file_abandon(NULL);
}

static void
test_links(void)
{
	char text[64];
	ssize_t n;

	put(at("real"), "old");
	symlink("real", at("link"));
	ok(save(at("link"), "new")[0] == '\0' && is_file(at("real"), "new"),
	    "the file behind a link is replaced");
	n = readlink(at("link"), text, sizeof(text));
	ok(n == 4 && memcmp(text, "real", 4) == 0, "the link stays");
	symlink("nothing", at("dangling"));
	refused(
	    at("dangling"), "is a link to a missing file", "a link to nothing");
	/* In a shared directory another may have made a trap of the name. */
	put(at("victim"), "safe");
	symlink("victim", at(".t.tmp"));
	refused(at("t"), strerror(ELOOP), "a link in the temporary's place");
	ok(is_file(at("victim"), "safe"), "is not followed");
	unlink(at(".t.tmp"));
}

static void
test_direct(void)
{
	char text[8] = "", why[WHYSZ];
	struct file_out *f;
	struct stat st;
	int fd;

	ok(save("/dev/null", "x")[0] == '\0' && stat("/dev/null", &st) == 0 &&
		S_ISCHR(st.st_mode),
	    "/dev/null stays what it is");
	mkfifo(at("fifo"), 0622);
	fd = open(at("fifo"), O_RDWR);
	stat(at("fifo"), &st);
	ok(save(at("fifo"), "through")[0] == '\0' && read(fd, text, 7) == 7 &&
		strcmp(text, "through") == 0,
	    "a FIFO is written directly");
	close(fd);
	stat(at("fifo"), &st);
	ok(S_ISFIFO(st.st_mode), "and stays one");
	f = file_create("/dev/full", why);
	ok(f && file_write(f, "x", 1, why) < 0 &&
		strcmp(why, strerror(ENOSPC)) == 0,
	    "/dev/full: %s", why);
	file_abandon(f);
}

static void
test_refused(void)
{
	char name[NAME_MAX + 1];
	char why[WHYSZ];
	struct file_out *a, *b;

	refused(dir, strerror(EISDIR), "a directory");
	refused(at("none/x"), strerror(ENOENT), "in no directory");
	refused(at("a/x"), strerror(ENOTDIR), "in a file");
	refused("", strerror(ENOENT), "no name");
	memset(name, 'x', sizeof(name));
	name[NAME_MAX - 4] = '\0';
	refused(at("%s", name), strerror(ENAMETOOLONG), "a name too long");
	name[NAME_MAX - 5] = '\0';
	refused(at("%s", name), "", "the longest name");
	a = file_create(at("two"), why);
	b = file_create(at("two"), why);
	ok(a && !b && strcmp(why, "in use by another process") == 0,
	    "a second writer: %s", why);
	file_abandon(b);
	ok(a && file_write(a, "1", 1, why) == 0 && file_commit(a, why) == 0 &&
		is_file(at("two"), "1"),
	    "the first goes on");
	put(at(".two.tmp"), "left by a kill");
	ok(save(at("two"), "2")[0] == '\0' && is_file(at("two"), "2") &&
		temporaries() == 0,
	    "a stale temporary file is replaced");
}

static void
test_limits(void)
{
	static const char zeros[8192];
	char why[WHYSZ] = "";
	struct rlimit old, limit = { 4096, RLIM_INFINITY };
	struct file_out *f;

	getrlimit(RLIMIT_FSIZE, &old);
	limit.rlim_max = old.rlim_max;
	signal(SIGXFSZ, SIG_IGN);
	put(at("full"), "old");
	f = file_create(at("full"), why);
	setrlimit(RLIMIT_FSIZE, &limit);
	ok(file_write(f, zeros, sizeof(zeros), why) < 0 &&
		strcmp(why, strerror(EFBIG)) == 0,
	    "too large: %s", why);
	setrlimit(RLIMIT_FSIZE, &old);
	file_abandon(f);
	ok(is_file(at("full"), "old"), "the old file is kept");
	mkdir(at("closed"), 0555);
	if (geteuid() == 0 && seteuid(65534) < 0) {
		ok(1, "a read-only directory # SKIP cannot become nobody");
		return;
	}
	chmod(dir, 0755);
	refused(at("closed/x"), strerror(EACCES), "a read-only directory");
	if (seteuid(getuid()) < 0)
		abort();
}

static void
test_others(void)
{
	char why[WHYSZ] = "";
	struct file_out *f;
	struct stat st;
	int fd;

	put(at("same"), "x");
	f = file_create(at("same"), why);
	stat(at("same"), &st);
	ok(file_is_same(f, &st), "the file to be replaced is known");
	stat(at("a"), &st);
	ok(!file_is_same(f, &st), "and others are others");
	file_abandon(f);
	setenv("TMPDIR", dir, 1);
	fd = file_temporary(why);
	ok(fd >= 0 && fstat(fd, &st) == 0 && st.st_nlink == 0,
	    "a spool has no name");
	close(fd);
	setenv("TMPDIR", at("none"), 1);
	ok(file_temporary(why) < 0 && strstr(why, "/none: No such file"),
	    "no $TMPDIR: %s", why);
}

int
main(void)
{
	char command[64];

	if (mkdtemp(dir) == NULL)
		return 1;
	chmod(dir, 0755);
	test_replace();
	test_links();
	test_direct();
	test_refused();
	test_limits();
	test_others();
	sprintf(command, "rm -rf %s", dir);
	if (system(command) != 0)
		return 1;
	return done_testing();
}
