/*
 * avx2_block256_read.h - reading the blocks of Q2_K, Q3_K and the IQ types for avx2_block256.c: the scales and signs of a whole block
 * (load_head), then the codes of each part of 32 (load_part).
 *
 * Codes are magnitudes, or whole numbers moved up to be none below zero, so that maddubs can multiply them with signed
 * activations. The type is known when this is compiled, so that only its own case remains.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_AVX2_256_READ_H
#define HEADROOM_ENGINE_KERNELS_X86_AVX2_256_READ_H

#include <stdbool.h>

#include "engine/kernels_x86/avx2_tile.h"
#include "engine/gguf/block.h"
#include "engine/unpack/grid.h"

#define BLOCK(type, bytes) ((const struct block_##type *) (const void *) (bytes))

/* A block's head. */
struct weights_256 {
        __m256i scales;        /* of the first sixteen of each part in one lane, of the second in the other: 8 + 8 numbers */
        __m256i below;         /* what to take off, times the sums of sixteen activations, in their order */
        __m256 scale, minimum; /* of the whole block, in all lanes */
        uint32_t signs[8];     /* of parts: a bit a value, or (IQ1_M) a byte a point */
};

/* A part of 32 codes; SIGNS holds a number of the sign wanted for each, for the types that have any. */
struct part {
        __m256i codes, signs;
};

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

ALWAYS_INLINE __m128i load_64(const void *bytes) {
        return _mm_loadl_epi64((const __m128i *) bytes);
}

ALWAYS_INLINE __m128i load_32(const uint8_t *bytes) {
        return _mm_cvtsi32_si128((int) load_u32(bytes));
}

/* --- scales: sixteen signed bytes, each for sixteen values --- */

/* Nibbles as bytes: the low ones of all eight bytes with the high ones between them. */
ALWAYS_INLINE __m128i nibbles_in_order(__m128i bytes) {
        const __m128i fifteen = _mm_set1_epi8(15);
        return _mm_unpacklo_epi8(_mm_and_si128(bytes, fifteen), _mm_and_si128(_mm_srli_epi16(bytes, 4), fifteen));
}

ALWAYS_INLINE __m128i twice_and_one(__m128i s) {
        return _mm_add_epi8(_mm_add_epi8(s, s), _mm_set1_epi8(1));
}

ALWAYS_INLINE __m128i each_twice(__m128i eight) {
        return _mm_unpacklo_epi8(eight, eight);
}

ALWAYS_INLINE __m128i scales_of_q3_k(const uint8_t *block) {
        const struct block_q3_k *b = BLOCK(q3_k, block);
        uint32_t first = load_u32(b->scales), second = load_u32(b->scales + 4), upper = load_u32(b->scales + 8);
        __m128i low = _mm_setr_epi32((int) first, (int) second, (int) (first >> 4), (int) (second >> 4));
        __m128i high = _mm_setr_epi32((int) (upper << 4), (int) (upper << 2), (int) upper, (int) (upper >> 2));
        __m128i six = _mm_or_si128(_mm_and_si128(low, _mm_set1_epi8(15)), _mm_and_si128(high, _mm_set1_epi8(48)));
        return _mm_sub_epi8(six, _mm_set1_epi8(32));
}

ALWAYS_INLINE __m128i scales_of_iq4_xs(const uint8_t *block) {
        const struct block_iq4_xs *b = BLOCK(iq4_xs, block);
        const __m128i weight = _mm_setr_epi16(1 << 14, 1 << 12, 1 << 10, 1 << 8, 1 << 6, 1 << 4, 1 << 2, 1);
        __m128i top = _mm_mullo_epi16(_mm_set1_epi16((short) load_u16(b->scales_high)), weight); /* pair j at bits 14 and 15 */
        __m128i high = _mm_packus_epi16(_mm_slli_epi16(_mm_srli_epi16(top, 14), 4), _mm_setzero_si128());
        __m128i six = _mm_or_si128(nibbles_in_order(load_32(b->scales_low)), high);
        return each_twice(_mm_sub_epi8(six, _mm_set1_epi8(32)));
}

/* The upper four bits of eight words. */
ALWAYS_INLINE __m128i scales_of_words(__m256i words) {
        __m256i s = _mm256_srli_epi32(words, 28);
        __m128i eight = _mm_packs_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
        return each_twice(twice_and_one(_mm_packs_epi16(eight, eight)));
}

