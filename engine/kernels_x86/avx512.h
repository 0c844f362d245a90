/* avx512.h - the AVX-512 kernels by name. Contracts: kernels.h. */
#ifndef HEADROOM_ENGINE_KERNELS_X86_AVX512_H
#define HEADROOM_ENGINE_KERNELS_X86_AVX512_H

#include <stdbool.h>

#include "engine/kernels/kernels.h"

kernel_multiply avx512_multiply_f32, avx512_multiply_f16, avx512_multiply_bf16;
kernel_multiply avx512_multiply_q4_0, avx512_multiply_q4_1, avx512_multiply_q5_0, avx512_multiply_q5_1;
kernel_multiply avx512_multiply_q8_0, avx512_multiply_iq4_nl, avx512_multiply_mxfp4;
kernel_multiply avx512_multiply_q4_k, avx512_multiply_q5_k, avx512_multiply_q6_k;
kernel_multiply avx512_score_f16;
kernel_mix avx512_mix_f16, avx512_mix_q8_0, avx512_mix_q4_0;
float avx512_maximum(const float *x, uint32_t n);
float avx512_exponential_sum(float *x, uint32_t n, float shift);

#endif
