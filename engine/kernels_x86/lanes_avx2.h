/*
 * lanes_avx2.h - what panels (panel.h) are made of, in vectors of eight lanes: AVX2, and AVX-VNNI where the file is compiled for it. Nothing here may
 * run before the processor was asked. lanes_avx512.h has the same names.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_LANES_H
#define HEADROOM_ENGINE_KERNELS_X86_LANES_H

#define LANES 8u
#include "engine/kernels_x86/lanes.h"

/* --- loads and stores --- */

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

ALWAYS_INLINE __m256i lanes_mask(uint32_t count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/* The first COUNT floats, and zeros behind them. */
ALWAYS_INLINE f32s load_some(const float *x, uint32_t count) {
        return count >= LANES ? _mm256_loadu_ps(x) : _mm256_maskload_ps(x, lanes_mask(count));
}

ALWAYS_INLINE void store_some(float *x, uint32_t count, f32s v) {
        if (count >= LANES)
                _mm256_storeu_ps(x, v);
        else
                _mm256_maskstore_ps(x, lanes_mask(count), v);
}

/* Sixteen bytes of each row as four dwords, row i's in lane i. */
ALWAYS_INLINE void load_dwords(const struct panel_rows *rows, size_t at, i32s ret[4]) {
        __m256i v[4];
        UNROLL
        for (size_t i = 0; i < 4; i++)
                v[i] = _mm256_inserti128_si256(_mm256_castsi128_si256(load_128(panel_row(rows, i) + at)),
                                               load_128(panel_row(rows, i + 4) + at), 1);
        __m256i a = _mm256_unpacklo_epi32(v[0], v[1]), b = _mm256_unpackhi_epi32(v[0], v[1]);
        __m256i c = _mm256_unpacklo_epi32(v[2], v[3]), d = _mm256_unpackhi_epi32(v[2], v[3]);
        ret[0] = (i32s) _mm256_unpacklo_epi64(a, c);
        ret[1] = (i32s) _mm256_unpackhi_epi64(a, c);
        ret[2] = (i32s) _mm256_unpacklo_epi64(b, d);
        ret[3] = (i32s) _mm256_unpackhi_epi64(b, d);
}

/* As many dwords at a time as there are registers for. */
#define PIECE 4u
ALWAYS_INLINE void load_piece(const struct panel_rows *rows, size_t at, i32s ret[PIECE]) {
        load_dwords(rows, at, ret);
}

/* --- within lanes --- */

/* Halves in the low bits of lanes. */
ALWAYS_INLINE f32s floats_of(i32s halves) {
        __m256i low = _mm256_and_si256((__m256i) halves, _mm256_set1_epi32(0xffff));
        __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);
        return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

/* ORDER and TABLE: of sixteen bytes, for each quarter of a vector or its half. */
ALWAYS_INLINE i32s shuffle_bytes(i32s v, i32s order) {
        return (i32s) _mm256_shuffle_epi8((__m256i) v, (__m256i) order);
}

ALWAYS_INLINE i32s sixteen_bytes(__m128i v) {
        return (i32s) _mm256_broadcastsi128_si256(v);
}

/* Codes of six bits: of nibbles in the low bits of bytes and of pairs at bits 4 and 5. */
ALWAYS_INLINE i32s six_bits(i32s nibbles, i32s pairs) {
        return (i32s) (((u8s) nibbles & 15) | ((u8s) pairs & 48));
}

ALWAYS_INLINE f32s fma_lanes(f32s a, f32s b, f32s c) {
        return _mm256_fmadd_ps(a, b, c);
}

ALWAYS_INLINE f32s fnma_lanes(f32s a, f32s b, f32s c) {
        return _mm256_fnmadd_ps(a, b, c);
}

/* --- products of whole numbers --- */

/* A sum as it is: the compiler would add up a long one in the order of a tree, for which there are no registers. */
ALWAYS_INLINE __m256i in_order(__m256i sum) {
        __asm__("" : "+x"(sum));
        return sum;
}

/* SUM + products of two pairs of 16 bits. */
ALWAYS_INLINE i32s add_pairs(i32s sum, i32s a, i32s b) {
#if defined(__AVXVNNI__)
        return (i32s) _mm256_dpwssd_avx_epi32((__m256i) sum, (__m256i) a, (__m256i) b);
#else
        return (i32s) in_order(_mm256_add_epi32((__m256i) sum, _mm256_madd_epi16((__m256i) a, (__m256i) b)));
#endif
}

/*
 * SUM + products of four codes of unsigned bytes and four signed ones. Sums are whole numbers of 32 bits, or without VNNI two of 16, which
 * hold so many steps of codes that are at most LARGEST. dot_end adds them times a scale, which scale_lanes brought into the form for that.
 */
#if defined(__AVXVNNI__)
#define DOT_STEPS(largest) 64u
ALWAYS_INLINE i32s dot_add(i32s sum, i32s codes, i32s x) {
        return (i32s) _mm256_dpbusd_avx_epi32((__m256i) sum, (__m256i) codes, (__m256i) x);
}

ALWAYS_INLINE i32s dot_end(i32s whole, i32s sum, i32s scale) {
        return whole + sum * scale;
}

ALWAYS_INLINE i32s scale_lanes(i32s scale) {
        return scale;
}
#else
#define DOT_STEPS(largest) (32767u / (2u * 127u * (largest)))
ALWAYS_INLINE i32s dot_add(i32s sum, i32s codes, i32s x) {
        return (i32s) in_order(_mm256_add_epi16((__m256i) sum, _mm256_maddubs_epi16((__m256i) codes, (__m256i) x)));
}

ALWAYS_INLINE i32s dot_end(i32s whole, i32s sum, i32s scale) {
        return add_pairs(whole, sum, scale);
}

ALWAYS_INLINE i32s scale_lanes(i32s scale) {
        return (i32s) _mm256_blend_epi16((__m256i) scale, (__m256i) (scale << 16), 0xaa);
}
#endif

/* --- rows that meet one column as they lie, to be added up across --- */

/* WHOLE + products of codes and activations, times scales. */
ALWAYS_INLINE i32s row_add(i32s whole, i32s codes, i32s x, i32s scales) {
#if defined(__AVXVNNI__)
        return add_pairs(whole, dot_add((i32s){ 0 }, codes, x), scales); /* four products are a number of 16 bits */
#else
        return add_pairs(whole, (i32s) _mm256_maddubs_epi16((__m256i) codes, (__m256i) x), scales);
#endif
}

/* Nibbles in the order of memory: the activations of PART for the low ones; its fifth bits; its scale, of SCALES by part and row. */
#define ROW_COLUMNS 2u /* columns whose sums there are registers for beside the codes of a row */
#define ROW_PARTS   1u
ALWAYS_INLINE i32s row_activations(const uint8_t *x, unsigned part) {
        return load_lanes(x + 32 * (size_t) part);
}

ALWAYS_INLINE i32s row_fifth(const uint8_t *fifth) {
        return load_lanes(fifth);
}

ALWAYS_INLINE i32s row_scale(const int32_t scales[][LANES], unsigned part, size_t row) {
        return (i32s) _mm256_set1_epi32(scales[part][row]);
}

/* Scales 2 Q and 2 Q + 1 of a half's eight, which are in both lanes: one for each lane of 16 codes. */
ALWAYS_INLINE i32s q6_k_scales(__m256i half, int q) {
#if defined(__AVXVNNI__)
        const int upper = (int) 0x80800000;
#else
        const int upper = (4 * q + 1) << 24 | 4 * q << 16;
#endif
        const int low = upper | (4 * q + 1) << 8 | 4 * q, next = 0x0202,
                  both = upper == (int) 0x80800000 ? next : next << 16 | next;
        return shuffle_bytes((i32s) half,
                             (i32s) _mm256_setr_epi32(low, low, low, low, low + both, low + both, low + both, low + both));
}

/* A block of Q6_K and the 256 activations from X, whose sums of 16 are SUMS. */
ALWAYS_INLINE i32s row_q6_k(const uint8_t *block, const uint8_t *x, const uint8_t *sums) {
        const __m256i scales = _mm256_cvtepi8_epi16(load_128(block + 192));
        i32s whole = -(i32s) _mm256_slli_epi32(_mm256_madd_epi16(scales, (__m256i) load_lanes(sums)), 5);
        UNROLL
        for (int half = 0; half < 2; half++, x += 128) {
                const __m256i own = half ? _mm256_permute4x64_epi64(scales, 0xee) : _mm256_permute4x64_epi64(scales, 0x44);
                i32s a = load_lanes(block + 64 * half), b = load_lanes(block + 64 * half + 32);
                u16s h = (u16s) load_lanes(block + 128 + 32 * half);
                whole = row_add(whole, six_bits(a, (i32s) (h << 4)), load_lanes(x), q6_k_scales(own, 0));
                whole = row_add(whole, six_bits(b, (i32s) (h << 2)), load_lanes(x + 32), q6_k_scales(own, 1));
                whole = row_add(whole, six_bits((i32s) ((u16s) a >> 4), (i32s) h), load_lanes(x + 64), q6_k_scales(own, 2));
                whole = row_add(whole, six_bits((i32s) ((u16s) b >> 4), (i32s) (h >> 2)), load_lanes(x + 96),
                                q6_k_scales(own, 3));
        }
        return whole;
}

/* Products of 32 signed bytes and as many numbers of 16 bits, to be added up across. */
ALWAYS_INLINE i32s row_products(const uint8_t *codes, const uint8_t *x) {
        __m256i low = _mm256_cvtepi8_epi16(load_128(codes)), high = _mm256_cvtepi8_epi16(load_128(codes + 16));
        i32s first = (i32s) _mm256_madd_epi16(low, (__m256i) load_lanes(x));
        return add_pairs(first, (i32s) high, load_lanes(x + 32));
}

/* The sum of the lanes of V[i], in lane i. */
ALWAYS_INLINE i32s sums_of_lanes(const i32s v[LANES]) {
        __m256i t[4];
        UNROLL
        for (int i = 0; i < 4; i++)
                t[i] = _mm256_hadd_epi32((__m256i) v[2 * i], (__m256i) v[2 * i + 1]);
        __m256i a = _mm256_hadd_epi32(t[0], t[1]), b = _mm256_hadd_epi32(t[2], t[3]);
        return (i32s) _mm256_permute2x128_si256(a, b, 0x20) + (i32s) _mm256_permute2x128_si256(a, b, 0x31);
}

#endif
