/* Classes of bytes and characters; see classify.h. */
#include "bpe/classify.h"

#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "sys/bytes.h"
#include "text/utf8.h"

/* ---- portable: eight bytes in a word ---- */

#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* The bit 0x80 of each ASCII byte in first..last; x has them below 0x80. */
static inline uint64_t
in_range(uint64_t x, unsigned first, unsigned last)
{
	return (x + EACH(0x80 - first)) & ~(x + EACH(0x7f - last)) & EACH(0x80);
}

/* The bits 0x80 of eight bytes as bits i .. i + 7. */
static inline uint64_t
gather(uint64_t x, size_t i)
{
	return ((x >> 7) * 0x0102040810204080u) >> 56 << i;
}

static void
classify_generic(struct block *b, const uint8_t *p)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < BLOCK; i += 8) {
		uint64_t x = bytes_get64(p + i), high = x & EACH(0x80);
		uint64_t low = x & EACH(0x7f), blank, space;

		blank = in_range(low, ' ', ' ') & ~high;
		space = blank | (in_range(low, '\t', '\r') & ~high);
		b->high |= gather(high, i);
		b->blank |= gather(blank, i);
		b->space |= gather(space, i);
		b->tick |= gather(in_range(low, '\'', '\'') & ~high, i);
		b->digit |= gather(in_range(low, '0', '9') & ~high, i);
		b->letter |=
		    gather(in_range(low | EACH(0x20), 'a', 'z') & ~high, i);
	}
}

#ifdef __x86_64__
#include <immintrin.h>

/* Bytes of x that are at most n above first, as bits. */
__attribute__((target("avx2"))) static inline uint64_t
range_avx2(__m256i x, char first, char n)
{
	__m256i y = _mm256_sub_epi8(x, _mm256_set1_epi8(first));

	y = _mm256_cmpeq_epi8(_mm256_min_epu8(y, _mm256_set1_epi8(n)), y);
	return (uint32_t)_mm256_movemask_epi8(y);
}

__attribute__((target("avx2"))) static void
classify_avx2(struct block *b, const uint8_t *p)
{
	memset(b, 0, sizeof(*b));
	for (size_t i = 0; i < BLOCK; i += 32) {
		__m256i x = _mm256_loadu_si256((const void *)(p + i));
		__m256i small = _mm256_or_si256(x, _mm256_set1_epi8(0x20));
		uint64_t blank = range_avx2(x, ' ', 0);

		b->high |= (uint64_t)(uint32_t)_mm256_movemask_epi8(x) << i;
		b->blank |= blank << i;
		b->space |= (blank | range_avx2(x, '\t', 4)) << i;
		b->tick |= range_avx2(x, '\'', 0) << i;
		b->digit |= range_avx2(x, '0', 9) << i;
		b->letter |= range_avx2(small, 'a', 25) << i;
	}
}

__attribute__((target("avx512f,avx512bw"))) static inline uint64_t
range_avx512(__m512i x, char first, char n)
{
	return _mm512_cmple_epu8_mask(
	    _mm512_sub_epi8(x, _mm512_set1_epi8(first)), _mm512_set1_epi8(n));
}

__attribute__((target("avx512f,avx512bw"))) static void
classify_avx512(struct block *b, const uint8_t *p)
{
	__m512i x = _mm512_loadu_si512(p);
	__m512i small = _mm512_or_si512(x, _mm512_set1_epi8(0x20));

	b->high = _mm512_movepi8_mask(x);
	b->blank = range_avx512(x, ' ', 0);
	b->space = b->blank | range_avx512(x, '\t', 4);
	b->tick = range_avx512(x, '\'', 0);
	b->digit = range_avx512(x, '0', 9);
	b->letter = range_avx512(small, 'a', 25);
	b->wide = b->wide_rest = 0;
}
#endif

classify_fn *
classify_choose(void)
{
	const char *isa = getenv("GPT2_ISA");

	if (isa == NULL)
		isa = "";
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx512bw") && strcmp(isa, "avx2") != 0 &&
	    strcmp(isa, "generic") != 0)
		return classify_avx512;
	if (__builtin_cpu_supports("avx2") && strcmp(isa, "generic") != 0)
		return classify_avx2;
#endif
	return classify_generic;
}

/* ---- beyond ASCII ---- */

static uint8_t
class_from_unicode(uint32_t code)
{
	if (utf8_is_space(code))
		return CLASS_SPACE;
	switch (utf8proc_category((utf8proc_int32_t)code)) {
	case UTF8PROC_CATEGORY_LU:
	case UTF8PROC_CATEGORY_LL:
	case UTF8PROC_CATEGORY_LT:
	case UTF8PROC_CATEGORY_LM:
	case UTF8PROC_CATEGORY_LO:
		return CLASS_LETTER;
	case UTF8PROC_CATEGORY_ND:
	case UTF8PROC_CATEGORY_NL:
	case UTF8PROC_CATEGORY_NO:
		return CLASS_DIGIT;
	default:
		return CLASS_OTHER;
	}
}

int
classify_code(struct classes *c, uint32_t code)
{
	if (c->of[code] == CLASS_UNKNOWN)
		c->of[code] = class_from_unicode(code);
	return c->of[code];
}

void
classify_high(
    struct classes *c, struct block *b, struct block *next, const uint8_t *p)
{
	for (uint64_t high = b->high, here; high; high &= ~here) {
		unsigned i = (unsigned)__builtin_ctzll(high);
		uint64_t behind = 0;
		uint32_t code;
		size_t len = utf8_decode(p + i, 4, &code);

		here = (uint64_t)1 << i;
		if (len == 0)
			continue;
		here *= ((uint64_t)1 << len) - 1;
		if (i + len > BLOCK)
			behind = ((uint64_t)1 << (i + len - BLOCK)) - 1;
		switch (classify_code(c, code)) {
		case CLASS_LETTER:
			b->letter |= here;
			next->letter |= behind;
			break;
		case CLASS_DIGIT:
			b->digit |= here;
			next->digit |= behind;
			break;
		case CLASS_SPACE:
			b->space |= here;
			b->wide |= here & -here;
			b->wide_rest |= here & (here - 1);
			next->space |= behind;
			next->wide_rest |= behind;
			break;
		default:
			break;
		}
	}
}
