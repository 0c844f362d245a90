/*
 * net_math.h - the element-wise arithmetic that forward pass, backward pass and decoder share.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_NET_MATH_H
#define HEADROOM_TESTS_DEMO_MODEL_NET_MATH_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "tests/demo_model/gemm.h"

/*
 * e^x for x <= 88, to about 1e-7, without a call so that loops over it become vector code: 2^n by the
 * exponent bits, and the Taylor series of e^r on |r| <= ln(2) / 2.
 */
static inline float net_exp(float x) {
        float bounded = x < -87.0f ? -87.0f : x;
        float n = (bounded * 1.44269504f + 12582912.0f) - 12582912.0f; /* 1.5 * 2^23 rounds to an integer */
        float r = (bounded - n * 0.693359375f) + n * 2.12194440e-4f;   /* ln 2 in two parts */
        float e =
                1.0f +
                r * (1.0f + r * (0.5f + r * (1.66666667e-1f + r * (4.16666667e-2f + r * (8.33333333e-3f + r * 1.38888889e-3f)))));
        int32_t bits = ((int32_t) n + 127) << 23;
        float power;

        memcpy(&power, &bits, sizeof(power));
        return e * power;
}

static inline float net_sigmoid(float x) {
        return 1.0f / (1.0f + net_exp(-(x < -80.0f ? -80.0f : x)));
}

/* to = x * weight / rms(x); returns 1 / rms(x), which the gradient needs. */
static inline float net_normalize(float *restrict to, const float *restrict x, const float *restrict weight, size_t width,
                                  float epsilon) {
        float inverse = 1.0f / sqrtf(gemm_dot(x, x, width) / (float) width + epsilon);

        for (size_t i = 0; i < width; i++)
                to[i] = x[i] * inverse * weight[i];
        return inverse;
}

/* Turns adjacent pairs of one head by the angles whose cosines and sines are given; SIGN -1 turns back. */
static inline void net_rotate(float *head, size_t head_width, const float *turn, float sign) {
        for (size_t i = 0; i < head_width; i += 2) {
                float c = turn[i], s = turn[i + 1] * sign;
                float x = head[i], y = head[i + 1];

                head[i] = x * c - y * s;
                head[i + 1] = x * s + y * c;
        }
}

/* Scores to probabilities in place. */
static inline void net_softmax(float *x, size_t count) {
        float top = x[0], sum = 0.0f;

        for (size_t i = 1; i < count; i++)
                top = x[i] > top ? x[i] : top;
        for (size_t i = 0; i < count; i++)
                x[i] = net_exp(x[i] - top);
        for (size_t i = 0; i < count; i++)
                sum += x[i];
        for (size_t i = 0; i < count; i++)
                x[i] /= sum;
}

/* Row p of the result holds cosine and sine of each pair's angle at position p. NULL when out of memory. */
float *net_turns_new(size_t context, size_t head_width, float base);

#endif
