/* Whole files in memory; see map.h. */
#include "sys/map.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sys/why.h"

static const uint8_t nothing[1];

int
map_descriptor(struct map *m, int fd, char *why)
{
	struct stat st;
	void *p;

	m->data = nothing;
	m->size = 0;
	if (fstat(fd, &st) < 0)
		return why_errno(why);
	if (S_ISDIR(st.st_mode))
		return why_set(why, "Is a directory");
	if (!S_ISREG(st.st_mode))
		return why_set(why, "not a regular file");
	if (st.st_size == 0)
		return 0;
	p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (p == MAP_FAILED)
		return why_errno(why);
	m->data = p;
	m->size = (size_t)st.st_size;
	return 0;
}

int
map_open(struct map *m, const char *path, char *why)
{
	int fd, rc;

	m->data = nothing;
	m->size = 0;
	if ((fd = open(path, O_RDONLY | O_CLOEXEC)) < 0)
		return why_errno(why);
	rc = map_descriptor(m, fd, why);
	close(fd);
	return rc;
}

void
map_close(struct map *m)
{
	if (m->size > 0)
		munmap((void *)(uintptr_t)m->data, m->size);
	m->data = nothing;
	m->size = 0;
}

void
map_want(const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t more = (uintptr_t)p & (page - 1);

	madvise((char *)(uintptr_t)p - more, n + more, MADV_WILLNEED);
}

void
map_forget(const void *p, size_t n)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	size_t skip = -(uintptr_t)p & (page - 1);

	if (n >= skip + page)
		madvise((char *)(uintptr_t)p + skip, (n - skip) & ~(page - 1),
		    MADV_DONTNEED);
}
