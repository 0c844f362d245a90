/*
 * block_scale.h - where the scale of a block lies, for tests that fill blocks with random bits: any bits are a block with
 * tame values, once its scale and its minimum are tame.
 */
#ifndef HEADROOM_TESTS_BLOCK_SCALE_H
#define HEADROOM_TESTS_BLOCK_SCALE_H

#include <math.h>
#include <stddef.h>

#include "engine/gguf/block.h"
#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"

/* Of the halves in a block; what is not listed begins with its scale and has no minimum (0). */
static const struct {
        uint8_t scale, minimum;
} block_halves[TENSOR_TYPE_COUNT] = {
        [TENSOR_Q4_1] = { 0, 2 },
        [TENSOR_Q5_1] = { 0, 2 },
        [TENSOR_Q4_K] = { 0, 2 },
        [TENSOR_Q5_K] = { 0, 2 },
        [TENSOR_Q2_K] = { offsetof(struct block_q2_k, scale), offsetof(struct block_q2_k, minimum) },
        [TENSOR_Q3_K] = { offsetof(struct block_q3_k, scale), 0 },
        [TENSOR_Q6_K] = { offsetof(struct block_q6_k, scale), 0 },
};

/* A nibble of the half lies above each of four times twelve bits of scales. */
static inline void block_put_iq1_m_scale(uint8_t *block, uint16_t half) {
        struct block_iq1_m *b = (void *) block;
        for (int w = 0; w < 4; w++)
                b->scales[w][1] = (uint8_t) ((b->scales[w][1] & 15) | (half >> (4 * w) & 15) << 4);
}

/* SCALE is what the format multiplies whole codes (IQ1: -1, 0, 1; IQ2, IQ3: an odd number of quarters or eighths) with. */
static inline void block_put_scale(enum tensor_type type, uint8_t *block, float scale, float minimum) {
        if (type == TENSOR_F32)
                memcpy(block, &scale, sizeof(scale));
        else if (type == TENSOR_BF16)
                store_u16(block, (uint16_t) (float_to_bits(scale) >> 16));
        else if (type == TENSOR_IQ1_M)
                block_put_iq1_m_scale(block, half_from_float(scale));
        else if (type == TENSOR_MXFP4)
                block[0] = (uint8_t) (float_to_bits(scale) >> 23 & 255); /* the power of two below it */
        else
                store_u16(block + block_halves[type].scale, half_from_float(scale));
        if (block_halves[type].minimum)
                store_u16(block + block_halves[type].minimum, half_from_float(minimum));
}

#define MEASURED_BLOCKS 64u

/* The mean of the values of random blocks, always the same ones, with this scale and minimum, and of their squares. */
static inline void block_measure(enum tensor_type type, float scale, float minimum, double *ret_mean, double *ret_square) {
        const struct tensor_type_info *info = tensor_type_info(type);
        uint8_t block[256];
        float values[256];
        double sum = 0, squares = 0;
        uint64_t state = 1;
        for (unsigned i = 0; i < MEASURED_BLOCKS; i++) {
                for (uint32_t b = 0; b < info->block_bytes; b++) {
                        state = state * 6364136223846793005u + 1442695040888963407u;
                        block[b] = (uint8_t) (state >> 56);
                }
                block_put_scale(type, block, scale, minimum);
                kernels_portable.types[type].dequantize(block, info->block_values, values);
                for (uint32_t v = 0; v < info->block_values; v++) {
                        sum += (double) values[v];
                        squares += (double) values[v] * (double) values[v];
                }
        }
        *ret_mean = sum / (MEASURED_BLOCKS * info->block_values);
        *ret_square = squares / (MEASURED_BLOCKS * info->block_values);
}

/* Makes random bits a block whose values deviate by DEVIATION, around 0 where the type has minima. Without kernel: no change. */
static inline void block_put_deviation(enum tensor_type type, uint8_t *block, float deviation) {
        static float scales[TENSOR_TYPE_COUNT], minima[TENSOR_TYPE_COUNT];
        if (!kernels_portable.types[type].dequantize)
                return;
        if (scales[type] == 0) {
                double mean, lowered, square, unused;
                block_measure(type, 1, 0, &mean, &unused);
                block_measure(type, 0, 1, &lowered, &unused);
                double minimum = block_halves[type].minimum ? -mean / lowered : 0;
                block_measure(type, 1, (float) minimum, &unused, &square);
                scales[type] = (float) (1 / sqrt(square));
                minima[type] = (float) (minimum / sqrt(square));
        }
        block_put_scale(type, block, scales[type] * deviation, minima[type] * deviation);
}

#endif