ALWAYS_INLINE __m128i scales_of_iq1_s(const uint8_t *block) {
        const struct block_iq1_s *b = BLOCK(iq1_s, block);
        __m128i s = _mm_and_si128(_mm_srli_epi16(load_128(b->high), 12), _mm_set1_epi16(7));
        return each_twice(twice_and_one(_mm_packs_epi16(s, s)));
}

/* Three bits each, four in a number of 16: spread to bytes. */
ALWAYS_INLINE __m128i scales_of_iq1_m(const uint8_t *block) {
        const struct block_iq1_m *b = BLOCK(iq1_m, block);
        __m128i s = _mm_and_si128(_mm_cvtepu16_epi32(load_64(b->scales)), _mm_set1_epi32(0xfff));
        s = _mm_and_si128(_mm_or_si128(s, _mm_slli_epi32(s, 10)), _mm_set1_epi32(0x003f003f));
        return twice_and_one(_mm_and_si128(_mm_or_si128(s, _mm_slli_epi32(s, 5)), _mm_set1_epi32(0x07070707)));
}

ALWAYS_INLINE float scale_of_iq1_m(const uint8_t *block) {
        const struct block_iq1_m *b = BLOCK(iq1_m, block);
        return _cvtsh_ss((uint16_t) (b->scales[0][1] >> 4 | (b->scales[1][1] & 0xf0) | (b->scales[2][1] & 0xf0) << 4 |
                                     (b->scales[3][1] & 0xf0) << 8));
}

/* --- signs: a bit for each value --- */

/* Seven signs in the low bits of each byte: the eighth makes their number even (grid.h). */
ALWAYS_INLINE __m256i with_eighth_sign(__m256i seven) {
        const __m256i odd = _mm256_broadcastsi128_si256(
                _mm_setr_epi8(0, -128, -128, 0, -128, 0, 0, -128, -128, 0, 0, -128, 0, -128, -128, 0));
        const __m256i fifteen = _mm256_set1_epi8(15);
        __m256i low = _mm256_shuffle_epi8(odd, _mm256_and_si256(seven, fifteen));
        __m256i high = _mm256_shuffle_epi8(odd, _mm256_and_si256(_mm256_srli_epi16(seven, 4), fifteen));
        return _mm256_or_si256(seven, _mm256_xor_si256(low, high));
}

/* Four times seven bits of each word, to the low bits of its bytes. */
ALWAYS_INLINE __m256i sevens_of_words(__m256i words) {
        __m256i a = _mm256_and_si256(words, _mm256_set1_epi32(0x7f));
        __m256i b = _mm256_and_si256(_mm256_slli_epi32(words, 1), _mm256_set1_epi32(0x7f00));
        __m256i c = _mm256_and_si256(_mm256_slli_epi32(words, 2), _mm256_set1_epi32(0x7f0000));
        __m256i d = _mm256_and_si256(_mm256_slli_epi32(words, 3), _mm256_set1_epi32(0x7f000000));
        return _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(c, d));
}

/* The second word of each part of IQ2_XXS. */
ALWAYS_INLINE __m256i second_words(const uint8_t *parts) {
        __m256 a = _mm256_castsi256_ps(load_256(parts, 0)), b = _mm256_castsi256_ps(load_256(parts, 32));
        return _mm256_permute4x64_epi64(_mm256_castps_si256(_mm256_shuffle_ps(a, b, 0xdd)), 0xd8);
}

/* The upper seven bits of 32 points of IQ2_XS. */
ALWAYS_INLINE __m256i sevens_of_points(const uint8_t *points) {
        __m256i a = _mm256_srli_epi16(load_256(points, 0), 9), b = _mm256_srli_epi16(load_256(points, 32), 9);
        return _mm256_permute4x64_epi64(_mm256_packus_epi16(a, b), 0xd8);
}

ALWAYS_INLINE void store_signs(struct weights_256 *w, __m256i signs) {
        _mm256_storeu_si256((__m256i *) (void *) w->signs, signs);
}

/* Byte k of a word, for each of the eight values from 8 k. */
ALWAYS_INLINE __m256i byte_for_eight(uint32_t word) {
        const __m256i which =
                _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3, 3, 3, 3, 3);
        return _mm256_shuffle_epi8(_mm256_set1_epi32((int) word), which);
}

