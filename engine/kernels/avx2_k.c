/*
 * avx2_k.c - products of Q4_K, Q5_K and Q6_K in AVX2. Four 16-bit products of codes stay below 2^25, and a pair of maddubs
 * below 2^15 (Q6_K: 2 * 63 * 127).
 */
#if defined(__x86_64__)
#include "engine/kernels/avx2_tile.h"
#include "engine/gguf/block.h"

/* --- blocks of 256 with eight scales and minima --- */

struct k_block {
        __m256i scales;        /* eight 16-bit numbers, in both lanes */
        __m256i minima;        /* each twice, to meet sums of 16 */
        __m256 scale, minimum; /* of the whole block */
};

ALWAYS_INLINE struct k_block k_block_load(const uint8_t *block) {
        uint32_t w[3];
        memcpy(w, block + 4, sizeof(w));
        uint32_t scales_low = w[0] & 0x3f3f3f3fu, scales_high = (w[2] & 0x0f0f0f0fu) | (w[0] >> 6 & 0x03030303u) << 4;
        uint32_t minima_low = w[1] & 0x3f3f3f3fu, minima_high = (w[2] >> 4 & 0x0f0f0f0fu) | (w[1] >> 6 & 0x03030303u) << 4;
        __m128i scales = _mm_cvtsi64_si128((long long) ((uint64_t) scales_high << 32 | scales_low));
        __m128i minima = _mm_cvtsi64_si128((long long) ((uint64_t) minima_high << 32 | minima_low));
        return (struct k_block){
                .scales = _mm256_broadcastsi128_si256(_mm_cvtepu8_epi16(scales)),
                .minima = _mm256_cvtepu8_epi16(_mm_unpacklo_epi8(minima, minima)),
                .scale = _mm256_set1_ps(_cvtsh_ss(load_u16(block))),
                .minimum = _mm256_set1_ps(_cvtsh_ss(load_u16(block + 2))),
        };
}

/* Takes the minima off and adds the whole numbers of one block to a column's lanes. */
ALWAYS_INLINE __m256 k_block_add(const struct k_block *k, __m256i whole, const uint8_t *column, uint32_t n, uint32_t b,
                                 __m256 sum) {
        __m256 own = i8_scale(column, n, b);
        __m256 below = _mm256_cvtepi32_ps(_mm256_madd_epi16(i8_sums(column, n, b), k->minima));
        sum = _mm256_fmadd_ps(_mm256_mul_ps(k->scale, own), _mm256_cvtepi32_ps(whole), sum);
        return _mm256_fnmadd_ps(_mm256_mul_ps(k->minimum, own), below, sum);
}

ALWAYS_INLINE void tile_k(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, bool fifth_bits) {
        const __m256i fifteen = _mm256_set1_epi8(15), sixteen = _mm256_set1_epi8(16);
        size_t block_bytes = fifth_bits ? sizeof(struct block_q5_k) : sizeof(struct block_q4_k);
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                fetch_ahead(&t, b, block_bytes, rows, columns);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        const uint8_t *block = t.rows[k] + b * block_bytes;
                        struct k_block head = k_block_load(block);
                        __m256i whole[TILE_MAX];
                        UNROLL
                        for (int j = 0; j < columns; j++)
                                whole[j] = _mm256_setzero_si256();
                        UNROLL
                        for (int s = 0; s < 4; s++) {
                                __m256i packed = load_256(block, (fifth_bits ? 48 : 16) + 32 * (size_t) s);
                                __m256i low = _mm256_and_si256(packed, fifteen);
                                __m256i high = _mm256_and_si256(_mm256_srli_epi16(packed, 4), fifteen);
                                if (fifth_bits) { /* bit 2s for the low, 2s + 1 for the high codes, moved to bit 4 */
                                        __m256i bits = load_256(block, 16);
                                        __m256i even =
                                                s < 2 ? _mm256_slli_epi16(bits, 4 - 2 * s) : _mm256_srli_epi16(bits, 2 * s - 4);
                                        __m256i odd =
                                                s < 2 ? _mm256_slli_epi16(bits, 3 - 2 * s) : _mm256_srli_epi16(bits, 2 * s - 3);
                                        low = _mm256_or_si256(low, _mm256_and_si256(even, sixteen));
                                        high = _mm256_or_si256(high, _mm256_and_si256(odd, sixteen));
                                }
                                __m256i scale_low = broadcast_16(head.scales, 2 * s),
                                        scale_high = broadcast_16(head.scales, 2 * s + 1);
                                UNROLL
                                for (int j = 0; j < columns; j++) {
                                        size_t at = b * (size_t) K_VALUES + 64 * (size_t) s;
                                        __m256i a = _mm256_maddubs_epi16(low, load_256(t.columns[j], at));
                                        __m256i z = _mm256_maddubs_epi16(high, load_256(t.columns[j], at + 32));
                                        whole[j] = _mm256_add_epi32(whole[j], _mm256_madd_epi16(a, scale_low));
                                        whole[j] = _mm256_add_epi32(whole[j], _mm256_madd_epi16(z, scale_high));
                                }
                        }
                        UNROLL
                        for (int j = 0; j < columns; j++)
                                t.sums[k][j] = k_block_add(&head, whole[j], t.columns[j], p->n, b, t.sums[k][j]);
                }
        }
        tile_end(&t, r, c, rows, columns);
}

