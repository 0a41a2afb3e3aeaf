/*
 * `measure FILE COMMAND ...` runs the command and appends a line to the file:
 * seconds from its start to its exit, and its peak resident memory in KiB.
 */
#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int
main(int argc, char **argv)
{
	struct rusage usage;
	double start = now();
	pid_t child;
	int status;
	FILE *out;

	if (argc < 3)
		errx(1, "usage: measure FILE COMMAND ...");
	if ((child = fork()) < 0)
		err(1, "fork");
	if (child == 0) {
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	if (wait4(child, &status, 0, &usage) < 0)
		err(1, "wait4");
	start = now() - start;
	if (status != 0)
		errx(1, "%s failed", argv[2]);
	if ((out = fopen(argv[1], "a")) == NULL ||
	    fprintf(out, "%.6f %ld\n", start, usage.ru_maxrss) < 0 ||
	    fclose(out) != 0)
		err(1, "%s", argv[1]);
	return 0;
}
