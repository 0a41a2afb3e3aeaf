/*
 * One line that says why a call failed. The library never prints: a function
 * that can fail takes the caller's char why[WHYSZ] as its last argument and
 * returns NULL or -1 after writing to it, without a newline.
 */
#ifndef SYS_WHY_H
#define SYS_WHY_H

#include <stddef.h>

enum { WHYSZ = 1024 };

/* Formats the reason, cut to fit; always returns -1. */
int why_set(char *why, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* strerror(errno) as the reason; always returns -1. */
int why_errno(char *why);

/* "memory: Cannot allocate memory"; always returns NULL. */
void *why_memory(char *why);

/*
 * A string from outside made fit for one line of a message: control bytes
 * become \xNN and what does not fit in size is cut. Returns out.
 */
char *why_escape(char *out, size_t size, const char *s, size_t len);

#endif
