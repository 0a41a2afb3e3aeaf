/* What the fuzz targets have in common; see fuzz.h. */
#include "fuzz.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sys/file.h"

void
fuzz_fail(const char *what, const char *file, int line)
{
	fprintf(stderr, "%s:%d: not so: %s\n", file, line, what);
	abort();
}

static char dir[64];

/* What the targets leave there they write anew each time. */
static void
remove_dir(void)
{
	static const char *const names[] = { "vocab.json", "merges.txt",
		"tokenizer.json", "copy" };
	char path[FUZZ_PATH];

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		fuzz_path(path, names[i]);
		unlink(path);
	}
	rmdir(dir);
}

void
fuzz_path(char path[FUZZ_PATH], const char *name)
{
	bool memory = access("/dev/shm", W_OK) == 0;

	if (dir[0] == '\0') {
		snprintf(dir, sizeof(dir), "%s/fuzz-XXXXXX",
		    memory ? "/dev/shm" : "/tmp");
		MUST(mkdtemp(dir) != NULL);
		atexit(remove_dir);
	}
	snprintf(path, FUZZ_PATH, "%s/%s", dir, name);
}

int
fuzz_file(const void *data, size_t size)
{
	int fd = memfd_create("fuzz", 0);

	MUST(fd >= 0 && file_write_all(fd, data, size) == 0);
	MUST(lseek(fd, 0, SEEK_SET) == 0);
	return fd;
}
