/*
 * avx2.h - the AVX2 kernels by name: avx2_vector.c and avx2_kv.c have those that know no weight type, the others products. Contracts: kernels.h.
 * Included by files that are compiled for AVX2, FMA and F16C alone; nothing here may run before the processor was asked.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_AVX2_H
#define HEADROOM_ENGINE_KERNELS_X86_AVX2_H

#include <immintrin.h>

#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"
#include "engine/kernels/unroll.h"

kernel_multiply avx2_multiply_f32, avx2_multiply_f16, avx2_multiply_bf16;
kernel_multiply avx2_multiply_q4_0, avx2_multiply_q4_1, avx2_multiply_q5_0, avx2_multiply_q5_1;
kernel_multiply avx2_multiply_q8_0, avx2_multiply_iq4_nl, avx2_multiply_mxfp4;
kernel_multiply avx2_multiply_q2_k, avx2_multiply_q3_k, avx2_multiply_q4_k, avx2_multiply_q5_k, avx2_multiply_q6_k;
kernel_multiply avx2_multiply_iq4_xs, avx2_multiply_iq2_xxs, avx2_multiply_iq2_xs, avx2_multiply_iq2_s;
kernel_multiply avx2_multiply_iq3_xxs, avx2_multiply_iq3_s, avx2_multiply_iq1_s, avx2_multiply_iq1_m;
/* With AVX-VNNI, where the processor has that: */
kernel_multiply avx_vnni_multiply_q4_0, avx_vnni_multiply_q4_1, avx_vnni_multiply_q5_0, avx_vnni_multiply_q5_1;
kernel_multiply avx_vnni_multiply_q8_0, avx_vnni_multiply_iq4_nl, avx_vnni_multiply_mxfp4;
kernel_multiply avx_vnni_multiply_q4_k, avx_vnni_multiply_q5_k, avx_vnni_multiply_q6_k;

kernel_prepare avx2_prepare_i16, avx2_prepare_i8;
kernel_store avx2_store_f16, avx2_store_q8_0, avx2_store_q4_0;
kernel_dequantize avx2_load_f16, avx2_load_q8_0;
kernel_mix avx2_mix_f16, avx2_mix_q8_0, avx2_mix_q4_0;
void avx2_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out);
void avx2_hadamard(float *x, uint32_t n);
void avx2_add(float *x, const float *y, uint32_t n);
void avx2_scale(float *x, float factor, uint32_t n);
void avx2_swiglu(float *gate, const float *up, uint32_t n);
float avx2_maximum(const float *x, uint32_t n);
float avx2_exponential_sum(float *x, uint32_t n, float shift);

/* clang-format off */
/* What tables of sets for later processors take from here: the types that they have no products of their own for, */
#define AVX2_TYPES_256 \
        [TENSOR_Q2_K] = { ACTIVATION_I8, portable_dequantize_q2_k, avx2_multiply_q2_k }, \
        [TENSOR_Q3_K] = { ACTIVATION_I8, portable_dequantize_q3_k, avx2_multiply_q3_k }, \
        [TENSOR_IQ4_XS] = { ACTIVATION_I8, portable_dequantize_iq4_xs, avx2_multiply_iq4_xs }, \
        [TENSOR_IQ2_XXS] = { ACTIVATION_I8, portable_dequantize_iq2_xxs, avx2_multiply_iq2_xxs }, \
        [TENSOR_IQ2_XS] = { ACTIVATION_I8, portable_dequantize_iq2_xs, avx2_multiply_iq2_xs }, \
        [TENSOR_IQ2_S] = { ACTIVATION_I8, portable_dequantize_iq2_s, avx2_multiply_iq2_s }, \
        [TENSOR_IQ3_XXS] = { ACTIVATION_I8, portable_dequantize_iq3_xxs, avx2_multiply_iq3_xxs }, \
        [TENSOR_IQ3_S] = { ACTIVATION_I8, portable_dequantize_iq3_s, avx2_multiply_iq3_s }, \
        [TENSOR_IQ1_S] = { ACTIVATION_I8, portable_dequantize_iq1_s, avx2_multiply_iq1_s }, \
        [TENSOR_IQ1_M] = { ACTIVATION_I8, portable_dequantize_iq1_m, avx2_multiply_iq1_m },
/* and what knows no weight type. */
#define AVX2_VECTORS \
        .prepare = { \
                [ACTIVATION_I16] = avx2_prepare_i16, \
                [ACTIVATION_I8]  = avx2_prepare_i8, \
        }, \
        .kv = { \
                [KV_F16]  = { avx2_load_f16, avx2_store_f16, avx2_mix_f16, NULL }, \
                [KV_Q8_0] = { avx2_load_q8_0, avx2_store_q8_0, avx2_mix_q8_0, NULL }, \
                [KV_Q4_0] = { portable_dequantize_q4_0, avx2_store_q4_0, avx2_mix_q4_0, NULL }, \
        }, \
        .rms_norm = avx2_rms_norm, \
        .hadamard = avx2_hadamard, \
        .add = avx2_add, \
        .scale = avx2_scale, \
        .swiglu = avx2_swiglu, \
        .maximum = avx2_maximum, \
        .exponential_sum = avx2_exponential_sum,
/* clang-format on */

/*
 * The sums of the eight lanes of each of four vectors, each as ((0+1)+(2+3)) + ((4+5)+(6+7)): one order for all
 * products, whether four rows are finished together or one.
 */
ALWAYS_INLINE __m128 sums_of_four(__m256 a, __m256 b, __m256 c, __m256 d) {
        __m256 quarters = _mm256_hadd_ps(_mm256_hadd_ps(a, b), _mm256_hadd_ps(c, d));
        return _mm_add_ps(_mm256_castps256_ps128(quarters), _mm256_extractf128_ps(quarters, 1));
}

ALWAYS_INLINE float largest_lane(__m256 x) {
        __m128 m = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
        m = _mm_max_ps(m, _mm_movehl_ps(m, m));
        return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
}

ALWAYS_INLINE float sum_of(__m256 a) {
        return _mm_cvtss_f32(sums_of_four(a, a, a, a));
}

#endif