ALWAYS_INLINE void tile_q4_k(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_k(p, r, c, rows, columns, false);
}

ALWAYS_INLINE void tile_q5_k(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_k(p, r, c, rows, columns, true);
}

/* --- Q6_K: sixteen signed scales, codes 0..63 that stand for -32..31 --- */

/* Codes of quarter Q (32 values) of a half whose bytes are L0, L1 (low nibbles) and H (bit pairs). */
ALWAYS_INLINE __m256i q6_codes(__m256i l0, __m256i l1, __m256i h, int q) {
        __m256i nibbles = q % 2 ? l1 : l0, pairs;
        if (q >= 2)
                nibbles = _mm256_srli_epi16(nibbles, 4);
        if (q == 0)
                pairs = _mm256_slli_epi16(h, 4);
        else if (q == 1)
                pairs = _mm256_slli_epi16(h, 2);
        else
                pairs = q == 2 ? h : _mm256_srli_epi16(h, 2);
        return _mm256_or_si256(_mm256_and_si256(nibbles, _mm256_set1_epi8(15)), _mm256_and_si256(pairs, _mm256_set1_epi8(48)));
}

/* Scales 2Q and 2Q + 1 of a half (its eight in both lanes): one for each lane of 16 values. */
ALWAYS_INLINE __m256i q6_scales(__m256i lanes, int q) {
        __m128i low = _mm_set1_epi16((short) ((4 * q + 1) << 8 | 4 * q)),
                high = _mm_set1_epi16((short) ((4 * q + 3) << 8 | (4 * q + 2)));
        return _mm256_shuffle_epi8(lanes, _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1));
}

ALWAYS_INLINE void tile_q6_k(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                fetch_ahead(&t, b, sizeof(struct block_q6_k), rows, columns);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        const uint8_t *block = t.rows[k] + b * sizeof(struct block_q6_k);
                        __m256i scales = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *) (const void *) (block + 192)));
                        __m256 scale = _mm256_set1_ps(_cvtsh_ss(load_u16(block + 208)));
                        __m256i whole[TILE_MAX];
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                __m256i below = _mm256_madd_epi16(scales, i8_sums(t.columns[j], p->n, b));
                                whole[j] = _mm256_sub_epi32(_mm256_setzero_si256(), _mm256_slli_epi32(below, 5));
                        }
                        UNROLL
                        for (int half = 0; half < 2; half++) {
                                __m256i l0 = load_256(block, 64 * (size_t) half), l1 = load_256(block, 64 * (size_t) half + 32);
                                __m256i h = load_256(block, 128 + 32 * (size_t) half);
                                __m256i lanes = _mm256_permute4x64_epi64(scales, 0x44);
                                if (half)
                                        lanes = _mm256_permute4x64_epi64(scales, 0xee);
                                UNROLL
                                for (int q = 0; q < 4; q++) {
                                        __m256i codes = q6_codes(l0, l1, h, q), own = q6_scales(lanes, q);
                                        UNROLL
                                        for (int j = 0; j < columns; j++) {
                                                size_t at = b * (size_t) K_VALUES + 128 * (size_t) half + 32 * (size_t) q;
                                                __m256i pairs = _mm256_maddubs_epi16(codes, load_256(t.columns[j], at));
                                                whole[j] = _mm256_add_epi32(whole[j], _mm256_madd_epi16(pairs, own));
                                        }
                                }
                        }
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                __m256 both = _mm256_mul_ps(scale, i8_scale(t.columns[j], p->n, b));
                                t.sums[k][j] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(whole[j]), t.sums[k][j]);
                        }
                }
        }
        tile_end(&t, r, c, rows, columns);
}

DEFINE_MULTIPLY(q4_k, 4)
DEFINE_MULTIPLY(q5_k, 4)
DEFINE_MULTIPLY(q6_k, 4)

#else
typedef int no_avx2_k; /* a translation unit may not be empty */
#endif
