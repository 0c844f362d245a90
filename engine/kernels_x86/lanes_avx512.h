/* lanes_avx512.h - what panels (panel.h) are made of, in vectors of sixteen lanes: AVX-512 (F, BW, DQ, VL) with VNNI. The contracts are in lanes_avx2.h. */
#ifndef HEADROOM_ENGINE_KERNELS_X86_LANES_H
#define HEADROOM_ENGINE_KERNELS_X86_LANES_H

#define LANES 16u
#include "engine/kernels_x86/lanes.h"

/* --- loads and stores --- */

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

ALWAYS_INLINE __mmask16 lanes_mask(uint32_t count) {
        return (__mmask16) (count < LANES ? (1u << count) - 1 : 0xffffu);
}

ALWAYS_INLINE f32s load_some(const float *x, uint32_t count) {
        return _mm512_maskz_loadu_ps(lanes_mask(count), x);
}

ALWAYS_INLINE void store_some(float *x, uint32_t count, f32s v) {
        _mm512_mask_storeu_ps(x, lanes_mask(count), v);
}

ALWAYS_INLINE void load_dwords(const struct panel_rows *rows, size_t at, i32s ret[4]) {
        __m512i v[4];
        UNROLL
        for (size_t i = 0; i < 4; i++) { /* of rows i, i + 4, i + 8 and i + 12 */
                v[i] = _mm512_castsi128_si512(load_128(panel_row(rows, i) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x00f0, load_128(panel_row(rows, i + 4) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x0f00, load_128(panel_row(rows, i + 8) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0xf000, load_128(panel_row(rows, i + 12) + at));
        }
        __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
        __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
        ret[0] = (i32s) _mm512_unpacklo_epi64(a, c);
        ret[1] = (i32s) _mm512_unpackhi_epi64(a, c);
        ret[2] = (i32s) _mm512_unpacklo_epi64(b, d);
        ret[3] = (i32s) _mm512_unpackhi_epi64(b, d);
}

/* V[i] holds 64 bytes of row i; afterwards V[g] holds bytes 4 g to 4 g + 3 of row i in lane i. */
ALWAYS_INLINE void transpose_16(__m512i v[16]) {
        __m512i t[16];
        UNROLL
        for (int i = 0; i < 16; i += 2) {
                t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
                t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
        }
        UNROLL
        for (int i = 0; i < 16; i += 4) {
                v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
                v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
                v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
                v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
        }
        UNROLL
        for (int i = 0; i < 4; i++) { /* V[4 k + i]: of rows 4 k .. 4 k + 3, dwords i, 4 + i, 8 + i and 12 + i in its quarters */
                __m512i a = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x44), b = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xee);
                __m512i c = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x44), d = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xee);
                t[i] = _mm512_shuffle_i32x4(a, c, 0x88);
                t[4 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
                t[8 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
                t[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
        }
        UNROLL
        for (int i = 0; i < 16; i++)
                v[i] = t[i];
}

#define PIECE 16u
ALWAYS_INLINE void load_piece(const struct panel_rows *rows, size_t at, i32s ret[PIECE]) {
        __m512i v[PIECE];
        UNROLL
        for (size_t i = 0; i < PIECE; i++)
                v[i] = _mm512_loadu_si512(panel_row(rows, i) + at);
        transpose_16(v);
        UNROLL
        for (size_t i = 0; i < PIECE; i++)
                ret[i] = (i32s) v[i];
}

/* --- within lanes --- */

ALWAYS_INLINE f32s floats_of(i32s halves) {
        return _mm512_cvtph_ps(_mm512_cvtepi32_epi16((__m512i) halves));
}

ALWAYS_INLINE i32s shuffle_bytes(i32s v, i32s order) {
        return (i32s) _mm512_shuffle_epi8((__m512i) v, (__m512i) order);
}

ALWAYS_INLINE i32s sixteen_bytes(__m128i v) {
        return (i32s) _mm512_broadcast_i32x4(v);
}

ALWAYS_INLINE i32s six_bits(i32s nibbles, i32s pairs) {
        enum { NIBBLE_ELSE_PAIR = 0xca };
        __m512i both = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), (__m512i) nibbles, (__m512i) pairs, NIBBLE_ELSE_PAIR);
        return (i32s) ((u8s) both & 63);
}

ALWAYS_INLINE f32s fma_lanes(f32s a, f32s b, f32s c) {
        return _mm512_fmadd_ps(a, b, c);
}

ALWAYS_INLINE f32s fnma_lanes(f32s a, f32s b, f32s c) {
        return _mm512_fnmadd_ps(a, b, c);
}

/* --- products of whole numbers --- */

ALWAYS_INLINE i32s add_pairs(i32s sum, i32s a, i32s b) {
        return (i32s) _mm512_dpwssd_epi32((__m512i) sum, (__m512i) a, (__m512i) b);
}

