/* Progress on a terminal; see progress.h. */
#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static const int64_t SECOND = 1000000000;

static int64_t
now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * SECOND + ts.tv_nsec;
}

struct progress
progress_start(const struct cli *cli)
{
	struct progress p = { -1, 0, 0, 0 };

	if (cli->progress == PROGRESS_ON ||
	    (cli->progress == PROGRESS_AUTO && !cli->quiet && isatty(2))) {
		p.start = now();
		p.shown = p.start + SECOND - SECOND / 5;
	}
	return p;
}

void
progress_step(struct progress *p, uint64_t tokens, uint64_t done, uint64_t all)
{
	progress_add(p, 1, tokens, done, all);
}

void
progress_add(struct progress *p, uint64_t records, uint64_t tokens,
    uint64_t done, uint64_t all)
{
	double seconds;
	int64_t t;

	if (p->start < 0)
		return;
	p->records += records;
	p->tokens += tokens;
	if ((t = now()) - p->shown < SECOND / 5)
		return;
	p->shown = t;
	seconds = (double)(t - p->start) / (double)SECOND;
	fprintf(stderr, "\r%" PRIu64 " records, %.0f tokens/s", p->records,
	    (double)p->tokens / seconds);
	if (all > 0 && done > 0) {
		double left = seconds * (double)(all - done) / (double)done;

		fprintf(stderr, ", %.0f %%, %.0f:%02.0f left",
		    100 * (double)done / (double)all,
		    (double)((int64_t)left / 60), (double)((int64_t)left % 60));
	}
	fputs("\033[K", stderr);
}

void
progress_end(struct progress *p)
{
	if (p->start >= 0 && p->shown - p->start >= SECOND)
		fputs("\r\033[K", stderr);
}
