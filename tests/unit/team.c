/* Worker threads: every task once, waiting, and what is left without room. */
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "sys/team.h"
#include "sys/why.h"
#include "tap.h"

#if defined(__SANITIZE_ADDRESS__)
static const bool sanitized = true;
#elif defined(__has_feature)
static const bool sanitized = __has_feature(address_sanitizer);
#else
static const bool sanitized = false;
#endif

enum { MOST = 5000 };

struct count {
	int seen[MOST];
	size_t workers;
	int bad_worker;
};

static void
count(void *arg, size_t i, size_t worker)
{
	struct count *c = arg;

	__atomic_fetch_add(&c->seen[i], 1, __ATOMIC_RELAXED);
	if (worker >= c->workers)
		c->bad_worker = 1;
}

static void
test_each(size_t threads)
{
	static const size_t sizes[] = { 0, 1, 2, 7, MOST };
	char why[WHYSZ];
	struct team *t = team_open(threads, why);
	size_t wrong = 0;

	for (size_t k = 0; k < 5; k++) {
		struct count c = { .workers = team_size(t) };

		team_each(t, sizes[k], count, &c);
		for (size_t i = 0; i < MOST; i++)
			wrong += c.seen[i] != (i < sizes[k]);
		wrong += c.bad_worker != 0;
	}
	ok(wrong == 0 && team_size(t) == threads,
	    "%zu threads do everything once", threads);
	team_free(t);
}

struct step {
	struct task task;
	int *clock, when;
};

static void
note(struct task *task, size_t worker)
{
	struct step *s = (struct step *)(void *)task;

	(void)worker;
	s->when = __atomic_fetch_add(s->clock, 1, __ATOMIC_RELAXED);
}

static void
test_order(void)
{
	struct step steps[100];
	char why[WHYSZ];
	struct team *t = team_open(1, why);
	int clock = 0, wrong = 0;

	for (int i = 0; i < 100; i++) {
		steps[i] = (struct step){ .clock = &clock, .when = -1 };
		steps[i].task.run = note;
		team_give(t, &steps[i].task);
	}
	team_wait(t, &steps[99].task);
	for (int i = 0; i < 100; i++)
		wrong += steps[i].when != i || !team_finished(&steps[i].task);
	ok(wrong == 0, "one thread takes tasks in their order");
	for (int i = 0; i < 100; i++)
		team_give(t, &steps[i].task);
	team_free(t);
	ok(clock == 200, "team_free waits for what was given");
	team_free(NULL);
}

static void
doze(struct task *task, size_t worker)
{
	(void)task;
	(void)worker;
	usleep(100000);
}

static double
cpu_seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void
test_sleep(void)
{
	struct task task = { .run = doze };
	char why[WHYSZ];
	struct team *t = team_open(4, why);
	double start = cpu_seconds();

	team_give(t, &task);
	team_wait(t, &task);
	start = cpu_seconds() - start;
	ok(start < 0.02, "who waits sleeps: %.4f s of 0.1 s", start);
	team_free(t);
}

static size_t
address_space(void)
{
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f == NULL || fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	if (f)
		fclose(f);
	return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void
test_limits(void)
{
	char why[WHYSZ] = "";
	struct count c = { .workers = 64 };
	struct rlimit old, limit;
	struct team *t;
	cpu_set_t all, one;

	getrlimit(RLIMIT_AS, &old);
	limit = old;
	limit.rlim_cur = address_space() + (100u << 20);
	setrlimit(RLIMIT_AS, &limit);
	t = team_open(64, why);
	setrlimit(RLIMIT_AS, &old);
	ok(t && team_size(t) >= 1 && team_size(t) < 64,
	    "fewer threads where there is no room: %zu", t ? team_size(t) : 0);
	if (t)
		team_each(t, MOST, count, &c);
	ok(t && c.seen[0] == 1 && c.seen[MOST - 1] == 1, "they do the work");
	team_free(t);
	sched_getaffinity(0, sizeof(all), &all);
	ok(team_processors() == (size_t)CPU_COUNT(&all), "usable processors");
	CPU_ZERO(&one);
	for (size_t i = 0; CPU_COUNT(&one) == 0; i++) {
		if (CPU_ISSET(i, &all))
			CPU_SET(i, &one);
	}
	sched_setaffinity(0, sizeof(one), &one);
	ok(team_processors() == 1, "one usable processor");
	sched_setaffinity(0, sizeof(all), &all);
}

int
main(void)
{
	test_each(1);
	test_each(2);
	test_each(16);
	test_order();
	test_sleep();
	if (sanitized)
		ok(1, "fewer threads # SKIP no limit of memory under ASan");
	else
		test_limits();
	return done_testing();
}
