/*
 * The kernels' tables, for the dispatch and the tests only. The sources in
 * kernels/ are compiled once for each instruction set; each result is one
 * table. The members are as in ops.h, without the prefix.
 */
#ifndef OPS_KERNELS_H
#define OPS_KERNELS_H

#include "ops/ops.h"

/* The products of one precision. */
struct ops_products {
	size_t panel; /* columns of a panel of packed weights */

	size_t (*packed_size)(size_t K, size_t N);
	void (*pack)(
	    float *packed, const float *w, size_t w_stride, size_t K, size_t N);
	void (*pack_transposed)(float *packed, const float *w, size_t w_stride,
	    size_t K, size_t N); /* NULL for int8 */
	/* Of x, or where left is not NULL, of what is there. */
	void (*product)(float *out, size_t out_stride, const float *x,
	    size_t x_stride, const void *left, const float *packed,
	    const float *bias, enum ops_after, size_t M, size_t K, size_t N);
	size_t (*left_size)(size_t M, size_t K);
	void (*left_rows)(void *to, const float *x, size_t x_stride,
	    size_t first, size_t end, size_t M, size_t K);

	/* For training; NULL for int8. */
	void (*linear_weight)(float *dw, size_t dw_stride, const float *x,
	    size_t x_stride, const float *dy, size_t dy_stride, size_t M,
	    size_t K, size_t N);
};

/* Those that a processor may have instructions of their own for. */
struct ops_dots {
	const char *isa;
	struct ops_products bf16, int8;
};

struct ops_kernels {
	const char *isa;
	struct ops_products f32;

	void (*linear_bias)(
	    float *db, const float *dy, size_t dy_stride, size_t M, size_t N);

	void (*norm)(float *out, float *mean, float *rstd, const float *x,
	    const float *w, const float *b, float epsilon, size_t M, size_t C);
	void (*norm_input)(float *dx, const float *dy, const float *x,
	    const float *mean, const float *rstd, const float *w, size_t M,
	    size_t C);
	void (*norm_weight)(float *dw, float *db, const float *dy,
	    const float *x, const float *mean, const float *rstd, size_t M,
	    size_t C);

	void (*exp)(float *out, const float *x, size_t n);
	void (*gelu)(float *out, const float *x, size_t n);
	void (*gelu_input)(
	    float *dx, const float *dy, const float *x, size_t n);
	size_t (*greatest)(const float *x, size_t n);
	double (*softmax)(float *p, const float *x, size_t n);

	void (*dropout_add)(float *out, const float *x,
	    const struct ops_dropout *, uint64_t first, size_t n);
	void (*dropout)(
	    float *x, const struct ops_dropout *, uint64_t first, size_t n);

	void (*attention)(float *out, size_t out_stride, const float *q,
	    size_t q_stride, const float *k, const float *v, size_t kv_stride,
	    const struct ops_dropout *, float *scratch, size_t first, size_t T,
	    size_t H, size_t D);
	void (*attention_half)(float *out, const float *q, const uint16_t *k,
	    const uint16_t *v, size_t kv_stride, float *scratch, size_t T,
	    size_t D);
	void (*attention_input)(float *dq, float *dk, float *dv,
	    const float *dout, size_t dout_stride, const float *q,
	    size_t q_stride, const float *k, const float *v, size_t kv_stride,
	    const struct ops_dropout *, float *scratch, size_t first, size_t T,
	    size_t H, size_t D);

	double (*squares)(const float *x, size_t n);
	void (*adamw)(float *w, float *m, float *v, const float *grad,
	    const struct ops_adamw *, size_t n);
	void (*from_half)(float *out, const uint16_t *x, size_t n);
	void (*to_half)(uint16_t *out, const float *x, size_t n);
	size_t (*find_infinite)(const float *x, size_t n);
};

/*
 * The table called isa, or where the processor lacks it, or isa is NULL or
 * unknown, the best that it has. Of the dots, avx512 is the best but for amx.
 */
const struct ops_kernels *ops_kernels_find(const char *isa);
const struct ops_dots *ops_dots_find(const char *isa);

extern const struct ops_kernels ops_kernels_generic;
extern const struct ops_dots ops_dots_generic;
#ifdef __x86_64__
extern const struct ops_kernels ops_kernels_avx2, ops_kernels_avx512;
extern const struct ops_dots ops_dots_avx2, ops_dots_avxvnni,
    ops_dots_avx512vnni, ops_dots_avx512bf16, ops_dots_amx;
#endif

#endif