/* -1 where a bit is set, else 1. */
ALWAYS_INLINE __m256i signs_of_bits(uint32_t bits) {
        const __m256i each = _mm256_set1_epi64x((long long) 0x8040201008040201);
        __m256i set = _mm256_cmpeq_epi8(_mm256_and_si256(byte_for_eight(bits), each), each);
        return _mm256_or_si256(set, _mm256_set1_epi8(1));
}

/* --- codes of part J --- */

ALWAYS_INLINE __m256i levels(__m128i table, __m256i digits) {
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), digits);
}

/* Two bits of each value. J is known when this is compiled. */
ALWAYS_INLINE __m256i pairs_of_part(const uint8_t codes[64], int j) {
        __m256i packed = load_256(codes, 32 * (size_t) (j / 4));
        return _mm256_and_si256(_mm256_srli_epi16(packed, j % 4 * 2), _mm256_set1_epi8(3));
}

ALWAYS_INLINE __m256i codes_of_q3_k(const uint8_t *block, int j) {
        const struct block_q3_k *b = BLOCK(q3_k, block);
        __m256i third = load_256(b->third, 0);
        third = j < 2 ? _mm256_slli_epi16(third, 2 - j) : _mm256_srli_epi16(third, j - 2);
        return _mm256_or_si256(pairs_of_part(b->codes, j), _mm256_and_si256(third, _mm256_set1_epi8(4)));
}

ALWAYS_INLINE struct part part_of_iq4_xs(const uint8_t *block, int j) {
        const struct block_iq4_xs *b = BLOCK(iq4_xs, block);
        __m128i packed = load_128(b->nibbles + 16 * j);
        __m256i both = _mm256_inserti128_si256(_mm256_castsi128_si256(packed), _mm_srli_epi16(packed, 4), 1);
        __m256i codes = levels(_mm_setr_epi8(IQ4_LEVELS), _mm256_and_si256(both, _mm256_set1_epi8(15)));
        return (struct part){ _mm256_abs_epi8(codes), codes };
}

/* Points side by side. */
ALWAYS_INLINE __m256i four_points(uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
        return _mm256_setr_epi64x((long long) a, (long long) b, (long long) c, (long long) d);
}

/* Eight points of four values; bit i of HIGH is bit 8 of the number of point i. */
ALWAYS_INLINE __m256i eight_points(const uint32_t *grid, const uint8_t *n, unsigned high) {
        return _mm256_setr_epi32((int) grid[n[0] | (high << 8 & 256)], (int) grid[n[1] | (high << 7 & 256)],
                                 (int) grid[n[2] | (high << 6 & 256)], (int) grid[n[3] | (high << 5 & 256)],
                                 (int) grid[n[4] | (high << 4 & 256)], (int) grid[n[5] | (high << 3 & 256)],
                                 (int) grid[n[6] | (high << 2 & 256)], (int) grid[n[7] | (high << 1 & 256)]);
}

ALWAYS_INLINE struct part part_of_iq2_xxs(const uint8_t *block, const struct weights_256 *w, int j) {
        const uint8_t *n = BLOCK(iq2_xxs, block)->parts[j];
        const uint64_t *grid = grid_iq2_xxs;
        return (struct part){ four_points(grid[n[0]], grid[n[1]], grid[n[2]], grid[n[3]]), signs_of_bits(w->signs[j]) };
}

ALWAYS_INLINE struct part part_of_iq2_xs(const uint8_t *block, const struct weights_256 *w, int j) {
        const uint8_t(*n)[2] = BLOCK(iq2_xs, block)->points + 4 * j;
        const uint64_t *grid = grid_iq2_xs;
        return (struct part){ four_points(grid[load_u16(n[0]) & 511], grid[load_u16(n[1]) & 511], grid[load_u16(n[2]) & 511],
                                          grid[load_u16(n[3]) & 511]),
                              signs_of_bits(w->signs[j]) };
}

ALWAYS_INLINE struct part part_of_iq2_s(const uint8_t *block, int j) {
        const struct block_iq2_s *b = BLOCK(iq2_s, block);
        const uint8_t *n = b->points + 4 * j;
        const uint64_t *grid = grid_iq2_s;
        unsigned high = b->high[j];
        return (struct part){ four_points(grid[n[0] | (high << 8 & 768)], grid[n[1] | (high << 6 & 768)],
                                          grid[n[2] | (high << 4 & 768)], grid[n[3] | (high << 2 & 768)]),
                              signs_of_bits(load_u32(b->signs + 4 * j)) };
}

