/*
 * activation.h - how activations are laid out before they meet a weight row.
 *
 * A weight type says which of these it is multiplied with. Whole numbers keep the inner loops in integers: a column of
 * n values is one array of codes followed by its scales (and sums), so that the codes stay aligned; value = code * scale.
 *
 *   I16  int16 codes[n], float scales[n / 32], int32 sums[n / 32]       for types in blocks of 32; sums of their codes
 *   I8   int8 codes[n], float scales[n / 256], int16 sums[n / 16]      for types in blocks of 256; sums of 16 codes each
 *
 * Where a block has one scale, sixteen bits cost the same instructions as eight and leave no error that matters. Where
 * it has eight or sixteen, eight bits save a third of them.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ACTIVATION_H
#define HEADROOM_ENGINE_KERNELS_ACTIVATION_H

#include <stddef.h>
#include <stdint.h>

#define ACTIVATION_ALIGN 64u       /* of a column's first byte: a cache line, and the widest vector */
#define ACTIVATION_TINY  0x1p-100f /* a block with no larger magnitude is zero: its scale's inverse would overflow */

enum activation {
        ACTIVATION_F32,
        ACTIVATION_I16,
        ACTIVATION_I8,
        ACTIVATION_COUNT,
};

/* Bytes of one column of N values, padded so that the next one is aligned. */
static inline size_t activation_bytes(enum activation a, uint32_t n) {
        size_t bytes = (size_t) n * 4;
        if (a == ACTIVATION_I16)
                bytes = (size_t) n * 2 + (size_t) (n / 32) * 8;
        if (a == ACTIVATION_I8)
                bytes = (size_t) n + (size_t) (n / 256) * 4 + (size_t) (n / 16) * 2;
        return (bytes + ACTIVATION_ALIGN - 1) / ACTIVATION_ALIGN * ACTIVATION_ALIGN;
}

/* The most that N values need in a form other than F32. */
static inline size_t activation_bytes_max(uint32_t n) {
        size_t a = activation_bytes(ACTIVATION_I16, n), b = activation_bytes(ACTIVATION_I8, n);
        return a > b ? a : b;
}

/* Offsets of the pieces of a column. */
static inline size_t i16_scales_offset(uint32_t n) {
        return (size_t) n * 2;
}

static inline size_t i16_sums_offset(uint32_t n) {
        return (size_t) n * 2 + (size_t) (n / 32) * 4;
}

static inline size_t i8_scales_offset(uint32_t n) {
        return n;
}

static inline size_t i8_sums_offset(uint32_t n) {
        return (size_t) n + (size_t) (n / 256) * 4;
}

#endif
