/*
 * Text to tokens and back with the small model's vocabulary: several texts at
 * once, divided at the bytes 0xff, are encoded as each alone; short and long
 * merging, and every kind of classifier, agree.
 */
#include <stdlib.h>
#include <string.h>

#include "bpe/bpe.h"
#include "bpe/merge.h"
#include "bpe/vocab.h"
#include "fuzz.h"
#include "sys/buffer.h"
#include "sys/why.h"

enum { KINDS = 3, MOST_TEXTS = 64 };

static struct bpe *bpe;
static struct bpe_encoder *encoders[KINDS]; /* generic, avx2, the best */
static struct merger *merger;

static void
open_all(void)
{
	static const char *const isas[] = { "generic", "avx2", "avx512" };
	char why[WHYSZ];

	MUST((bpe = bpe_open("examples/mini", why)) != NULL);
	for (size_t i = 0; i < KINDS; i++) {
		setenv("GPT2_ISA", isas[i], 1);
		MUST((encoders[i] = bpe_encoder_open(bpe, why)) != NULL);
	}
	MUST((merger = merger_open(bpe, why)) != NULL);
}

static void
check_decoding(const struct buffer *ids, const uint8_t *text, size_t len)
{
	const uint32_t *id = (const void *)ids->data;
	size_t at = 0, n;

	for (size_t i = 0; i < ids->len / sizeof(*id); i++) {
		const uint8_t *bytes = bpe_token_bytes(bpe, id[i], &n);

		MUST(bytes && n <= len - at);
		MUST(memcmp(bytes, text + at, n) == 0);
		at += n;
	}
	MUST(at == len);
}

/* The whole text as if it were one pretoken, merged in both ways. */
static void
check_merging(const uint8_t *text, size_t len)
{
	uint32_t a[MERGE_SHORT], b[MERGE_SHORT];
	char why[WHYSZ];
	size_t n;

	if (len == 0 || len > MERGE_SHORT || !bpe->in_order)
		return;
	n = merge_short(bpe, a, text, len);
	MUST(merge_long(merger, b, text, len, why) == n);
	MUST(memcmp(a, b, n * sizeof(*a)) == 0);
}

/* Divides the input into texts with gaps between them; returns how many. */
static size_t
divide(struct buffer *texts, struct bpe_span *spans, const uint8_t *data,
    size_t size)
{
	static const uint8_t zeros[BPE_PADDING];
	char why[WHYSZ];
	size_t n = 0;

	for (size_t from = 0, i = 0; i <= size && n < MOST_TEXTS; i++) {
		if (i < size && (data[i] != 0xff || n == MOST_TEXTS - 1))
			continue;
		spans[n++] = (struct bpe_span){ texts->len, i - from, 0, 0 };
		MUST(buffer_append(texts, data + from, i - from, why) == 0);
		MUST(buffer_append(texts, zeros, BPE_GAP, why) == 0);
		from = i + 1;
	}
	MUST(buffer_append(texts, zeros, BPE_PADDING, why) == 0);
	return n;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct bpe_span spans[MOST_TEXTS];
	struct buffer texts = { 0 }, all = { 0 }, one = { 0 };
	char why[WHYSZ];
	size_t n;

	if (bpe == NULL)
		open_all();
	n = divide(&texts, spans, data, size);
	MUST(bpe_encode_spans(
		 encoders[KINDS - 1], texts.data, spans, n, &all, why) == 0);
	for (size_t i = 0; i < n; i++) {
		const uint8_t *text = texts.data + spans[i].at;

		for (size_t k = 0; k < KINDS; k++) {
			one.len = 0;
			MUST(bpe_encode(encoders[k], text, spans[i].len, &one,
				 why) == 0);
			MUST(one.len == spans[i].ids * sizeof(uint32_t));
			MUST(one.len == 0 ||
			     memcmp(one.data,
				 all.data + spans[i].first * sizeof(uint32_t),
				 one.len) == 0);
		}
		check_decoding(&one, text, spans[i].len);
		check_merging(text, spans[i].len);
	}
	free(texts.data);
	free(all.data);
	free(one.data);
	return 0;
}
