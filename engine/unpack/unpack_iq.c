/*
 * unpack_iq.c - the IQ types in blocks of 256, in plain C. Layouts: gguf/block.h. Where the format has a factor that is no
 * whole number, s + 1/2 or an eighth, the scale of the block takes it over.
 */
#include <stdbool.h>
#include <string.h>

#include "engine/unpack/grid.h"
#include "engine/gguf/half.h"
#include "engine/unpack/unpack.h"

static void without_minima(float scale, struct unpacked_256 *ret) {
        ret->scale = scale;
        ret->minimum = 0;
        memset(ret->minima, 0, sizeof(ret->minima));
}

/* Both scales of part J. */
static void part_scale(struct unpacked_256 *ret, int j, int scale) {
        ret->scales[2 * j] = ret->scales[2 * j + 1] = (int8_t) scale;
}

/* Scales 2 s + 1, from a nibble s for 16 values. */
static void nibble_scales(const uint8_t scales[8], struct unpacked_256 *ret) {
        for (int s = 0; s < 16; s++)
                ret->scales[s] = (int8_t) (2 * (scales[s / 2] >> (s % 2 * 4) & 15) + 1);
}

void unpack_iq4_xs(const uint8_t *block, struct unpacked_256 *ret) {
        static const int8_t levels[16] = { IQ4_LEVELS };
        const struct block_iq4_xs *b = (const void *) block;
        without_minima(load_half(b->scale), ret);
        for (int j = 0; j < 8; j++) {
                int low = b->scales_low[j / 2] >> (j % 2 * 4) & 15, high = load_u16(b->scales_high) >> (2 * j) & 3;
                part_scale(ret, j, (low | high << 4) - 32);
        }
        for (int i = 0; i < K_VALUES; i++)
                ret->codes[i] = levels[b->nibbles[i / 32 * 16 + i % 16] >> (i / 16 % 2 * 4) & 15];
}

/* --- IQ2: points of eight magnitudes --- */

static void put_iq2(uint64_t point, uint8_t signs, int8_t codes[8]) {
        for (int i = 0; i < 8; i++) {
                int magnitude = (int) (point >> (8 * i) & 255);
                codes[i] = (int8_t) (signs >> i & 1 ? -magnitude : magnitude);
        }
}

void unpack_iq2_xxs(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq2_xxs *b = (const void *) block;
        without_minima(load_half(b->scale) * 0.125f, ret);
        for (int j = 0; j < 8; j++) {
                uint32_t signs = load_u32(b->parts[j] + 4);
                part_scale(ret, j, (int) (2 * (signs >> 28) + 1));
                for (int k = 0; k < 4; k++)
                        put_iq2(grid_iq2_xxs[b->parts[j][k]], grid_signs(signs >> (7 * k)), ret->codes + 32 * j + 8 * k);
        }
}

void unpack_iq2_xs(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq2_xs *b = (const void *) block;
        without_minima(load_half(b->scale) * 0.125f, ret);
        nibble_scales(b->scales, ret);
        for (int i = 0; i < 32; i++) {
                uint16_t point = load_u16(b->points[i]);
                put_iq2(grid_iq2_xs[point & 511], grid_signs(point >> 9), ret->codes + 8 * i);
        }
}

void unpack_iq2_s(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq2_s *b = (const void *) block;
        without_minima(load_half(b->scale) * 0.125f, ret);
        nibble_scales(b->scales, ret);
        for (int i = 0; i < 32; i++) {
                int number = b->points[i] | (b->high[i / 4] >> (i % 4 * 2) & 3) << 8;
                put_iq2(grid_iq2_s[number], b->signs[i], ret->codes + 8 * i);
        }
}

/* --- IQ3: points of four magnitudes --- */

static void put_iq3(uint32_t point, int signs, int8_t codes[4]) {
        for (int i = 0; i < 4; i++) {
                int magnitude = (int) (point >> (8 * i) & 255);
                codes[i] = (int8_t) (signs >> i & 1 ? -magnitude : magnitude);
        }
}

void unpack_iq3_xxs(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq3_xxs *b = (const void *) block;
        without_minima(load_half(b->scale) * 0.25f, ret);
        for (int j = 0; j < 8; j++) {
                uint32_t signs = load_u32(b->signs[j]);
                part_scale(ret, j, (int) (2 * (signs >> 28) + 1));
                for (int k = 0; k < 8; k++)
                        put_iq3(grid_iq3_xxs[b->points[8 * j + k]], grid_signs(signs >> (k / 2 * 7)) >> (k % 2 * 4),
                                ret->codes + 32 * j + 4 * k);
        }
}

void unpack_iq3_s(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq3_s *b = (const void *) block;
        without_minima(load_half(b->scale), ret);
        for (int j = 0; j < 8; j++)
                part_scale(ret, j, 2 * (b->scales[j / 2] >> (j % 2 * 4) & 15) + 1);
        for (int i = 0; i < 64; i++) {
                int number = b->points[i] | (b->high[i / 8] >> (i % 8) & 1) << 8;
                put_iq3(grid_iq3_s[number], b->signs[i / 2] >> (i % 2 * 4), ret->codes + 4 * i);
        }
}

/* --- IQ1: points of -1, 0 and 1, and an eighth more or less: eight times that are whole numbers --- */

static void put_iq1(uint64_t point, bool less, int8_t codes[8]) {
        for (int i = 0; i < 8; i++)
                codes[i] = (int8_t) (8 * ((int) (point >> (8 * i) & 255) - 1) + (less ? -1 : 1));
}

void unpack_iq1_s(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq1_s *b = (const void *) block;
        without_minima(load_half(b->scale) * 0.125f, ret);
        for (int j = 0; j < 8; j++) {
                uint16_t high = load_u16(b->high[j]);
                part_scale(ret, j, 2 * (high >> 12 & 7) + 1);
                for (int k = 0; k < 4; k++)
                        put_iq1(grid_iq1[b->points[4 * j + k] | (high >> (3 * k) & 7) << 8], high >> 15,
                                ret->codes + 32 * j + 8 * k);
        }
}

void unpack_iq1_m(const uint8_t *block, struct unpacked_256 *ret) {
        const struct block_iq1_m *b = (const void *) block;
        uint16_t scale = 0;
        for (int w = 0; w < 4; w++)
                scale = (uint16_t) (scale | b->scales[w][1] >> 4 << (4 * w));
        without_minima(half_to_float(scale) * 0.125f, ret);
        for (int s = 0; s < 16; s++)
                ret->scales[s] = (int8_t) (2 * (load_u16(b->scales[s / 4]) >> (s % 4 * 3) & 7) + 1);
        for (int i = 0; i < 32; i++) {
                int high = b->high[i / 2] >> (i % 2 * 4);
                put_iq1(grid_iq1[b->points[i] | (high & 7) << 8], high & 8, ret->codes + 8 * i);
        }
}
