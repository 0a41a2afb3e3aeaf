/* Members of archives as files; see member.h. */
#include "text/member.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/archive.h"
#include "sys/file.h"
#include "sys/map.h"
#include "sys/why.h"

enum { CHUNK = 1 << 20 };
static const size_t text_max = (size_t)64 << 30;

/* Copies the rest of a file to an unlinked one. */
static int
spool(int fd, char *why)
{
	int out = file_temporary(why);
	char *chunk = malloc(CHUNK);
	ssize_t n = -1;

	if (chunk == NULL)
		why_memory(why);
	while (out >= 0 && chunk && (n = read(fd, chunk, CHUNK)) != 0) {
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 || file_write_all(out, chunk, (size_t)n) < 0) {
			why_errno(why);
			n = -1;
			break;
		}
	}
	free(chunk);
	if (n == 0)
		return out;
	if (out >= 0)
		close(out);
	return -1;
}

/* Writes the member's bytes to out. */
static int
copy_member(struct bundle *b, int out, char *why)
{
	char *chunk = malloc(CHUNK);
	size_t all = 0;
	ssize_t n;

	if (chunk == NULL) {
		why_memory(why);
		return -1;
	}
	while ((n = bundle_read(b, chunk, CHUNK, why)) > 0) {
		all += (size_t)n;
		if (all > text_max)
			n = why_set(why, "larger than %zu bytes", text_max);
		else if (file_write_all(out, chunk, (size_t)n) < 0)
			n = why_errno(why);
		if (n < 0)
			break;
	}
	free(chunk);
	return (int)n;
}

static int
take_member(struct bundle *b, const struct bundle_member *m, int *out,
    const char *shown, char *why)
{
	if (m->other)
		return why_set(why, "%s is %s, not a file", shown, m->other);
	if (m->encrypted)
		return why_set(why, "%s is encrypted", shown);
	if (*out >= 0)
		return why_set(why, "%s is in the archive twice", shown);
	if ((*out = file_temporary(why)) < 0)
		return -1;
	return copy_member(b, *out, why);
}

/* Goes through the whole archive. */
static int
find_member(struct bundle *b, const char *name, int *out, char *why)
{
	struct bundle_member m;
	char shown[256];
	int rc;

	why_escape(shown, sizeof(shown), name, strlen(name));
	while ((rc = bundle_next(b, &m, why)) > 0) {
		const char *path = m.name;

		if (strncmp(path, "./", 2) == 0)
			path += 2;
		if (strcmp(path, name) == 0 &&
		    take_member(b, &m, out, shown, why) < 0)
			return -1;
	}
	if (rc == 0 && *out < 0)
		rc = why_set(why, "no %s in archive", shown);
	if (rc == 0 && lseek(*out, 0, SEEK_SET) < 0)
		rc = why_errno(why);
	return rc;
}

int
member_open(int fd, const char *name, char *why)
{
	struct bundle *b = NULL;
	struct map map;
	struct stat st;
	int file = fd, out = -1, rc = -1;

	if (fstat(fd, &st) == 0 && !S_ISREG(st.st_mode))
		file = spool(fd, why);
	if (file < 0)
		return -1;
	if (map_descriptor(&map, file, why) == 0) {
		if (!bundle_begins(map.data, map.size))
			why_set(why, "not a tar or zip archive");
		else if ((b = bundle_open(map.data, map.size, why)))
			rc = find_member(b, name, &out, why);
		bundle_free(b);
		map_close(&map);
	}
	if (file != fd)
		close(file);
	if (rc == 0)
		return out;
	if (out >= 0)
		close(out);
	return -1;
}
