/*
 * neon.h - the kernels of 64-bit ARM by name: neon_vector.c has those that know no weight type, neon_float.c the products of floats.
 * The others are per set: neon.c for every such processor, dotprod.c and i8mm.c for those with these instructions. Contracts: kernels.h.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_NEON_H
#define HEADROOM_ENGINE_KERNELS_ARM_NEON_H

#include <arm_neon.h>

#include "engine/kernels/portable.h"
#include "engine/kernels/unroll.h"
#include "engine/kernels_arm/sets.h"

/* All columns in fours, then one by one: TILE is an expression that knows them by C and COLUMNS. */
#define FOR_COLUMNS(p, c, tile)                               \
        do {                                                  \
                uint32_t c = 0;                               \
                for (; c + 4 <= (p)->columns_count; c += 4) { \
                        enum { columns = 4 };                 \
                        tile;                                 \
                }                                             \
                for (; c < (p)->columns_count; c++) {         \
                        enum { columns = 1 };                 \
                        tile;                                 \
                }                                             \
        } while (0)

kernel_multiply neon_multiply_f32, neon_multiply_f16, neon_multiply_bf16;

/* clang-format off */
/* DEFINE(type, tensor type) for each quantised type, in blocks of 32 and of 256. */
#define NEON_EACH_32(define) \
        define(q4_0, TENSOR_Q4_0) define(q4_1, TENSOR_Q4_1) define(q5_0, TENSOR_Q5_0) define(q5_1, TENSOR_Q5_1) \
        define(q8_0, TENSOR_Q8_0) define(iq4_nl, TENSOR_IQ4_NL) define(mxfp4, TENSOR_MXFP4)
#define NEON_EACH_256(define) \
        define(q2_k, TENSOR_Q2_K) define(q3_k, TENSOR_Q3_K) define(q4_k, TENSOR_Q4_K) define(q5_k, TENSOR_Q5_K) \
        define(q6_k, TENSOR_Q6_K) define(iq4_xs, TENSOR_IQ4_XS) define(iq2_xxs, TENSOR_IQ2_XXS) define(iq2_xs, TENSOR_IQ2_XS) \
        define(iq2_s, TENSOR_IQ2_S) define(iq3_xxs, TENSOR_IQ3_XXS) define(iq3_s, TENSOR_IQ3_S) define(iq1_s, TENSOR_IQ1_S) \
        define(iq1_m, TENSOR_IQ1_M)

/* What tables hold: the products of the file itself, multiply_TYPE, and what all sets have in common. */
#define NEON_ROW_32(type, id)  [id] = { ACTIVATION_I16, portable_dequantize_##type, multiply_##type },
#define NEON_ROW_256(type, id) [id] = { ACTIVATION_I8, portable_dequantize_##type, multiply_##type },
#define NEON_TABLE(set) \
        .name = set, \
        .types = { \
                [TENSOR_F32] = { ACTIVATION_F32, portable_dequantize_f32, neon_multiply_f32 }, \
                [TENSOR_F16] = { ACTIVATION_F32, portable_dequantize_f16, neon_multiply_f16 }, \
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, neon_multiply_bf16 }, \
                NEON_EACH_32(NEON_ROW_32) \
                NEON_EACH_256(NEON_ROW_256) \
        }, \
        .prepare = { \
                [ACTIVATION_I16] = neon_prepare_i16, \
                [ACTIVATION_I8] = neon_prepare_i8, \
        }, \
        .kv = { \
                [KV_F16] = { neon_load_f16, neon_store_f16, neon_mix_f16, NULL }, \
                [KV_Q8_0] = { neon_load_q8_0, neon_store_q8_0, neon_mix_q8_0, NULL }, \
                [KV_Q4_0] = { portable_dequantize_q4_0, neon_store_q4_0, neon_mix_q4_0, NULL }, \
        }, \
        .rms_norm = neon_rms_norm, \
        .hadamard = neon_hadamard, \
        .add = neon_add, \
        .scale = neon_scale, \
        .swiglu = neon_swiglu, \
        .maximum = neon_maximum, \
        .exponential_sum = neon_exponential_sum,
/* clang-format on */

kernel_prepare neon_prepare_i16, neon_prepare_i8;
kernel_dequantize neon_load_f16, neon_load_q8_0;
kernel_store neon_store_f16, neon_store_q8_0, neon_store_q4_0;
kernel_mix neon_mix_f16, neon_mix_q8_0, neon_mix_q4_0;
void neon_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out);
void neon_hadamard(float *x, uint32_t n);
void neon_add(float *x, const float *y, uint32_t n);
void neon_scale(float *x, float factor, uint32_t n);
void neon_swiglu(float *gate, const float *up, uint32_t n);
float neon_maximum(const float *x, uint32_t n);
float neon_exponential_sum(float *x, uint32_t n, float shift);

#endif
