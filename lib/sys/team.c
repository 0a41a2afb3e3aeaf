/* Worker threads; see team.h. */
#include "sys/team.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "sys/num.h"
#include "sys/why.h"

struct worker {
	pthread_t thread;
	struct team *team;
	size_t number;
};

struct team {
	pthread_mutex_t lock;
	pthread_cond_t given;	 /* a task was queued, or the end has come */
	pthread_cond_t finished; /* a task has run */
	struct task *head, **tail;
	size_t queued;	 /* tasks in the list; read without the lock to spin */
	size_t spinning; /* threads that look there: they need no waking */
	bool closing;
	size_t size;
	struct worker workers[];
};

static int64_t
nanoseconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static void
pause_cpu(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#endif
}

/* Spins while the caller's condition holds, 20 us at most. */
#define SPIN_WHILE(condition)                                \
	do {                                                 \
		int64_t until = nanoseconds() + 20000;       \
		while ((condition) && nanoseconds() < until) \
			pause_cpu();                         \
	} while (0)

static struct task *
take(struct team *t)
{
	struct task *task;

	__atomic_add_fetch(&t->spinning, 1, __ATOMIC_ACQ_REL);
	SPIN_WHILE(__atomic_load_n(&t->queued, __ATOMIC_ACQUIRE) == 0);
	pthread_mutex_lock(&t->lock);
	__atomic_sub_fetch(&t->spinning, 1, __ATOMIC_RELEASE);
	while (t->head == NULL && !t->closing)
		pthread_cond_wait(&t->given, &t->lock);
	if ((task = t->head) != NULL) {
		if ((t->head = task->next) == NULL)
			t->tail = &t->head;
		__atomic_sub_fetch(&t->queued, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&t->lock);
	return task;
}

static void *
work(void *arg)
{
	struct worker *w = arg;
	struct team *t = w->team;
	struct task *task;

	while ((task = take(t)) != NULL) {
		task->run(task, w->number);
		pthread_mutex_lock(&t->lock);
		__atomic_store_n(&task->done, 1, __ATOMIC_RELEASE);
		pthread_cond_broadcast(&t->finished);
		pthread_mutex_unlock(&t->lock);
	}
	return NULL;
}

/*
 * Starts the threads with the signals blocked that are for the caller; SIGBUS
 * is for the thread that reads a file cut short.
 */
static void
start(struct team *t, size_t n)
{
	sigset_t all, old;

	sigfillset(&all);
	sigdelset(&all, SIGBUS);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	for (; t->size < n; t->size++) {
		struct worker *w = &t->workers[t->size];

		w->team = t;
		w->number = t->size;
		if (pthread_create(&w->thread, NULL, work, w) != 0)
			break;
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
}

struct team *
team_open(size_t n, char *why)
{
	struct team *t = calloc(1, sizeof(*t) + n * sizeof(t->workers[0]));

	if (t == NULL)
		return why_memory(why);
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->given, NULL);
	pthread_cond_init(&t->finished, NULL);
	t->tail = &t->head;
	start(t, n);
	if (t->size == 0) {
		team_free(t);
		why_set(why, "no thread could be started");
		return NULL;
	}
	return t;
}

void
team_free(struct team *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&t->lock);
	t->closing = true;
	pthread_cond_broadcast(&t->given);
	pthread_mutex_unlock(&t->lock);
	for (size_t i = 0; i < t->size; i++)
		pthread_join(t->workers[i].thread, NULL);
	pthread_cond_destroy(&t->finished);
	pthread_cond_destroy(&t->given);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

size_t
team_size(const struct team *t)
{
	return t->size;
}

void
team_give(struct team *t, struct task *task)
{
	task->next = NULL;
	task->done = 0;
	pthread_mutex_lock(&t->lock);
	*t->tail = task;
	t->tail = &task->next;
	if (__atomic_add_fetch(&t->queued, 1, __ATOMIC_ACQ_REL) >
	    __atomic_load_n(&t->spinning, __ATOMIC_ACQUIRE))
		pthread_cond_signal(&t->given);
	pthread_mutex_unlock(&t->lock);
}

bool
team_finished(const struct task *task)
{
	return __atomic_load_n(&task->done, __ATOMIC_ACQUIRE) != 0;
}

void
team_wait(struct team *t, struct task *task)
{
	SPIN_WHILE(!team_finished(task));
	pthread_mutex_lock(&t->lock);
	while (!team_finished(task))
		pthread_cond_wait(&t->finished, &t->lock);
	pthread_mutex_unlock(&t->lock);
}

/* A thread's part of a team_each. */
struct each {
	struct task task;
	struct loop *loop;
};

/* One team_each: those who take part draw indices from a common counter. */
struct loop {
	void (*each)(void *arg, size_t i, size_t worker);
	void *arg;
	size_t next, n;
	size_t workers; /* that have begun */
};

static void
draw(struct loop *l)
{
	size_t worker = __atomic_fetch_add(&l->workers, 1, __ATOMIC_RELAXED);
	size_t i;

	while ((i = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED)) < l->n)
		l->each(l->arg, i, worker);
}

static void
run_each(struct task *task, size_t worker)
{
	(void)worker;
	draw(((struct each *)(void *)task)->loop);
}

/* Takes back what no thread has come to yet; true if it was so. */
static bool
take_back(struct team *t, struct task *task)
{
	struct task **at = &t->head;
	bool found;

	pthread_mutex_lock(&t->lock);
	while (*at != NULL && *at != task)
		at = &(*at)->next;
	if ((found = *at != NULL)) {
		if ((*at = task->next) == NULL)
			t->tail = at;
		__atomic_sub_fetch(&t->queued, 1, __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&t->lock);
	return found;
}

void
team_each(struct team *t, size_t n,
    void (*each)(void *arg, size_t i, size_t worker), void *arg)
{
	enum { MOST = 1024 };
	struct each tasks[MOST];
	struct loop loop = { each, arg, 0, n, 0 };
	size_t others = num_min(num_min(t->size, n), MOST);

	others -= others > 0;
	for (size_t i = 0; i < others; i++) {
		tasks[i].task.run = run_each;
		tasks[i].loop = &loop;
		team_give(t, &tasks[i].task);
	}
	draw(&loop);
	for (size_t i = 0; i < others; i++) {
		if (!take_back(t, &tasks[i].task))
			team_wait(t, &tasks[i].task);
	}
}

size_t
team_processors(void)
{
	cpu_set_t set;

	if (sched_getaffinity(0, sizeof(set), &set) < 0)
		return 1;
	return num_max((size_t)CPU_COUNT(&set), 1);
}