ALWAYS_INLINE struct part part_of_iq3_xxs(const uint8_t *block, const struct weights_256 *w, int j) {
        const struct block_iq3_xxs *b = BLOCK(iq3_xxs, block);
        return (struct part){ eight_points(grid_iq3_xxs, b->points + 8 * j, 0), signs_of_bits(w->signs[j]) };
}

ALWAYS_INLINE struct part part_of_iq3_s(const uint8_t *block, int j) {
        const struct block_iq3_s *b = BLOCK(iq3_s, block);
        return (struct part){ eight_points(grid_iq3_s, b->points + 8 * j, b->high[j]),
                              signs_of_bits(load_u32(b->signs + 4 * j)) };
}

#define IQ1_MOVED 9 /* eight times -1, 0 or 1, one more or less, and this: from 0 to 18 */

/* LESS holds 8 for the values that are an eighth less, else 0. */
ALWAYS_INLINE __m256i codes_of_iq1(__m256i points, __m256i less) {
        return levels(_mm_setr_epi8(2, 10, 18, 0, 0, 0, 0, 0, 0, 8, 16, 0, 0, 0, 0, 0), _mm256_or_si256(points, less));
}

ALWAYS_INLINE __m256i codes_of_iq1_s(const uint8_t *block, int j) {
        const struct block_iq1_s *b = BLOCK(iq1_s, block);
        const uint8_t *n = b->points + 4 * j;
        unsigned high = load_u16(b->high[j]);
        __m256i points = four_points(grid_iq1[n[0] | (high << 8 & 0x700)], grid_iq1[n[1] | (high << 5 & 0x700)],
                                     grid_iq1[n[2] | (high << 2 & 0x700)], grid_iq1[n[3] | (high >> 1 & 0x700)]);
        return codes_of_iq1(points, _mm256_set1_epi8((char) (high >> 12 & 8)));
}

ALWAYS_INLINE __m256i codes_of_iq1_m(const uint8_t *block, const struct weights_256 *w, int j) {
        const struct block_iq1_m *b = BLOCK(iq1_m, block);
        const uint8_t *n = b->points + 4 * j;
        unsigned first = b->high[2 * j], second = b->high[2 * j + 1];
        __m256i points = four_points(grid_iq1[n[0] | (first << 8 & 0x700)], grid_iq1[n[1] | (first << 4 & 0x700)],
                                     grid_iq1[n[2] | (second << 8 & 0x700)], grid_iq1[n[3] | (second << 4 & 0x700)]);
        return codes_of_iq1(points, byte_for_eight(w->signs[j]));
}

/* Bit 3 of 32 nibbles. */
ALWAYS_INLINE __m256i eighths_of_iq1_m(const uint8_t *block) {
        const struct block_iq1_m *b = BLOCK(iq1_m, block);
        __m128i high = load_128(b->high);
        __m256i nibbles = _mm256_set_m128i(nibbles_in_order(_mm_unpackhi_epi64(high, high)), nibbles_in_order(high));
        return _mm256_and_si256(nibbles, _mm256_set1_epi8(8));
}

/* --- what a type is --- */

ALWAYS_INLINE bool has_minima(enum tensor_type type) {
        return type == TENSOR_Q2_K;
}

/* The offset that was added to the codes. */
ALWAYS_INLINE int moved_by(enum tensor_type type) {
        return type == TENSOR_Q3_K ? 4 : type == TENSOR_IQ1_S || type == TENSOR_IQ1_M ? IQ1_MOVED : 0;
}

ALWAYS_INLINE bool has_signs(enum tensor_type type) {
        return !has_minima(type) && !moved_by(type);
}

