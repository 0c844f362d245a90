/*
 * avx2_block256.c - products of Q2_K, Q3_K and the IQ types in blocks of 256, in AVX2.
 *
 * One tile for all of them: a type is how its scales and the codes of a part of 32 are read (avx2_block256_read.h). Where codes are
 * magnitudes the activations take on their signs, where they were moved the sums of activations take it off again.
 * A pair of products stays below 2^15 (IQ4_XS: 2 * 127 * 127), what a lane adds up in a block below 2^26.
 */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx2_block256_read.h"

/* Adds the whole numbers of block B to a column's lanes, less what is below. */
ALWAYS_INLINE __m256 add_block(const struct weights_256 *w, __m256i whole, const uint8_t *column, uint32_t n, uint32_t b,
                               __m256 sum, enum tensor_type type) {
        __m256 own = i8_scale(column, n, b);
        if (moved_by(type))
                whole = _mm256_sub_epi32(whole, _mm256_madd_epi16(i8_sums(column, n, b), w->below));
        sum = _mm256_fmadd_ps(_mm256_mul_ps(w->scale, own), _mm256_cvtepi32_ps(whole), sum);
        if (!has_minima(type))
                return sum;
        __m256 below = _mm256_cvtepi32_ps(_mm256_madd_epi16(i8_sums(column, n, b), w->below));
        return _mm256_fnmadd_ps(_mm256_mul_ps(w->minimum, own), below, sum);
}

/* Block B of one row against all columns of a tile. */
ALWAYS_INLINE void row_256(struct tile *t, int k, uint32_t b, int columns, enum tensor_type type, size_t block_bytes) {
        const uint8_t *block = t->rows[k] + b * block_bytes;
        struct weights_256 w;
        __m256i whole[TILE_MAX];
        load_head(block, &w, type);
        UNROLL
        for (int c = 0; c < columns; c++)
                whole[c] = _mm256_setzero_si256();
        UNROLL
        for (int j = 0; j < 8; j++) {
                struct part part = load_part(block, &w, j, type);
                __m256i scale = broadcast_16(w.scales, j);
                UNROLL
                for (int c = 0; c < columns; c++) {
                        __m256i x = load_256(t->columns[c], b * (size_t) K_VALUES + 32 * (size_t) j);
                        if (has_signs(type))
                                x = _mm256_sign_epi8(x, part.signs);
                        whole[c] = _mm256_add_epi32(whole[c], _mm256_madd_epi16(_mm256_maddubs_epi16(part.codes, x), scale));
                }
        }
        UNROLL
        for (int c = 0; c < columns; c++)
                t->sums[k][c] = add_block(&w, whole[c], t->columns[c], t->p->n, b, t->sums[k][c], type);
}

/* The rows of a block are no unrolled loop: ten types of them would be a quarter of a megabyte. */
ALWAYS_INLINE void tile_256(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, enum tensor_type type,
                            size_t block_bytes) {
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                fetch_ahead(&t, b, block_bytes, rows, columns);
                for (int k = 0; k < rows; k++)
                        row_256(&t, k, b, columns, type, block_bytes);
        }
        tile_end(&t, r, c, rows, columns);
}

#define DEFINE_256(type, id)                                                                                     \
        ALWAYS_INLINE void tile_##type(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) { \
                tile_256(p, r, c, rows, columns, id, sizeof(struct block_##type));                               \
        }                                                                                                        \
        DEFINE_MULTIPLY(type, 4)

DEFINE_256(q2_k, TENSOR_Q2_K)
DEFINE_256(q3_k, TENSOR_Q3_K)
DEFINE_256(iq4_xs, TENSOR_IQ4_XS)
DEFINE_256(iq2_xxs, TENSOR_IQ2_XXS)
DEFINE_256(iq2_xs, TENSOR_IQ2_XS)
DEFINE_256(iq2_s, TENSOR_IQ2_S)
DEFINE_256(iq3_xxs, TENSOR_IQ3_XXS)
DEFINE_256(iq3_s, TENSOR_IQ3_S)
DEFINE_256(iq1_s, TENSOR_IQ1_S)
DEFINE_256(iq1_m, TENSOR_IQ1_M)

#else
typedef int no_avx2_256; /* a translation unit may not be empty */
#endif