#define DOT_STEPS(largest) 64u
ALWAYS_INLINE i32s dot_add(i32s sum, i32s codes, i32s x) {
        return (i32s) _mm512_dpbusd_epi32((__m512i) sum, (__m512i) codes, (__m512i) x);
}

ALWAYS_INLINE i32s dot_end(i32s whole, i32s sum, i32s scale) {
        return whole + sum * scale;
}

ALWAYS_INLINE i32s scale_lanes(i32s scale) {
        return scale;
}

/* --- rows that meet one column as they lie, to be added up across --- */

ALWAYS_INLINE i32s row_add(i32s whole, i32s codes, i32s x, i32s scales) {
        return add_pairs(whole, dot_add((i32s){ 0 }, codes, x), scales); /* four products are a number of 16 bits */
}

ALWAYS_INLINE __m512i two_halves(const uint8_t *low, const uint8_t *high) {
        __m512i first = _mm512_castsi256_si512(_mm256_loadu_si256((const __m256i *) (const void *) low));
        return _mm512_inserti64x4(first, _mm256_loadu_si256((const __m256i *) (const void *) high), 1);
}

/* 64 bytes of nibbles are PART and PART + 2, and those that follow them. */
#define ROW_COLUMNS 4u
#define ROW_PARTS   2u
ALWAYS_INLINE i32s row_activations(const uint8_t *x, unsigned part) {
        return (i32s) two_halves(x + 32 * (size_t) part, x + 32 * (size_t) part + 64);
}

ALWAYS_INLINE i32s row_fifth(const uint8_t *fifth) {
        const __m512i two_further = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(2), 1);
        return (i32s) _mm512_srlv_epi16(two_halves(fifth, fifth), two_further);
}

ALWAYS_INLINE i32s row_scale(const int32_t scales[][LANES], unsigned part, size_t row) {
        __m512i low = _mm512_set1_epi32(scales[part][row]);
        return (i32s) _mm512_mask_set1_epi32(low, 0xff00, scales[part + 2][row]);
}

ALWAYS_INLINE i32s row_q6_k(const uint8_t *block, const uint8_t *x, const uint8_t *sums) {
        const __m512i four_two = _mm512_inserti64x4(_mm512_set1_epi16(4), _mm256_set1_epi16(2), 1);
        const __m512i none_two = _mm512_inserti64x4(_mm512_setzero_si512(), _mm256_set1_epi16(2), 1);
        const __m512i fours = _mm512_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3);
        const __m128i stored = load_128(block + 192);
        const __m512i scales = _mm512_and_si512(_mm512_cvtepi8_epi32(stored), _mm512_set1_epi32(0xffff));
        __m256i below =
                _mm256_madd_epi16(_mm256_cvtepi8_epi16(stored), _mm256_loadu_si256((const __m256i *) (const void *) sums));
        i32s whole = -(i32s) _mm512_slli_epi32(_mm512_zextsi256_si512(below), 5);
        UNROLL
        for (int half = 0; half < 2; half++, x += 128) {
                const __m512i own = _mm512_add_epi32(fours, _mm512_set1_epi32(8 * half));
                i32s nibbles = load_lanes(block + 64 * half);
                __m512i h = two_halves(block + 128 + 32 * half, block + 128 + 32 * half);
                i32s low = six_bits(nibbles, (i32s) _mm512_sllv_epi16(h, four_two));
                i32s high = six_bits((i32s) ((u16s) nibbles >> 4), (i32s) _mm512_srlv_epi16(h, none_two));
                whole = row_add(whole, low, load_lanes(x), (i32s) _mm512_permutexvar_epi32(own, scales));
                whole = row_add(whole, high, load_lanes(x + 64),
                                (i32s) _mm512_permutexvar_epi32(_mm512_add_epi32(own, _mm512_set1_epi32(4)), scales));
        }
        return whole;
}

ALWAYS_INLINE i32s row_products(const uint8_t *codes, const uint8_t *x) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *) (const void *) codes);
        return (i32s) _mm512_madd_epi16(_mm512_cvtepi8_epi16(bytes), (__m512i) load_lanes(x));
}

ALWAYS_INLINE i32s sums_of_lanes(const i32s v[LANES]) {
        __m512i t[8];
        UNROLL
        for (int i = 0; i < 8; i++) {
                __m512i a = (__m512i) v[2 * i], b = (__m512i) v[2 * i + 1];
                t[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
        }
        UNROLL
        for (int i = 0; i < 4; i++)
                t[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(t[2 * i], t[2 * i + 1]),
                                        _mm512_unpackhi_epi64(t[2 * i], t[2 * i + 1]));
        UNROLL
        for (int i = 0; i < 2; i++)
                t[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(t[2 * i], t[2 * i + 1], 0x44),
                                        _mm512_shuffle_i32x4(t[2 * i], t[2 * i + 1], 0xee));
        return (i32s) _mm512_add_epi32(_mm512_shuffle_i32x4(t[0], t[1], 0x88), _mm512_shuffle_i32x4(t[0], t[1], 0xdd));
}

#endif
