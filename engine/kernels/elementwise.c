/* elementwise.c - see elementwise.h. */
#include "engine/kernels/elementwise.h"

#include <math.h>

#include "engine/gguf/half.h"

#define GELU_LINEAR 1.5957691f   /* 2 sqrt(2 / pi) */
#define GELU_CUBIC  0.071354814f /* the same times 0.044715 */
#define CAP_CHUNK   64u

void add_bias(float *x, const uint8_t *bias, uint32_t n) {
        for (uint32_t i = 0; bias && i < n; i++)
                x[i] += load_float(bias + 4 * (size_t) i);
}

void layer_norm(const float *x, const uint8_t *weight, const uint8_t *bias, uint32_t n, float epsilon, float *out) {
        double sum = 0, squares = 0;
        for (uint32_t i = 0; i < n; i++)
                sum += (double) x[i];
        double mean = sum / n;
        for (uint32_t i = 0; i < n; i++)
                squares += ((double) x[i] - mean) * ((double) x[i] - mean);
        float factor = (float) (1.0 / sqrt(squares / n + (double) epsilon));
        for (uint32_t i = 0; i < n; i++)
                out[i] = (x[i] - (float) mean) * factor * load_float(weight + 4 * (size_t) i) + load_float(bias + 4 * (size_t) i);
}

void gelu_as_swiglu(float *gate, float *up, uint32_t n) {
        for (uint32_t i = 0; i < n; i++) {
                float p = GELU_LINEAR + GELU_CUBIC * gate[i] * gate[i];
                gate[i] *= p;
                up[i] /= p;
        }
}

/* tanh(y) = sign(y) (1 - e) / (1 + e) with e = exp(-2 |y|), which the tables' exponential is good for. */
void soft_cap(const struct kernels *k, float *x, float cap, uint32_t n) {
        float e[CAP_CHUNK];
        for (uint32_t from = 0; from < n; from += CAP_CHUNK) {
                uint32_t count = n - from < CAP_CHUNK ? n - from : CAP_CHUNK;
                for (uint32_t i = 0; i < count; i++)
                        e[i] = -2 * fabsf(x[from + i]) / cap;
                (void) k->exponential_sum(e, count, 0);
                for (uint32_t i = 0; i < count; i++)
                        x[from + i] = copysignf(cap * (1 - e[i]) / (1 + e[i]), x[from + i]);
        }
}
