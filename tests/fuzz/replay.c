/*
 * `replay/TARGET FILE ...`: runs a fuzz target on stored inputs, and says how
 * many there were.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

enum { MOST = 1 << 20 };

int
main(int argc, char **argv)
{
	uint8_t *data = malloc(MOST);

	MUST(data != NULL);
	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		size_t size;
		uint8_t *exact;

		MUST(f != NULL);
		size = fread(data, 1, MOST, f);
		fclose(f);
		/* Of its very size, so that a sanitizer sees what is beyond. */
		MUST((exact = malloc(size > 0 ? size : 1)) != NULL);
		memcpy(exact, data, size);
		LLVMFuzzerTestOneInput(exact, size);
		free(exact);
	}
	printf("%d inputs\n", argc - 1);
	free(data);
	return 0;
}
