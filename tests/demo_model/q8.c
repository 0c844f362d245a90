/*
 * q8.c - half precision and Q8_0 blocks.
 */
#include "tests/demo_model/q8.h"

#include <math.h>
#include <string.h>

uint16_t q8_half_from_float(float x) {
        uint32_t bits;

        memcpy(&bits, &x, sizeof(bits));
        uint32_t sign = bits >> 16 & 0x8000, magnitude = bits & 0x7fffffff;

        if (magnitude >= 0x7f800000) /* infinite, or not a number */
                return (uint16_t) (sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00));
        if (magnitude >= 0x47800000) /* 65536 and more */
                return (uint16_t) (sign | 0x7c00);
        if (magnitude < 0x38800000) /* below 2^-14: a count of 2^-24 */
                return (uint16_t) (sign | (uint32_t) nearbyintf(fabsf(x) * 0x1p24f));
        uint32_t kept = magnitude - 0x38000000, odd = kept >> 13 & 1;

        return (uint16_t) (sign | ((kept + 0xfff + odd) >> 13));
}

float q8_half_to_float(uint16_t half) {
        int exponent = half >> 10 & 31, fraction = half & 1023;
        float magnitude = exponent ? ldexpf((float) (1024 + fraction), exponent - 25) : ldexpf((float) fraction, -24);

        if (exponent == 31)
                magnitude = fraction ? NAN : INFINITY;
        return half & 0x8000 ? -magnitude : magnitude;
}

void q8_encode(struct q8_block *block, const float *x) {
        float largest = 0.0f;

        for (int i = 0; i < Q8_VALUES; i++)
                largest = fmaxf(largest, fabsf(x[i]));
        float inverse = largest > 0.0f ? 127.0f / largest : 0.0f;

        block->scale = q8_half_from_float(largest / 127.0f);
        for (int i = 0; i < Q8_VALUES; i++)
                block->values[i] = (int8_t) lrintf(x[i] * inverse);
}

void q8_decode(float *x, const struct q8_block *block) {
        float scale = q8_half_to_float(block->scale);

        for (int i = 0; i < Q8_VALUES; i++)
                x[i] = scale * (float) block->values[i];
}
