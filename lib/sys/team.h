/*
 * Worker threads that take tasks in the order they are given. One thread
 * gives and waits; a task's result must not depend on which worker ran it.
 */
#ifndef SYS_TEAM_H
#define SYS_TEAM_H

#include <stdbool.h>
#include <stddef.h>

struct task {
	/* Runs on one of the team's threads, numbered from 0. */
	void (*run)(struct task *, size_t worker);
	struct task *next; /* the team's own */
	int done;	   /* the team's own */
};

struct team;

/*
 * Starts up to n >= 1 threads; fewer, but one, where the system gives no
 * more. NULL: not even one. team_free waits for given tasks; NULL is allowed.
 */
struct team *team_open(size_t n, char *why);
void team_free(struct team *);

/* How many threads there are. */
size_t team_size(const struct team *);

/* Hands the task over; it belongs to the team until team_wait has returned. */
void team_give(struct team *, struct task *);

/* Returns when the task has run: spins for some 20 us, then sleeps. */
void team_wait(struct team *, struct task *);

/* True once the task has run; never blocks. */
bool team_finished(const struct task *);

/*
 * Calls each(arg, i, worker) for every i < n, on the calling thread and all
 * others but one, and returns when all are done; worker is below team_size,
 * and no two calls at one time have the same. How the work is divided must not
 * be seen in its result.
 */
void team_each(struct team *, size_t n,
    void (*each)(void *arg, size_t i, size_t worker), void *arg);

/* Processors this process may use, at least 1. */
size_t team_processors(void);

#endif
