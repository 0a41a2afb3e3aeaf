/* What the fuzz targets have in common. */
#ifndef FUZZ_FUZZ_H
#define FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's entry point, which replay.c calls too. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Aborts, naming what does not hold. */
#define MUST(condition) \
	((condition) ? (void)0 : fuzz_fail(#condition, __FILE__, __LINE__))
_Noreturn void fuzz_fail(const char *what, const char *file, int line);

/* Room for the path of a file in a directory of the process's own. */
enum { FUZZ_PATH = 128 };
void fuzz_path(char path[FUZZ_PATH], const char *name);

/* A file in memory of these bytes, open for reading at its start. */
int fuzz_file(const void *data, size_t size);

#endif
