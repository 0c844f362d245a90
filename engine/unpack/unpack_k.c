/* unpack_k.c - the K types, in plain C. Layouts: gguf/block.h. */
#include <string.h>

#include "engine/gguf/half.h"
#include "engine/unpack/unpack.h"

/* Two bits of value I, as Q2_K and Q3_K keep them. */
static int pair_of(const uint8_t codes[64], int i) {
        return codes[i / 128 * 32 + i % 32] >> (i / 32 % 4 * 2) & 3;
}

/* Four bits of value I, as Q4_K and Q5_K keep them. */
static int nibble_of(const uint8_t nibbles[128], int i) {
        return nibbles[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
}

/* The one bit of value I that Q3_K and Q5_K keep apart. */
static int bit_of(const uint8_t bits[32], int i) {
        return bits[i % 32] >> (i / 32) & 1;
}

void unpack_q2_k(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_q2_k *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = load_half(b->minimum);
        for (int s = 0; s < 16; s++) {
                ret->scales[s] = b->scales[s] & 15;
                ret->minima[s] = b->scales[s] >> 4;
        }
        for (int i = 0; i < K_VALUES; i++)
                ret->codes[i] = (int8_t) pair_of(b->codes, i);
}

void unpack_q3_k(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_q3_k *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        memset(ret->minima, 0, sizeof(ret->minima));
        for (int s = 0; s < 16; s++) {
                int low = b->scales[s % 8] >> (s / 8 * 4) & 15, high = b->scales[8 + s % 4] >> (s / 4 * 2) & 3;
                ret->scales[s] = (int8_t) ((low | high << 4) - 32);
        }
        for (int i = 0; i < K_VALUES; i++)
                ret->codes[i] = (int8_t) ((pair_of(b->codes, i) | bit_of(b->third, i) << 2) - 4);
}

/* Six-bit scales and minima of eight parts in 12 bytes: the last four of each have their upper bits above the first four. */
static void k_scales_unpack(const uint8_t packed[12], uint8_t scales[8], uint8_t minima[8]) {
        for (int i = 0; i < 4; i++) {
                scales[i] = packed[i] & 63;
                minima[i] = packed[i + 4] & 63;
                scales[i + 4] = (uint8_t) ((packed[i + 8] & 15) | packed[i] >> 6 << 4);
                minima[i + 4] = (uint8_t) (packed[i + 8] >> 4 | packed[i + 4] >> 6 << 4);
        }
}

/* Scales and minima of parts of 32, each for two sixteens. */
static void part_scales(const uint8_t packed[12], struct unpacked_256 *ret) {
        uint8_t scales[8], minima[8];
        k_scales_unpack(packed, scales, minima);
        for (int s = 0; s < 16; s++) {
                ret->scales[s] = (int8_t) scales[s / 2];
                ret->minima[s] = minima[s / 2];
        }
}

void unpack_q4_k(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_q4_k *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = load_half(b->minimum);
        part_scales(b->scales, ret);
        for (int i = 0; i < K_VALUES; i++)
                ret->codes[i] = (int8_t) nibble_of(b->nibbles, i);
}

void unpack_q5_k(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_q5_k *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = load_half(b->minimum);
        part_scales(b->scales, ret);
        for (int i = 0; i < K_VALUES; i++)
                ret->codes[i] = (int8_t) (nibble_of(b->nibbles, i) | bit_of(b->fifth, i) << 4);
}

void unpack_q6_k(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_q6_k *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        memset(ret->minima, 0, sizeof(ret->minima));
        memcpy(ret->scales, b->scales, sizeof(ret->scales));
        for (int i = 0; i < K_VALUES; i++) {
                int half = i / 128, quarter = i / 32 % 4, at = i % 32;
                int low = b->nibbles[half * 64 + quarter % 2 * 32 + at] >> (quarter / 2 * 4) & 15;
                int high = b->pairs[half * 32 + at] >> (quarter * 2) & 3;
                ret->codes[i] = (int8_t) ((low | high << 4) - 32);
        }
}
