/*
 * activation.h - how activations are laid out before they meet a weight row.
 *
 * A weight type says which of these it is multiplied with. 8-bit activations keep the inner loops in integers:
 * a column of n values is one array of codes followed by its scales (and sums), so that the codes stay aligned.
 *
 *   Q8_32   int8 codes[n], float scales[n / 32]                          value = code * scale
 *   Q8_256  int8 codes[n], float scales[n / 256], int16 sums[n / 16]     sums: of 16 codes each, for types with minima
 */
#ifndef HEADROOM_ENGINE_KERNELS_ACTIVATION_H
#define HEADROOM_ENGINE_KERNELS_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#define ACTIVATION_ALIGN 64u            /* of a column's first byte: a cache line, and the widest vector */
#define ACTIVATION_TINY 0x1p-100f       /* a block with no larger magnitude is zero: its scale's inverse would overflow */

enum activation {
        ACTIVATION_F32,
        ACTIVATION_Q8_32,
        ACTIVATION_Q8_256,
        ACTIVATION_COUNT,
};

/* Bytes of one column of N values, padded so that the next one is aligned. */
static inline size_t activation_bytes(enum activation a, uint32_t n) {
        size_t bytes = (size_t)n * 4;
        if (a == ACTIVATION_Q8_32)
                bytes = (size_t)n + (size_t)(n / 32) * 4;
        if (a == ACTIVATION_Q8_256)
                bytes = (size_t)n + (size_t)(n / 256) * 4 + (size_t)(n / 16) * 2;
        return (bytes + ACTIVATION_ALIGN - 1) / ACTIVATION_ALIGN * ACTIVATION_ALIGN;
}

/* The most that any 8-bit form of N values needs. */
static inline size_t activation_bytes_max(uint32_t n) {
        size_t a = activation_bytes(ACTIVATION_Q8_32, n), b = activation_bytes(ACTIVATION_Q8_256, n);
        return a > b ? a : b;
}

static inline const int8_t *activation_codes(const uint8_t *column) {
        return (const int8_t *)column;
}

static inline const float *activation_scales(const uint8_t *column, uint32_t n) {
        return (const float *)(const void *)(column + n);
}

static inline const int16_t *activation_sums(const uint8_t *column, uint32_t n) {
        return (const int16_t *)(const void *)(column + n + (size_t)(n / 256) * 4);
}

#endif
