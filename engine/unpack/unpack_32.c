/* unpack_32.c - the types in blocks of 32, in plain C. Layouts: gguf/block.h. */
#include <string.h>

#include "engine/unpack/grid.h"
#include "engine/gguf/half.h"
#include "engine/unpack/unpack.h"

static int nibble_32(const uint8_t nibbles[16], int i) {
        return nibbles[i % 16] >> (i / 16 * 4) & 15;
}

static int bit_32(const uint8_t bits[4], int i) {
        return bits[i / 8] >> (i % 8) & 1;
}

void unpack_q4_0(const uint8_t *block, struct unpacked_32 *ret) {
        const struct block_q4_0 *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        for (int i = 0; i < 32; i++)
                ret->codes[i] = (int8_t) (nibble_32(b->nibbles, i) - 8);
}

void unpack_q4_1(const uint8_t *block, struct unpacked_32 *ret) {
        const struct block_q4_1 *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = -load_half(b->offset);
        for (int i = 0; i < 32; i++)
                ret->codes[i] = (int8_t) nibble_32(b->nibbles, i);
}

void unpack_q5_0(const uint8_t *block, struct unpacked_32 *ret) {
        const struct block_q5_0 *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        for (int i = 0; i < 32; i++)
                ret->codes[i] = (int8_t) ((nibble_32(b->nibbles, i) | bit_32(b->fifth, i) << 4) - 16);
}

void unpack_q5_1(const uint8_t *block, struct unpacked_32 *ret) {
        const struct block_q5_1 *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = -load_half(b->offset);
        for (int i = 0; i < 32; i++)
                ret->codes[i] = (int8_t) (nibble_32(b->nibbles, i) | bit_32(b->fifth, i) << 4);
}

void unpack_q8_0(const uint8_t *block, struct unpacked_32 *ret) {
        const struct block_q8_0 *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        memcpy(ret->codes, b->codes, sizeof(ret->codes));
}

void unpack_iq4_nl(const uint8_t *block, struct unpacked_32 *ret) {
        static const int8_t levels[16] = { IQ4_LEVELS };
        const struct block_iq4_nl *b = (const void *) block;
        ret->scale = load_half(b->scale);
        ret->minimum = 0;
        for (int i = 0; i < 32; i++)
                ret->codes[i] = levels[nibble_32(b->nibbles, i)];
}

void unpack_mxfp4(const uint8_t *block, struct unpacked_32 *ret) {
        static const int8_t doubled[16] = { MXFP4_LEVELS };
        const struct block_mxfp4 *b = (const void *) block;
        ret->scale = half_of_power(b->exponent);
        ret->minimum = 0;
        for (int i = 0; i < 32; i++)
                ret->codes[i] = doubled[nibble_32(b->nibbles, i)];
}
