/*
 * elementwise.h - steps that only some architectures have, in plain C over what the tables already offer: written once for
 * all instruction sets. Each value depends on its own place alone, or on its own row, so the bits do too.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ELEMENTWISE_H
#define HEADROOM_ENGINE_KERNELS_ELEMENTWISE_H

#include "engine/kernels/kernels.h"

/* x += bias; BIAS is N floats as stored, or NULL: nothing. */
void add_bias(float *x, const uint8_t *bias, uint32_t n);
/* out = (x - mean) / sqrt(variance + epsilon) * weight + bias. May work in place. (Ba et al., "Layer Normalization", 2016) */
void layer_norm(const float *x, const uint8_t *weight, const uint8_t *bias, uint32_t n, float epsilon, float *out);
/*
 * Makes of GATE and UP such that swiglu gives GELU(gate) * up. GELU by its tanh form (Hendrycks and Gimpel, 2016) is
 * x * sigmoid(t) with t = x * p(x), p(x) = 2 sqrt(2 / pi) (1 + 0.044715 x^2): so gate becomes t and up is divided by p.
 */
void gelu_as_swiglu(float *gate, float *up, uint32_t n);
/* x = cap * tanh(x / cap) */
void soft_cap(const struct kernels *k, float *x, float cap, uint32_t n);

#endif
