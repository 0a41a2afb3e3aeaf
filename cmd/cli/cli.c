/* What every program's main() does alike; see cli.h. */
#include "cli/cli.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>
#include <utf8proc.h>
#include <xxhash.h>

#include "ops/ops.h"
#include "sys/file.h"
#include "sys/num.h"
#include "sys/team.h"

/* A signal that ends the program: leave no temporary file behind. */
static void
on_signal(int sig)
{
	file_abandon_all();
	signal(sig, SIG_DFL);
	raise(sig);
}

/* A mapped file was cut short while it was read. */
static void
on_bus_error(int sig)
{
	static const char text[] = ": a file was cut short while in use\n";
	ssize_t ignored;

	(void)sig;
	file_abandon_all();
	ignored = write(STDERR_FILENO, program_invocation_short_name,
	    strlen(program_invocation_short_name));
	ignored = write(STDERR_FILENO, text, sizeof(text) - 1);
	(void)ignored;
	_exit(1);
}

static void
catch_signal(int sig, void (*handler)(int))
{
	struct sigaction old, new = { .sa_handler = handler };

	if (sigaction(sig, NULL, &old) == 0 && old.sa_handler == SIG_DFL)
		sigaction(sig, &new, NULL);
}

/*
 * A closed descriptor is opened on /dev/null the wrong way round, so that
 * its use still fails as "Bad file descriptor".
 */
static void
open_standard_descriptors(void)
{
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		int mode = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

		if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
			open("/dev/null", mode);
	}
}

void
cli_start(struct cli *cli)
{
	open_standard_descriptors();
	signal(SIGXFSZ, SIG_IGN);
	catch_signal(SIGINT, on_signal);
	catch_signal(SIGTERM, on_signal);
	catch_signal(SIGHUP, on_signal);
	catch_signal(SIGBUS, on_bus_error);
	atexit(file_abandon_all);
	memset(cli, 0, sizeof(*cli));
	cli->jobs = num_min(team_processors(), 1024);
}

static void
close_stdout(void)
{
	if (fflush(stdout) != 0 || ferror(stdout))
		err(1, "stdout");
}

_Noreturn static void
usage(const char *help)
{
	const char *end = strstr(help, "\n\n");

	fprintf(stderr, "%.*s\n",
	    (int)(end ? (size_t)(end - help) : strlen(help)), help);
	exit(2);
}

void
cli_option(struct cli *cli, int c, const char *help)
{
	static const char *const when[] = { "auto", "on", "off", NULL };

	switch (c) {
	case 'h':
		fputs(help, stdout);
		close_stdout();
		exit(0);
	case 'j':
		cli->jobs = cli_number("-j", optarg, 1, 1024);
		break;
	case 'm':
		cli->model = optarg;
		break;
	case 'o':
		cli->output = optarg;
		break;
	case 'q':
		cli->quiet = true;
		break;
	case 'v':
		cli->verbose = true;
		break;
	case 'V':
		cli->version = true;
		break;
	case 300:
		cli->progress =
		    (enum cli_progress)cli_word("--progress", optarg, when);
		break;
	default:
		usage(help);
	}
}

/* A program that does without utf8proc is not to be linked with it for this. */
#pragma weak utf8proc_version

static void
describe(void)
{
	printf("kernels: %s, bf16 and int8 %s\nlibraries: jansson %s, xxHash "
	       "%d.%d.%d",
	    ops_describe(OPS_F32), ops_describe(OPS_BF16),
	    jansson_version_str(), XXH_VERSION_MAJOR, XXH_VERSION_MINOR,
	    XXH_VERSION_RELEASE);
	if (utf8proc_version)
		printf(", utf8proc %s", utf8proc_version());
	putchar('\n');
}

void
cli_ready(const struct cli *cli)
{
	if (!cli->version)
		return;
	printf(
	    "%s (gpt2-filters) %s\n", program_invocation_short_name, VERSION);
	if (cli->verbose)
		describe();
	close_stdout();
	exit(0);
}

_Noreturn void
cli_wrong(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
	exit(2);
}

size_t
cli_number(const char *option, const char *arg, size_t min, size_t max)
{
	uint64_t n;

	if (!num_parse(arg, strlen(arg), max, &n) || n < min)
		cli_wrong("%s: want %zu..%zu", option, min, max);
	return (size_t)n;
}

size_t
cli_count(const char *option, const char *arg, size_t max)
{
	return strcmp(arg, "auto") == 0 ? 0 : cli_number(option, arg, 1, max);
}

double
cli_real(const char *option, const char *arg, double min, double max)
{
	char *end;
	double x;

	errno = 0;
	x = strtod(arg, &end);
	if (end == arg || *end != '\0' || errno || !isfinite(x) || x < min ||
	    x > max)
		cli_wrong("%s: want a number from %g to %g", option, min, max);
	return x;
}

void
cli_range(const char *option, const char *arg, uint64_t *first, uint64_t *last)
{
	const char *dash = strchr(arg, '-');
	size_t len = dash ? (size_t)(dash - arg) : strlen(arg);

	*last = UINT64_MAX;
	if (!num_parse(arg, len, UINT64_MAX, first) || *first == 0 ||
	    (dash && dash[1] != '\0' &&
		!num_parse(dash + 1, strlen(dash + 1), UINT64_MAX, last)))
		cli_wrong("%s: want A-B, A- or A, counted from 1", option);
	if (dash == NULL)
		*last = *first;
	if (*last < *first)
		cli_wrong("%s: %s is empty", option, arg);
}

int
cli_word(const char *option, const char *arg, const char *const *words)
{
	char list[256] = "";
	size_t len = 0;

	for (int i = 0; words[i]; i++) {
		if (strcmp(arg, words[i]) == 0)
			return i;
	}
	for (int i = 0; words[i] && len < sizeof(list); i++) {
		const char *comma = !i ? "" : words[i + 1] ? ", " : " or ";

		len += (size_t)snprintf(
		    list + len, sizeof(list) - len, "%s%s", comma, words[i]);
	}
	cli_wrong("%s: want %s", option, list);
}

_Noreturn void
cli_fail(const char *file, const char *why)
{
	char name[WHYSZ];

	if (strcmp(file, "-") == 0)
		file = "stdin";
	errx(1, "%s: %s", why_escape(name, sizeof(name), file, strlen(file)),
	    why);
}

_Noreturn void
cli_die(const char *why)
{
	errx(1, "%s", why);
}

struct file_out *
cli_output(const struct cli *cli, bool binary)
{
	const char *name = cli->output ? cli->output : "stdout";
	char why[WHYSZ];
	struct file_out *f = file_create(cli->output, why);

	if (f == NULL)
		cli_fail(name, why);
	if (binary && file_is_terminal(f))
		cli_fail(name, "is a terminal; not writing binary data");
	return f;
}

void
cli_commit(struct file_out *f)
{
	const char *name = file_name(f);
	char why[WHYSZ];

	if (file_commit(f, why) < 0)
		cli_fail(name, why);
}

const char *
cli_environment(const char *name)
{
	const char *value = getenv(name);

	return value && value[0] != '\0' ? value : NULL;
}

const char *
cli_model(const struct cli *cli, const char *of_head)
{
	if (cli->model)
		return cli->model;
	return of_head ? of_head : cli_environment("GPT2_MODEL");
}

void
cli_note(const struct cli *cli, const char *fmt, ...)
{
	va_list ap;

	if (cli->quiet)
		return;
	va_start(ap, fmt);
	vwarnx(fmt, ap);
	va_end(ap);
}
