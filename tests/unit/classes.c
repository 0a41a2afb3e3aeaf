/*
 * `classes 1`: utf8proc's version of Unicode, and in a second line the class of
 * every code point as bpe-encode has it: L, N, s (white space) or o (other).
 * Without an argument it only says that there is nothing to print.
 */
#include <stdio.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "bpe/classify.h"
#include "tap.h"

int
main(int argc, char **argv)
{
	struct classes *classes = calloc(1, sizeof(*classes));

	(void)argv;
	if (argc < 2 || classes == NULL) {
		ok(classes != NULL, "classes # SKIP run by tests/exact.t");
		free(classes);
		return done_testing();
	}
	puts(utf8proc_unicode_version());
	for (uint32_t code = 0; code < 0x110000; code++)
		putchar("?oLNs"[classify_code(classes, code)]);
	free(classes);
	return 0;
}
