/*
 * Streams of any kind, with checksums off (the build defines
 * FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION): reader and cache accept the same
 * records, and what was read can be written and read again.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "stream/cache.h"
#include "stream/stream.h"
#include "sys/file.h"
#include "sys/why.h"

/* Touches all that a record points to. */
static uint64_t
sum_record(const struct record *r, const struct stream_header *h)
{
	const uint8_t *vectors = r->vectors;
	size_t size = h->dtype == DTYPE_F32 ? 4 : 2;
	uint64_t sum = r->n_tokens + r->part;

	for (size_t i = 0; i < r->n_tokens; i++) {
		MUST(r->tokens[i] < h->vocab_size);
		sum += r->tokens[i];
	}
	for (size_t i = 0; i < r->n_vectors * h->n_embd * size; i++)
		sum += vectors[i];
	for (size_t i = 0; r->label && i < r->label_len; i++)
		sum += (uint8_t)r->label[i];
	for (size_t i = 0; r->id && i < r->id_len; i++)
		sum += (uint8_t)r->id[i];
	return sum;
}

/* Reads the file to its end; copies it to out where that is given. */
static uint64_t
read_all(const char *path, const char *copy, bool *whole)
{
	struct file_out *file = NULL;
	struct stream_writer *out = NULL;
	struct stream_reader *in;
	struct record r;
	char why[WHYSZ] = "";
	uint64_t sum = 0;
	int rc = -1;

	*whole = false;
	if ((in = stream_reader_open(&path, 1, STREAM_ANY, why)) == NULL) {
		MUST(why[0] != '\0');
		return 0;
	}
	if (copy) {
		MUST((file = file_create(copy, why)) != NULL);
		out = stream_writer_open(file, stream_reader_header(in), why);
		MUST(out != NULL);
	}
	while ((rc = stream_read(in, &r, why)) == 1) {
		sum += sum_record(&r, stream_reader_header(in));
		MUST(out == NULL || stream_write(out, &r, why) == 0);
	}
	MUST(rc == 0 || why[0] != '\0');
	*whole = rc == 0;
	if (copy && *whole) {
		MUST(stream_end(out, true, why) == 0);
		MUST(file_commit(file, why) == 0);
	} else {
		file_abandon(file);
	}
	stream_writer_free(out);
	stream_reader_free(in);
	return sum;
}

static uint64_t
sum_cache(const char *path, bool *whole)
{
	struct stream_cache *cache;
	char why[WHYSZ] = "";
	uint64_t sum = 0;

	cache = stream_cache_open(&path, 1, STREAM_ANY, why);
	*whole = cache != NULL;
	for (size_t i = 0; cache && i < stream_cache_count(cache); i++) {
		struct record r = stream_cache_record(cache, i);

		sum += sum_record(&r, stream_cache_header(cache));
	}
	stream_cache_free(cache);
	return sum;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char path[32], copy[FUZZ_PATH];
	int fd = fuzz_file(data, size);
	bool whole, cached, again;
	uint64_t sum;

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	fuzz_path(copy, "copy");
	sum = read_all(path, copy, &whole);
	if (whole)
		MUST(read_all(copy, NULL, &again) == sum && again);
	if (sum_cache(path, &cached) != sum)
		MUST(!whole && !cached);
	MUST(cached == whole);
	close(fd);
	return 0;
}