ALWAYS_INLINE __m128i load_scales(const uint8_t *block, enum tensor_type type) {
        switch (type) {
        case TENSOR_Q2_K: return _mm_and_si128(load_128(BLOCK(q2_k, block)->scales), _mm_set1_epi8(15));
        case TENSOR_Q3_K: return scales_of_q3_k(block);
        case TENSOR_IQ4_XS: return scales_of_iq4_xs(block);
        case TENSOR_IQ2_XXS: return scales_of_words(second_words(block + 2));
        case TENSOR_IQ2_XS: return twice_and_one(nibbles_in_order(load_64(BLOCK(iq2_xs, block)->scales)));
        case TENSOR_IQ2_S: return twice_and_one(nibbles_in_order(load_64(BLOCK(iq2_s, block)->scales)));
        case TENSOR_IQ3_XXS: return scales_of_words(load_256(block, 2 + 64));
        case TENSOR_IQ3_S: return each_twice(twice_and_one(nibbles_in_order(load_32(BLOCK(iq3_s, block)->scales))));
        case TENSOR_IQ1_S: return scales_of_iq1_s(block);
        default: return scales_of_iq1_m(block);
        }
}

ALWAYS_INLINE float load_scale(const uint8_t *block, enum tensor_type type) {
        switch (type) {
        case TENSOR_Q2_K: return _cvtsh_ss(load_u16(BLOCK(q2_k, block)->scale));
        case TENSOR_Q3_K: return _cvtsh_ss(load_u16(BLOCK(q3_k, block)->scale));
        case TENSOR_IQ1_M: return scale_of_iq1_m(block) * 0.125f;
        case TENSOR_IQ3_XXS: return _cvtsh_ss(load_u16(block)) * 0.25f;
        case TENSOR_IQ3_S:
        case TENSOR_IQ4_XS: return _cvtsh_ss(load_u16(block));
        default: return _cvtsh_ss(load_u16(block)) * 0.125f;
        }
}

ALWAYS_INLINE void load_signs(const uint8_t *block, struct weights_256 *w, enum tensor_type type) {
        if (type == TENSOR_IQ2_XXS)
                store_signs(w, with_eighth_sign(sevens_of_words(second_words(block + 2))));
        if (type == TENSOR_IQ3_XXS)
                store_signs(w, with_eighth_sign(sevens_of_words(load_256(BLOCK(iq3_xxs, block)->signs[0], 0))));
        if (type == TENSOR_IQ2_XS)
                store_signs(w, with_eighth_sign(sevens_of_points(BLOCK(iq2_xs, block)->points[0])));
        if (type == TENSOR_IQ1_M)
                store_signs(w, eighths_of_iq1_m(block));
}

ALWAYS_INLINE void load_head(const uint8_t *block, struct weights_256 *w, enum tensor_type type) {
        const __m128i even_then_odd = _mm_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
        __m128i scales = load_scales(block, type);
        w->scales = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(scales, even_then_odd));
        w->scale = _mm256_set1_ps(load_scale(block, type));
        if (moved_by(type))
                w->below = _mm256_mullo_epi16(_mm256_cvtepi8_epi16(scales), _mm256_set1_epi16((short) moved_by(type)));
        if (has_minima(type)) {
                __m128i packed = load_128(BLOCK(q2_k, block)->scales);
                w->below = _mm256_cvtepu8_epi16(_mm_and_si128(_mm_srli_epi16(packed, 4), _mm_set1_epi8(15)));
                w->minimum = _mm256_set1_ps(_cvtsh_ss(load_u16(BLOCK(q2_k, block)->minimum)));
        }
        load_signs(block, w, type);
}

ALWAYS_INLINE struct part load_part(const uint8_t *block, const struct weights_256 *w, int j, enum tensor_type type) {
        switch (type) {
        case TENSOR_Q2_K: return (struct part){ .codes = pairs_of_part(BLOCK(q2_k, block)->codes, j) };
        case TENSOR_Q3_K: return (struct part){ .codes = codes_of_q3_k(block, j) };
        case TENSOR_IQ4_XS: return part_of_iq4_xs(block, j);
        case TENSOR_IQ2_XXS: return part_of_iq2_xxs(block, w, j);
        case TENSOR_IQ2_XS: return part_of_iq2_xs(block, w, j);
        case TENSOR_IQ2_S: return part_of_iq2_s(block, j);
        case TENSOR_IQ3_XXS: return part_of_iq3_xxs(block, w, j);
        case TENSOR_IQ3_S: return part_of_iq3_s(block, j);
        case TENSOR_IQ1_S: return (struct part){ .codes = codes_of_iq1_s(block, j) };
        default: return (struct part){ .codes = codes_of_iq1_m(block, w, j) };
        }
}

#endif
