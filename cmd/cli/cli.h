/* What every program's main() does alike: start, options, messages, end. */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <getopt.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sys/why.h" /* WHYSZ */

enum cli_progress { PROGRESS_AUTO, PROGRESS_ON, PROGRESS_OFF };

/* The options that programs have in common. */
struct cli {
	const char *model;  /* -m, or NULL */
	const char *output; /* -o, or NULL for stdout */
	size_t jobs;	    /* -j */
	bool quiet, verbose;
	enum cli_progress progress;
	bool version; /* -V was given */
};

/* For getopt_long; a program puts its own in front. Codes from 256 up to 299
 * are free for a program's own long options. */
#define CLI_SHORT "hj:m:o:qVv"
#define CLI_LONG                                          \
	{ "help", no_argument, NULL, 'h' },               \
	    { "jobs", required_argument, NULL, 'j' },     \
	    { "model", required_argument, NULL, 'm' },    \
	    { "output", required_argument, NULL, 'o' },   \
	    { "progress", required_argument, NULL, 300 }, \
	    { "quiet", no_argument, NULL, 'q' },          \
	    { "verbose", no_argument, NULL, 'v' },        \
	    { "version", no_argument, NULL, 'V' },        \
	{                                                 \
		NULL, 0, NULL, 0                          \
	}

/*
 * First thing in main(): opens descriptors 0 to 2 where they are closed, so
 * that no file takes their place; makes a file over its size limit an error
 * instead of a signal; sees to it that temporary files go when the program
 * ends. Fills in the defaults.
 */
void cli_start(struct cli *);

/*
 * Takes the option that getopt_long returned, if it is a common one; prints
 * help and exits for -h; for a wrong option prints help's first paragraph to
 * stderr and exits with 2.
 */
void cli_option(struct cli *, int c, const char *help);

/* After the options: prints the version and exits where -V was given. */
void cli_ready(const struct cli *);

/* Says what is wrong with an option, and exits with 2. */
_Noreturn void cli_wrong(const char *fmt, ...)
    __attribute__((format(printf, 1, 2)));

/* The argument of an option as a number in its range, or cli_wrong. */
size_t cli_number(const char *option, const char *arg, size_t min, size_t max);

/* The same, where "auto" is a word for 0. */
size_t cli_count(const char *option, const char *arg, size_t max);
double cli_real(const char *option, const char *arg, double min, double max);

/* "A-B", "A-" or "A", counted from 1; last is UINT64_MAX where it is open. */
void cli_range(
    const char *option, const char *arg, uint64_t *first, uint64_t *last);

/* The index of the argument in a NULL-ended list of words, or cli_wrong. */
int cli_word(const char *option, const char *arg, const char *const *words);

/* "prog: file: why" and status 1; the name is escaped, "-" is stdin. */
_Noreturn void cli_fail(const char *file, const char *why);

/* "prog: why" and status 1, where the reason names the file by itself. */
_Noreturn void cli_die(const char *why);

/*
 * The output: -o or stdout; exits where it cannot be written or where binary
 * data would go to a terminal. cli_commit puts it in its place, or exits.
 */
struct file_out;
struct file_out *cli_output(const struct cli *, bool binary);
void cli_commit(struct file_out *);

/* A variable of the environment; NULL where it is empty or not set. */
const char *cli_environment(const char *name);

/* The model's name: -m, then the head's, then $GPT2_MODEL; NULL: shipped. */
const char *cli_model(const struct cli *, const char *of_head);

/* A note on stderr, as of printf and a newline, unless -q. */
void cli_note(const struct cli *, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

#endif
