/*
 * random_blocks.h - weights of any tensor type that are random: blocks filled with random bits directly, scaled so that their
 * values have a given standard deviation. Block layouts are those of the GGUF specification.
 */
#ifndef HEADROOM_TESTS_RANDOM_BLOCKS_H
#define HEADROOM_TESTS_RANDOM_BLOCKS_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "engine/gguf/tensor_type.h"
#include "tests/block_scale.h"
#include "tests/random_bits.h"

static inline void random_fill(void *out, size_t count) {
        uint8_t *bytes = out;
        for (; count >= 8; count -= 8, bytes += 8) {
                uint64_t bits = random_bits();
                memcpy(bytes, &bits, 8);
        }
        uint64_t bits = random_bits();
        memcpy(bytes, &bits, count);
}

static inline void put_u16(uint8_t *at, unsigned value) {
        at[0] = (uint8_t) value;
        at[1] = (uint8_t) (value >> 8);
}

/* A positive normal number as IEEE 754 half precision; precise enough for a scale. */
static inline void put_half(uint8_t *at, double value) {
        int exponent;
        double mantissa = frexp(value, &exponent); /* 0.5 .. 1 */
        if (value < ldexp(1, -14))
                put_u16(at, (unsigned) (value * 0x1p24)); /* subnormal */
        else
                put_u16(at, (unsigned) ((exponent + 14) << 10) + (unsigned) ((mantissa * 2 - 1) * 1024));
}

/*
 * A float with MANTISSA bits of mantissa, uniform over +-2^POWER: each lower exponent is half as likely. Its bits in
 * the format with that mantissa and the exponent bias BIAS, below a sign at bit SIGN.
 */
static inline uint32_t random_float(int power, unsigned mantissa, int bias, unsigned sign) {
        uint64_t bits = random_bits();
        int exponent = bias + power - 1 - __builtin_ctzll(bits | 1u << 12);
        uint32_t below = (uint32_t) (bits >> 40) & ((1u << mantissa) - 1);
        if (exponent < 1)
                exponent = 0;
        return ((uint32_t) (bits >> 16) & 1u) << sign | (uint32_t) exponent << mantissa | below;
}

/* ---- blocks: each fills one block with values of standard deviation DEVIATION ---- */

static inline int power_of(double deviation) { /* uniform over +-a has deviation a / sqrt(3) */
        return (int) lround(log2(deviation * 1.7320508));
}

static inline void fill_f32(uint8_t *block, double deviation) {
        uint32_t bits = random_float(power_of(deviation), 23, 127, 31);
        for (unsigned i = 0; i < 4; i++)
                block[i] = (uint8_t) (bits >> 8 * i);
}

static inline void fill_f16(uint8_t *block, double deviation) {
        put_u16(block, random_float(power_of(deviation), 10, 15, 15));
}

static inline void fill_bf16(uint8_t *block, double deviation) {
        put_u16(block, random_float(power_of(deviation), 7, 127, 15));
}

static inline void fill_q8_0(uint8_t *block, double deviation) {
        put_half(block, deviation / 73.9); /* of -128 .. 127, each as likely */
        random_fill(block + 2, 32);
}

static inline void fill_q4_0(uint8_t *block, double deviation) {
        put_half(block, deviation / 4.61); /* of -8 .. 7 */
        random_fill(block + 2, 16);
}

/* Scales and minima of 6 bits for 8 sub-blocks, packed as Q4_K and Q5_K have them. The minimum of each equals its scale. */
static inline void put_scales(uint8_t *at) {
        uint8_t scale[8];
        for (unsigned i = 0; i < 8; i++)
                scale[i] = (uint8_t) (24 + random_bits() % 16);
        for (unsigned i = 0; i < 4; i++) {
                at[i] = at[i + 4] = (uint8_t) (scale[i] | (scale[i + 4] >> 4) << 6);
                at[i + 8] = (uint8_t) ((scale[i + 4] & 15) | (scale[i + 4] & 15) << 4);
        }
}

static inline void fill_q4_k(uint8_t *block, double deviation) {
        double scale = deviation / (31.5 * 4.61);
        put_half(block, scale);
        put_half(block + 2, scale * 7.5); /* the mean of 0 .. 15 becomes 0 */
        put_scales(block + 4);
        random_fill(block + 16, 128);
}

static inline void fill_q5_k(uint8_t *block, double deviation) {
        double scale = deviation / (31.5 * 9.23);
        put_half(block, scale);
        put_half(block + 2, scale * 15.5);
        put_scales(block + 4);
        random_fill(block + 16, 32 + 128);
}

static inline void fill_q6_k(uint8_t *block, double deviation) {
        random_fill(block, 128 + 64);
        for (unsigned i = 0; i < 16; i++)
                block[192 + i] = (uint8_t) (24 + random_bits() % 16);
        put_half(block + 208, deviation / (31.5 * 18.5));
}

typedef void fill_block(uint8_t *block, double deviation);

static fill_block *const fills[TENSOR_TYPE_COUNT] = {
        [TENSOR_F32] = fill_f32,   [TENSOR_F16] = fill_f16,   [TENSOR_BF16] = fill_bf16, [TENSOR_Q8_0] = fill_q8_0,
        [TENSOR_Q4_0] = fill_q4_0, [TENSOR_Q4_K] = fill_q4_k, [TENSOR_Q5_K] = fill_q5_k, [TENSOR_Q6_K] = fill_q6_k,
};

/* One block of TYPE. Types without a function of their own: any bits, below a scale that was measured. */
static inline void random_block(enum tensor_type type, uint8_t *block, double deviation) {
        if (fills[type]) {
                fills[type](block, deviation);
                return;
        }
        random_fill(block, tensor_type_info(type)->block_bytes);
        block_put_deviation(type, block, (float) deviation);
}

#endif
