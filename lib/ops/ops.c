/* The choice of the kernels, and the calls that go to those chosen. */
#include "ops/ops.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "ops/kernels.h"

/* Every F16C processor with AVX2 has both; clang 14 cannot ask for it. */
const struct ops_kernels *
ops_kernels_find(const char *isa)
{
#ifdef __x86_64__
	int generic = isa != NULL && strcmp(isa, "generic") == 0;
	int avx2 = isa != NULL && strcmp(isa, "avx2") == 0;

	__builtin_cpu_init();
	if (generic || !__builtin_cpu_supports("avx2") ||
	    !__builtin_cpu_supports("fma"))
		return &ops_kernels_generic;
	if (!avx2 && __builtin_cpu_supports("avx512f") &&
	    __builtin_cpu_supports("avx512bw") &&
	    __builtin_cpu_supports("avx512dq") &&
	    __builtin_cpu_supports("avx512vl"))
		return &ops_kernels_avx512;
	return &ops_kernels_avx2;
#else
	(void)isa;
	return &ops_kernels_generic;
#endif
}

#ifdef __x86_64__

/* AVX-VNNI: leaf 7, subleaf 1, EAX bit 4; gcc 12 cannot ask for it. */
static bool
has_avxvnni(void)
{
	unsigned a = 0, b, c, d;

	return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a >> 4 & 1);
}

/*
 * AMX with bfloat16 and int8: leaf 7, EDX bits 22, 24 and 25. Linux lets a
 * process use it once it has asked: Documentation/arch/x86/xstate.rst.
 */
static bool
has_amx(void)
{
	enum { REQUEST = 0x1023 /* ARCH_REQ_XCOMP_PERM */, TILE_DATA = 18 };
	const unsigned bits = 1u << 22 | 1u << 24 | 1u << 25;
	unsigned a, b, c, d = 0;

	return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d & bits) == bits &&
	       syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
}

/* What the processor and the system have, for vectors of the kernels' kind. */
static bool
has_dots(const struct ops_dots *d, const struct ops_kernels *k)
{
	if (d == &ops_dots_generic)
		return true;
	if (d == &ops_dots_avx2)
		return k != &ops_kernels_generic;
	if (d == &ops_dots_avxvnni)
		return k != &ops_kernels_generic && has_avxvnni();
	return k == &ops_kernels_avx512 &&
	       __builtin_cpu_supports("avx512vnni") &&
	       (d == &ops_dots_avx512vnni ||
		   __builtin_cpu_supports("avx512bf16")) &&
	       (d != &ops_dots_amx || has_amx());
}

/* From the best to the plainest. */
static const struct ops_dots *const all_dots[] = { &ops_dots_amx,
	&ops_dots_avx512bf16, &ops_dots_avx512vnni, &ops_dots_avxvnni,
	&ops_dots_avx2, &ops_dots_generic };

#else

static bool
has_dots(const struct ops_dots *d, const struct ops_kernels *k)
{
	(void)d, (void)k;
	return true;
}

static const struct ops_dots *const all_dots[] = { &ops_dots_generic };

#endif

const struct ops_dots *
ops_dots_find(const char *isa)
{
	const struct ops_kernels *k = ops_kernels_find(isa);
	size_t n = sizeof(all_dots) / sizeof(*all_dots);
	const struct ops_dots *best = NULL;
	bool vectors = isa != NULL && strcmp(isa, "avx512") == 0;

	for (size_t i = n; i-- > 0;) {
		if (!has_dots(all_dots[i], k) ||
		    (vectors && strcmp(all_dots[i]->isa, "amx") == 0))
			continue;
		best = all_dots[i];
		if (isa != NULL && strcmp(isa, best->isa) == 0)
			return best;
	}
	return best;
}

/* Threads that come first together all store the same. */
static const struct ops_kernels *
kernels(void)
{
	static _Atomic(const struct ops_kernels *) chosen;
	const struct ops_kernels *k =
	    atomic_load_explicit(&chosen, memory_order_relaxed);

	if (k == NULL) {
		k = ops_kernels_find(getenv("GPT2_ISA"));
		atomic_store_explicit(&chosen, k, memory_order_relaxed);
	}
	return k;
}

static const struct ops_dots *
dots(void)
{
	static _Atomic(const struct ops_dots *) chosen;
	const struct ops_dots *d =
	    atomic_load_explicit(&chosen, memory_order_relaxed);

	if (d == NULL) {
		d = ops_dots_find(getenv("GPT2_ISA"));
		atomic_store_explicit(&chosen, d, memory_order_relaxed);
	}
	return d;
}

static const struct ops_products *
products(enum ops_precision precision)
{
	if (precision == OPS_BF16)
		return &dots()->bf16;
	if (precision == OPS_INT8)
		return &dots()->int8;
	return &kernels()->f32;
}

const char *
ops_describe(enum ops_precision precision)
{
	return precision == OPS_F32 ? kernels()->isa : dots()->isa;
}

size_t
ops_packed_size(enum ops_precision precision, size_t K, size_t N)
{
	return products(precision)->packed_size(K, N);
}

