/*
 * The kernels: pure functions on the caller's arrays, outputs first, sizes
 * last; they allocate nothing and cannot fail. They may be called by several
 * threads at once, and use up to 1.3 MiB of stack. All matrices are row-major
 * float32; a stride is the distance of two rows in floats.
 *
 * Every row of a result has the same bits whatever the other rows hold, how
 * many there are and where among them it stands, except where said otherwise.
 *
 * M rows, K inputs and N outputs of a product; T tokens of one record,
 * C channels, H heads, D = C / H channels of a head.
 */
#ifndef OPS_OPS_H
#define OPS_OPS_H

#include <stddef.h>
#include <stdint.h>

enum ops_precision { OPS_F32, OPS_BF16, OPS_INT8 };

/*
 * The kernels in use, for --version and -v: "generic", "avx2", "avx512" ...
 * They are chosen at the first call of any kernel from what the processor has;
 * GPT2_ISA=generic|avx2|avx512 asks for others.
 */
const char *ops_describe(enum ops_precision);

/*
 * ---- products with packed weights ----
 *
 * bf16: x and w are rounded to bfloat16, sums are float32. int8: w has a scale
 * for each column, x one for each 128 neighbouring numbers of a row; within
 * these the sums are exact. Subnormal numbers count as 0.
 */

enum ops_after {
	OPS_SET,  /* out = x w + b */
	OPS_GELU, /* out = gelu(x w + b) */
	OPS_ADD	  /* out = out + (x w + b) */
};

/* Floats that w (K, N) takes when packed. */
size_t ops_packed_size(enum ops_precision, size_t K, size_t N);

/*
 * Packs w (K, N), or the transpose of w (N, K), for these kernels into packed,
 * aligned to 64 bytes. In f32 and bf16, columns may be packed apart: those from
 * j on, a multiple of 64, lie ops_packed_size(K, j) floats from the first. Of
 * int8 no transpose is packed.
 */
void ops_pack(float *packed, const float *w, size_t w_stride,
    enum ops_precision, size_t K, size_t N);
void ops_pack_transposed(float *packed, const float *w, size_t w_stride,
    enum ops_precision, size_t K, size_t N);

/* out (M, N) from x (M, K), packed w (K, N) and bias (N), or NULL for none. */
void ops_product(float *out, size_t out_stride, const float *x, size_t x_stride,
    const float *packed, const float *bias, enum ops_precision, enum ops_after,
    size_t M, size_t K, size_t N);

/*
 * The same in two steps, for several products with one x, or with slices of
 * one w: x is made ready once. Floats that it takes; its rows first ... end - 1
 * to left, aligned to 64 bytes (threads may take some rows each); the product,
 * the same to the last bit.
 */
size_t ops_left_size(enum ops_precision, size_t M, size_t K);
void ops_left(float *left, const float *x, size_t x_stride, enum ops_precision,
    size_t first, size_t end, size_t M, size_t K);
void ops_product_left(float *out, size_t out_stride, const float *left,
    const float *packed, const float *bias, enum ops_precision, enum ops_after,
    size_t M, size_t K, size_t N);

/* ---- gradients of weights ---- */

/*
 * dw (K, N) += x^T dy, from x (M, K) and dy (M, N), in f32, or in bf16: both
 * are rounded to bfloat16, sums are float32.
 */
void ops_linear_weight(float *dw, size_t dw_stride, const float *x,
    size_t x_stride, const float *dy, size_t dy_stride, enum ops_precision,
    size_t M, size_t K, size_t N);

/* db (N) += the sum of the rows of dy (M, N), in order. */
void ops_linear_bias(
    float *db, const float *dy, size_t dy_stride, size_t M, size_t N);

/* ---- layer norm: y = (x - mean) rstd w + b; Ba et al. 2016 ---- */

/* mean and rstd (M) are kept for the backward pass; both may be NULL. */
void ops_norm(float *out, float *mean, float *rstd, const float *x,
    const float *w, const float *b, float epsilon, size_t M, size_t C);

/* dx (M, C) += the gradient through the norm. */
void ops_norm_input(float *dx, const float *dy, const float *x,
    const float *mean, const float *rstd, const float *w, size_t M, size_t C);

