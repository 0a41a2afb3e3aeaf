/*
 * The products in bfloat16 and int8 for one instruction set: the build
 * compiles this file once for each, as kernels.c, and with the options for
 * the processor's dot products where it has them.
 */
#include <math.h>
#include <stdbool.h>

#include "ops/kernels.h"

#include "ops/kernels/bf16.h"
#include "ops/kernels/int8.h"
#ifdef OPS_AMX
#include "ops/kernels/amx.h"
#endif

#define KIND(name) bf16_##name
#ifndef OPS_AMX
#include "ops/kernels/tile.c"

#include "ops/kernels/cross.c"
#endif

#include "ops/kernels/product.c"

#include "ops/kernels/pack.c"

#include "ops/kernels/linear.c"
#undef KIND

#define KIND(name) int8_##name
#ifndef OPS_AMX
#include "ops/kernels/tile.c"
#endif

#include "ops/kernels/product.c"
#undef KIND

#if defined(OPS_AMX)
#define TABLE ops_dots_amx
#define ISA "amx"
#elif defined(__AVX512BF16__)
#define TABLE ops_dots_avx512bf16
#define ISA "avx512bf16"
#elif defined(OPS_AVX512)
#define TABLE ops_dots_avx512vnni
#define ISA "avx512vnni"
#elif defined(__AVXVNNI__)
#define TABLE ops_dots_avxvnni
#define ISA "avxvnni"
#elif defined(OPS_AVX2)
#define TABLE ops_dots_avx2
#define ISA "avx2"
#else
#define TABLE ops_dots_generic
#define ISA "generic"
#endif

const struct ops_dots TABLE = {
	.isa = ISA,
	.bf16 = {
		.panel = PANEL,
		.packed_size = bf16_packed_size,
		.pack = bf16_pack,
		.pack_transposed = bf16_pack_transposed,
		.product = bf16_product,
		.left_size = bf16_left_size,
		.left_rows = bf16_left_rows,
		.linear_weight = bf16_linear_weight,
	},
	.int8 = {
		.panel = PANEL,
		.packed_size = int8_packed_size,
		.pack = int8_pack,
		.product = int8_product,
		.left_size = int8_left_size,
		.left_rows = int8_left_rows,
	},
};
