/*
 * `measure [-o] FILE COMMAND ...` runs the command and appends a line to the
 * file: seconds from its start to its exit, or with -o from its first output
 * to its last, and its peak resident memory in KiB.
 */
#include <err.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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

/* Reads all output of the command; seconds from the first to the last. */
static double
read_output(int fd)
{
	static char bytes[1 << 16];
	double first = 0, last = 0;

	while (read(fd, bytes, sizeof(bytes)) > 0) {
		last = now();
		first = first > 0 ? first : last;
	}
	return last - first;
}

int
main(int argc, char **argv)
{
	bool output = argc > 1 && strcmp(argv[1], "-o") == 0;
	double start = now(), seconds = 0;
	struct rusage usage;
	int status, pipes[2];
	pid_t child;
	FILE *out;

	argc -= output;
	argv += output;
	if (argc < 3)
		errx(1, "usage: measure [-o] FILE COMMAND ...");
	if (pipe(pipes) < 0 || (child = fork()) < 0)
		err(1, "fork");
	if (child == 0) {
		if (output)
			dup2(pipes[1], STDOUT_FILENO);
		close(pipes[0]);
		close(pipes[1]);
		execvp(argv[2], argv + 2);
		err(127, "%s", argv[2]);
	}
	close(pipes[1]);
	if (output)
		seconds = read_output(pipes[0]);
	if (wait4(child, &status, 0, &usage) < 0)
		err(1, "wait4");
	if (!output)
		seconds = now() - start;
	if (status != 0)
		errx(1, "%s failed", argv[2]);
	if ((out = fopen(argv[1], "a")) == NULL ||
	    fprintf(out, "%.6f %ld\n", seconds, usage.ru_maxrss) < 0 ||
	    fclose(out) != 0)
		err(1, "%s", argv[1]);
	return 0;
}
