/* half.h - IEEE half, bfloat16 and unaligned floats in portable C, bit by bit. */
#ifndef HEADROOM_ENGINE_GGUF_HALF_H
#define HEADROOM_ENGINE_GGUF_HALF_H

#include <stdint.h>
#include <string.h>

static inline float float_from_bits(uint32_t bits) {
        float f;
        memcpy(&f, &bits, sizeof(f));
        return f;
}

static inline uint32_t float_to_bits(float f) {
        uint32_t bits;
        memcpy(&bits, &f, sizeof(bits));
        return bits;
}

static inline float half_to_float(uint16_t h) {
        uint32_t sign = (uint32_t) (h & 0x8000u) << 16;
        uint32_t exponent = (h >> 10) & 31u, mantissa = h & 1023u;
        if (exponent == 31)
                return float_from_bits(sign | 0x7f800000u | mantissa << 13);
        if (exponent == 0) {
                float f = (float) mantissa * 0x1p-24f;
                return sign ? -f : f;
        }
        return float_from_bits(sign | (exponent + 112) << 23 | mantissa << 13);
}

/* Nearest, ties to even; what is too large becomes infinite. */
static inline uint16_t half_from_float(float f) {
        uint32_t bits = float_to_bits(f), magnitude = bits & 0x7fffffffu;
        uint32_t sign = bits >> 16 & 0x8000u;
        if (magnitude > 0x7f800000u)
                return (uint16_t) (sign | 0x7e00u);
        if (magnitude >= 0x477ff000u) /* 65520: the first that rounds past 65504 */
                return (uint16_t) (sign | 0x7c00u);
        if (magnitude < 0x38800000u) /* below 2^-14: adding 1/2 leaves the rounded multiple of 2^-24 in the low bits */
                return (uint16_t) (sign | (float_to_bits(float_from_bits(magnitude) + 0.5f) - 0x3f000000u));
        magnitude += 0xfffu + (magnitude >> 13 & 1u);
        return (uint16_t) (sign | (magnitude - 0x38000000u) >> 13);
}

static inline uint16_t load_u16(const uint8_t *bytes) {
        return (uint16_t) (bytes[0] | bytes[1] << 8);
}

static inline uint32_t load_u32(const uint8_t *bytes) {
        return load_u16(bytes) | (uint32_t) load_u16(bytes + 2) << 16;
}

static inline void store_u16(uint8_t *bytes, uint16_t value) {
        bytes[0] = (uint8_t) value;
        bytes[1] = (uint8_t) (value >> 8);
}

static inline float load_half(const uint8_t *bytes) {
        return half_to_float(load_u16(bytes));
}

/* 2^(EXPONENT - 128): half the power of two that a byte of OCP's E8M0 means. The two smallest are subnormal. */
static inline float half_of_power(uint8_t exponent) {
        return float_from_bits(exponent < 2 ? 0x200000u << exponent : (uint32_t) (exponent - 1) << 23);
}

static inline float load_bfloat(const uint8_t *bytes) {
        return float_from_bits((uint32_t) load_u16(bytes) << 16);
}

static inline float load_float(const uint8_t *bytes) {
        float f;
        memcpy(&f, bytes, sizeof(f));
        return f;
}

#endif
