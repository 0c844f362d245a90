/*
 * portable.h - the plain C kernels by name: portable.c has those of the weight types, portable_vector.c the rest.
 * Another set may put any of them into its table where it has nothing better. Contracts: kernels.h.
 */
#ifndef HEADROOM_ENGINE_KERNELS_PORTABLE_H
#define HEADROOM_ENGINE_KERNELS_PORTABLE_H

#include "engine/kernels/kernels.h"

kernel_dequantize portable_dequantize_f32, portable_dequantize_f16, portable_dequantize_bf16;
kernel_dequantize portable_dequantize_q4_0, portable_dequantize_q4_1, portable_dequantize_q5_0, portable_dequantize_q5_1;
kernel_dequantize portable_dequantize_q8_0, portable_dequantize_iq4_nl, portable_dequantize_mxfp4;
kernel_dequantize portable_dequantize_q2_k, portable_dequantize_q3_k, portable_dequantize_q4_k, portable_dequantize_q5_k;
kernel_dequantize portable_dequantize_q6_k, portable_dequantize_iq4_xs, portable_dequantize_iq2_xxs, portable_dequantize_iq2_xs;
kernel_dequantize portable_dequantize_iq2_s, portable_dequantize_iq3_xxs, portable_dequantize_iq3_s;
kernel_dequantize portable_dequantize_iq1_s, portable_dequantize_iq1_m;
kernel_store portable_store_f16, portable_store_q8_0, portable_store_q4_0;
kernel_mix portable_mix_f16, portable_mix_q8_0, portable_mix_q4_0;
void portable_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out);
void portable_hadamard(float *x, uint32_t n);
void portable_add(float *x, const float *y, uint32_t n);
void portable_scale(float *x, float factor, uint32_t n);
void portable_swiglu(float *gate, const float *up, uint32_t n);
float portable_maximum(const float *x, uint32_t n);
float portable_exponential_sum(float *x, uint32_t n, float shift);

#endif