/* dw (C) and db (C) += theirs, summed over the rows in order. */
void ops_norm_weight(float *dw, float *db, const float *dy, const float *x,
    const float *mean, const float *rstd, size_t M, size_t C);

/* ---- GELU, tanh form: Hendrycks & Gimpel 2016, section 2 ---- */

/* gelu(x) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3). */
void ops_gelu(float *out, const float *x, size_t n);

/* dx = dy gelu'(x); dx may be dy. */
void ops_gelu_input(float *dx, const float *dy, const float *x, size_t n);

/* ---- dropout: Srivastava et al. 2014, inverted ---- */

/*
 * Which numbers to drop: a function of key, site, row, and the number's place
 * alone (Philox 4x32-10: Salmon et al. 2011). rate is rounded to a multiple of
 * 2^-16; 0 drops nothing. What is kept is scaled by 1 / (1 - rate).
 */
struct ops_dropout {
	float rate;
	uint64_t key;  /* seed and step */
	uint32_t site; /* which dropout of the network */
	uint32_t row;  /* which row of the batch */
};

/* out (n) += x (n) dropped out; first is the place of x[0], 0 mod 8. */
void ops_dropout_add(float *out, const float *x, const struct ops_dropout *,
    uint64_t first, size_t n);

/* x (n) dropped out in place. */
void ops_dropout(
    float *x, const struct ops_dropout *, uint64_t first, size_t n);

/* ---- causal attention of one record: Vaswani et al. 2017, 3.2 ---- */

/*
 * For the queries at positions first … T-1: out (T - first, C) from q
 * (T - first, C), k and v (T, C), heads side by side in each row:
 * softmax(q k^T / sqrt(D)) v over the positions up to the query's own. drop
 * applies to the softmax's weights; NULL for none. The weight of a head, query
 * and key has the place (head T + query) T8 + key, T8 being T rounded up to a
 * multiple of 8. scratch: T floats.
 */
void ops_attention(float *out, size_t out_stride, const float *q,
    size_t q_stride, const float *k, const float *v, size_t kv_stride,
    const struct ops_dropout *drop, float *scratch, size_t first, size_t T,
    size_t H, size_t D);

/*
 * The same for one head's query at position T - 1, with keys and values in
 * float16: out (D) from q (D), k and v (T, D), and the same bits as with these
 * in float32. scratch: T floats.
 */
void ops_attention_half(float *out, const float *q, const uint16_t *k,
    const uint16_t *v, size_t kv_stride, float *scratch, size_t T, size_t D);

/*
 * dq (T - first, C) =, dk and dv (T, C) =, from dout (T - first, C) and the
 * same inputs; the weights are computed again. scratch: 3 T floats. dq has
 * the stride of q, dk and dv that of k and v.
 */
void ops_attention_input(float *dq, float *dk, float *dv, const float *dout,
    size_t dout_stride, const float *q, size_t q_stride, const float *k,
    const float *v, size_t kv_stride, const struct ops_dropout *drop,
    float *scratch, size_t first, size_t T, size_t H, size_t D);

/* ---- the rest ---- */

/* Where the greatest of n >= 1 numbers stands, the first among equals. */
size_t ops_greatest(const float *x, size_t n);

/* p (n) = softmax(x); returns log(sum(exp(x))), in double. */
double ops_softmax(float *p, const float *x, size_t n);

/* The sum of squares, in double, in a fixed order. */
double ops_squares(const float *x, size_t n);

/*
 * AdamW (Loshchilov & Hutter 2019, algorithm 2) with bias correction:
 * g = scale * grad; m = b1 m + (1 - b1) g; v = b2 v + (1 - b2) g^2;
 * w -= rate ((m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + epsilon) + decay w).
 */
struct ops_adamw {
	float beta1, beta2, epsilon;
	float correct1, correct2; /* 1 - beta^t */
	float rate, decay, scale;
};

void ops_adamw(float *w, float *m, float *v, const float *grad,
    const struct ops_adamw *, size_t n);

/* IEEE half precision (binary16), to nearest, ties to even. */
void ops_from_half(float *out, const uint16_t *x, size_t n);
void ops_to_half(uint16_t *out, const float *x, size_t n);

/* The first value that is not finite, or n. */
size_t ops_find_infinite(const float *x, size_t n);

#endif
