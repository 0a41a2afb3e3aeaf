/*
 * What the machine can do, on all its threads at once:
 *
 *   rate sgemm                  OpenBLAS, one block of GPT-2 small, M = 2,048
 *   rate product PRECISION M    our packed products, all of GPT-2 small
 *   rate read MIB               reading that much memory, in large pages
 *
 * Prints seconds, and operations (a multiplication and an addition are two) or
 * bytes.
 */
#include <dlfcn.h>
#include <err.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "gpt2/forward.h"
#include "ops/ops.h"
#include "sys/num.h"
#include "sys/team.h"
#include "sys/why.h"

enum { C = 768, L = 12, V = 50257, REPEATS = 3 };

/* cblas_sgemm with the enumerations' values of cblas.h. */
typedef void sgemm_function(int order, int trans_a, int trans_b, int M, int N,
    int K, float alpha, const float *a, int lda, const float *b, int ldb,
    float beta, float *c, int ldc);

/* A thread's share: its own memory, and some columns of each matrix. */
struct share {
	void (*run)(struct share *);
	sgemm_function *sgemm;
	enum ops_precision precision;
	size_t M, threads;
	float *x, *bias, *out;
	float *w; /* as much as there are bytes */
	size_t bytes;
	double work; /* out: of one run */
};

static const struct matrix {
	size_t K, N;
} block[] = { { C, 3 * C }, { C, C }, { C, 4 * C }, { 4 * C, C } };
enum { MATRICES = sizeof(block) / sizeof(*block) };

static pthread_barrier_t line;

static double
now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static float *
floats(size_t n)
{
	char why[WHYSZ];
	float *x = gpt2_floats(n, why);

	if (x == NULL)
		errx(1, "%s", why);
	for (size_t i = 0; i < n; i++)
		x[i] = (float)(i % 7);
	return x;
}

static void
run_sgemm(struct share *s)
{
	enum { ROW_MAJOR = 101, PLAIN = 111 };

	s->work = 0;
	for (size_t i = 0; i < MATRICES; i++) {
		int K = (int)block[i].K, N = (int)block[i].N;

		s->sgemm(ROW_MAJOR, PLAIN, PLAIN, (int)s->M, N, K, 1, s->x, K,
		    s->w, N, 0, s->out, N);
		s->work += 2.0 * (double)s->M * K * N;
	}
}

/* The i-th matrix of all, (K, N): the blocks', then that of the tokens. */
static struct matrix
matrix(const struct share *s, size_t i)
{
	struct matrix m =
	    i < L * MATRICES ? block[i % MATRICES] : (struct matrix){ C, V };

	m.N = num_round(m.N / s->threads, 64);
	return m;
}

static size_t
packed_size(const struct share *s, struct matrix m)
{
	return num_round(ops_packed_size(s->precision, m.K, m.N), 16);
}

static void
run_product(struct share *s)
{
	const float *packed = s->w;

	s->work = 0;
	for (size_t i = 0; i <= L * MATRICES; i++) {
		struct matrix m = matrix(s, i);

		ops_product(s->out, m.N, s->x, m.K, packed, s->bias,
		    s->precision, OPS_SET, s->M, m.K, m.N);
		packed += packed_size(s, m);
		s->work += 2.0 * (double)(s->M * m.K * m.N);
	}
}

/* Adds up all words, in four sums, fetched 4 KiB ahead. */
static void
run_read(struct share *s)
{
	typedef uint64_t words __attribute__((vector_size(64)));
	const words *p = (const void *)s->w;
	words sum[4] = { { 0 } };

	for (size_t i = 0; i + 4 <= s->bytes / sizeof(words); i += 4) {
		for (size_t k = 0; k < 4; k++) {
			__builtin_prefetch(p + i + k + 64);
			sum[k] += p[i + k];
		}
	}
	memcpy(s->out, sum, sizeof(sum));
	s->work = (double)s->bytes;
}

/* What each run needs, for a thread of its own. */
static void
prepare(struct share *s, int argc, char **argv)
{
	if (strcmp(argv[1], "sgemm") == 0) {
		void *library = dlopen("libopenblas.so.0", RTLD_NOW);

		if (library == NULL)
			errx(1, "no libopenblas.so.0");
		*(void **)&s->sgemm = dlsym(library, "cblas_sgemm");
		s->run = run_sgemm;
		s->M = 2048;
		s->bytes = 4 * C * C * sizeof(float);
	} else if (strcmp(argv[1], "product") == 0 && argc > 3) {
		s->run = run_product;
		s->precision = argv[2][0] == 'f'   ? OPS_F32
			       : argv[2][0] == 'b' ? OPS_BF16
						   : OPS_INT8;
		s->M = strtoul(argv[3], NULL, 10);
		for (size_t i = 0; i <= L * MATRICES; i++)
			s->bytes +=
			    packed_size(s, matrix(s, i)) * sizeof(float);
	} else if (strcmp(argv[1], "read") == 0 && argc > 2) {
		s->run = run_read;
		s->bytes = (strtoul(argv[2], NULL, 10) << 20) / s->threads;
	} else {
		errx(1, "cannot measure that");
	}
	s->w = floats(s->bytes / sizeof(float));
	s->x = floats(s->M * 4 * C);
	s->bias = floats(num_round(V, 64));
	s->out = floats(num_max(s->M, 1) * num_max(4 * C, V / s->threads + 64));
}

/* Once to warm up, then from line to line. */
static void *
work(void *arg)
{
	struct share *s = arg;

	s->run(s);
	pthread_barrier_wait(&line);
	for (int i = 0; i < REPEATS; i++)
		s->run(s);
	pthread_barrier_wait(&line);
	return NULL;
}

int
main(int argc, char **argv)
{
	size_t threads = team_processors();
	struct share *shares = calloc(threads, sizeof(*shares));
	double start, amount = 0;
	pthread_t thread;

	if (argc < 2 || shares == NULL)
		errx(1, "usage: rate sgemm|product PRECISION M|read MIB");
	setenv("OPENBLAS_NUM_THREADS", "1", 1);
	pthread_barrier_init(&line, NULL, (unsigned)threads + 1);
	for (size_t i = 0; i < threads; i++) {
		shares[i].threads = threads;
		prepare(&shares[i], argc, argv);
	}
	for (size_t i = 0; i < threads; i++)
		if (pthread_create(&thread, NULL, work, &shares[i]) != 0)
			errx(1, "no thread");
	pthread_barrier_wait(&line);
	start = now();
	pthread_barrier_wait(&line);
	start = now() - start;
	for (size_t i = 0; i < threads; i++)
		amount += REPEATS * shares[i].work;
	printf("%.6f %.0f\n", start, amount);
	return 0;
}
