/*
 * All kernels for one instruction set: the build compiles this file once for
 * each, with -DOPS_AVX512, -DOPS_AVX2 or -DOPS_GENERIC and the compiler's
 * options for it. Only the table is visible outside.
 */
#include <math.h>
#include <stdbool.h>

#include "ops/kernels.h"

#include "ops/kernels/gelu.c"

#include "ops/kernels/f32.h"

#define KIND(name) f32_##name
#include "ops/kernels/tile.c"

#include "ops/kernels/cross.c"

#include "ops/kernels/product.c"

#include "ops/kernels/pack.c"

#include "ops/kernels/linear.c"
#undef KIND

#include "ops/kernels/norm.c"

#include "ops/kernels/dropout.c"

#include "ops/kernels/half.c"

#include "ops/kernels/attention.c"

#include "ops/kernels/update.c"

#if defined(OPS_AVX512)
#define TABLE ops_kernels_avx512
#define ISA "avx512"
#elif defined(OPS_AVX2)
#define TABLE ops_kernels_avx2
#define ISA "avx2"
#else
#define TABLE ops_kernels_generic
#define ISA "generic"
#endif

const struct ops_kernels TABLE = {
	.isa = ISA,
	.f32 = {
		.panel = PANEL,
		.packed_size = f32_packed_size,
		.pack = f32_pack,
		.pack_transposed = f32_pack_transposed,
		.product = f32_product,
		.left_size = f32_left_size,
		.left_rows = f32_left_rows,
		.linear_weight = f32_linear_weight,
	},
	.linear_bias = linear_bias,
	.norm = norm,
	.norm_input = norm_input,
	.norm_weight = norm_weight,
	.exp = exponentials,
	.gelu = gelu,
	.gelu_input = gelu_input,
	.greatest = greatest,
	.softmax = softmax,
	.dropout_add = dropout_add,
	.dropout = dropout,
	.attention = attention,
	.attention_half = attention_half,
	.attention_input = attention_input,
	.squares = squares,
	.adamw = adamw,
	.from_half = from_half,
	.to_half = to_half,
	.find_infinite = find_infinite,
};