void
ops_pack(float *packed, const float *w, size_t w_stride,
    enum ops_precision precision, size_t K, size_t N)
{
	products(precision)->pack(packed, w, w_stride, K, N);
}

void
ops_pack_transposed(float *packed, const float *w, size_t w_stride,
    enum ops_precision precision, size_t K, size_t N)
{
	products(precision)->pack_transposed(packed, w, w_stride, K, N);
}

void
ops_product(float *out, size_t out_stride, const float *x, size_t x_stride,
    const float *packed, const float *bias, enum ops_precision precision,
    enum ops_after after, size_t M, size_t K, size_t N)
{
	products(precision)->product(
	    out, out_stride, x, x_stride, NULL, packed, bias, after, M, K, N);
}

size_t
ops_left_size(enum ops_precision precision, size_t M, size_t K)
{
	return products(precision)->left_size(M, K);
}

void
ops_left(float *left, const float *x, size_t x_stride,
    enum ops_precision precision, size_t first, size_t end, size_t M, size_t K)
{
	products(precision)->left_rows(left, x, x_stride, first, end, M, K);
}

void
ops_product_left(float *out, size_t out_stride, const float *left,
    const float *packed, const float *bias, enum ops_precision precision,
    enum ops_after after, size_t M, size_t K, size_t N)
{
	products(precision)->product(
	    out, out_stride, NULL, 0, left, packed, bias, after, M, K, N);
}

void
ops_linear_weight(float *dw, size_t dw_stride, const float *x, size_t x_stride,
    const float *dy, size_t dy_stride, enum ops_precision precision, size_t M,
    size_t K, size_t N)
{
	products(precision)->linear_weight(
	    dw, dw_stride, x, x_stride, dy, dy_stride, M, K, N);
}

void
ops_linear_bias(
    float *db, const float *dy, size_t dy_stride, size_t M, size_t N)
{
	kernels()->linear_bias(db, dy, dy_stride, M, N);
}

void
ops_norm(float *out, float *mean, float *rstd, const float *x, const float *w,
    const float *b, float epsilon, size_t M, size_t C)
{
	kernels()->norm(out, mean, rstd, x, w, b, epsilon, M, C);
}

void
ops_norm_input(float *dx, const float *dy, const float *x, const float *mean,
    const float *rstd, const float *w, size_t M, size_t C)
{
	kernels()->norm_input(dx, dy, x, mean, rstd, w, M, C);
}

void
ops_norm_weight(float *dw, float *db, const float *dy, const float *x,
    const float *mean, const float *rstd, size_t M, size_t C)
{
	kernels()->norm_weight(dw, db, dy, x, mean, rstd, M, C);
}

void
ops_gelu(float *out, const float *x, size_t n)
{
	kernels()->gelu(out, x, n);
}

void
ops_gelu_input(float *dx, const float *dy, const float *x, size_t n)
{
	kernels()->gelu_input(dx, dy, x, n);
}

void
ops_dropout_add(float *out, const float *x, const struct ops_dropout *drop,
    uint64_t first, size_t n)
{
	kernels()->dropout_add(out, x, drop, first, n);
}

void
ops_dropout(float *x, const struct ops_dropout *drop, uint64_t first, size_t n)
{
	kernels()->dropout(x, drop, first, n);
}

void
ops_attention(float *out, size_t out_stride, const float *q, size_t q_stride,
    const float *k, const float *v, size_t kv_stride,
    const struct ops_dropout *drop, float *scratch, size_t first, size_t T,
    size_t H, size_t D)
{
	kernels()->attention(out, out_stride, q, q_stride, k, v, kv_stride,
	    drop, scratch, first, T, H, D);
}

void
ops_attention_half(float *out, const float *q, const uint16_t *k,
    const uint16_t *v, size_t kv_stride, float *scratch, size_t T, size_t D)
{
	kernels()->attention_half(out, q, k, v, kv_stride, scratch, T, D);
}

void
ops_attention_input(float *dq, float *dk, float *dv, const float *dout,
    size_t dout_stride, const float *q, size_t q_stride, const float *k,
    const float *v, size_t kv_stride, const struct ops_dropout *drop,
    float *scratch, size_t first, size_t T, size_t H, size_t D)
{
	kernels()->attention_input(dq, dk, dv, dout, dout_stride, q, q_stride,
	    k, v, kv_stride, drop, scratch, first, T, H, D);
}

size_t
ops_greatest(const float *x, size_t n)
{
	return kernels()->greatest(x, n);
}

double
ops_softmax(float *p, const float *x, size_t n)
{
	return kernels()->softmax(p, x, n);
}

double
ops_squares(const float *x, size_t n)
{
	return kernels()->squares(x, n);
}

void
ops_adamw(float *w, float *m, float *v, const float *grad,
    const struct ops_adamw *o, size_t n)
{
	kernels()->adamw(w, m, v, grad, o, n);
}

void
ops_from_half(float *out, const uint16_t *x, size_t n)
{
	kernels()->from_half(out, x, n);
}

void
ops_to_half(uint16_t *out, const float *x, size_t n)
{
	kernels()->to_half(out, x, n);
}

size_t
ops_find_infinite(const float *x, size_t n)
{
	return kernels()->find_infinite(x, n);
}
