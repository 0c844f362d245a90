/*
 * avx2_kv.c - weighted sums of the KV cache's values in AVX2, FMA and F16C.
 *
 * Quantised values are added up as whole numbers, as in avx512_kv.c: a block's scale goes into the weights, which become numbers
 * of 16 bits relative to the largest of up to 64 rows, and two rows' codes meet two weights in one instruction.
 */
#if defined(__x86_64__)
#include "engine/gguf/block.h"
#include "engine/kernels_x86/avx2.h"

#define BLOCK       32u /* values that share a scale */
#define STRETCH     64u /* rows whose weights share one: 64 * 127 * 32767 is below 2^31 */
#define MIX_COLUMNS 2   /* with 32 values each: eight accumulators */

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

ALWAYS_INLINE void store_256(void *to, __m256i bits) {
        _mm256_store_si256((__m256i *) to, bits);
}

/* --- f16 --- */

/* Values I .. I + 31 of COLUMNS columns from C. */
ALWAYS_INLINE void mix_halves(const struct mixture *m, uint32_t c, uint32_t i, uint32_t columns) {
        __m256 sums[MIX_COLUMNS][4];
        UNROLL
        for (uint32_t j = 0; j < columns; j++) {
                UNROLL
                for (uint32_t part = 0; part < 4; part++)
                        sums[j][part] = _mm256_loadu_ps(m->out + (c + j) * m->out_stride + i + 8 * part);
        }
        for (uint32_t r = 0; r < m->rows_count; r++) {
                const uint8_t *row = m->rows + r * m->row_bytes + 2 * (size_t) i;
                __m256 values[4];
                UNROLL
                for (uint32_t part = 0; part < 4; part++)
                        values[part] = _mm256_cvtph_ps(load_128(row + 16 * (size_t) part));
                UNROLL
                for (uint32_t j = 0; j < columns; j++) {
                        __m256 weight = _mm256_broadcast_ss(m->weights + (c + j) * m->weights_stride + r);
                        UNROLL
                        for (uint32_t part = 0; part < 4; part++)
                                sums[j][part] = _mm256_fmadd_ps(weight, values[part], sums[j][part]);
                }
        }
        UNROLL
        for (uint32_t j = 0; j < columns; j++) {
                UNROLL
                for (uint32_t part = 0; part < 4; part++)
                        _mm256_storeu_ps(m->out + (c + j) * m->out_stride + i + 8 * part, sums[j][part]);
        }
}

/* Only f16 rows can end in less than 32 values. */
void avx2_mix_f16(const struct mixture *m) {
        for (uint32_t i = 0; i + 32 <= m->n; i += 32) {
                uint32_t c = 0;
                for (; c + MIX_COLUMNS <= m->columns_count; c += MIX_COLUMNS)
                        mix_halves(m, c, i, MIX_COLUMNS);
                for (; c < m->columns_count; c++)
                        mix_halves(m, c, i, 1);
        }
        for (uint32_t c = 0; c < m->columns_count; c++)
                for (uint32_t r = 0; r < m->rows_count; r++)
                        for (uint32_t i = m->n & ~31u; i < m->n; i++)
                                m->out[c * m->out_stride + i] += m->weights[c * m->weights_stride + r] *
                                                                 load_half(m->rows + r * m->row_bytes + 2 * (size_t) i);
}

/* --- quantised values --- */

/* A block of each row of a stretch: of each two rows the same values' codes side by side. */
struct values {
        _Alignas(32) int16_t codes[STRETCH / 2][2 * BLOCK];
        float scales[STRETCH];
};

/* Weights times scales of a stretch, as whole numbers. */
struct weights {
        _Alignas(32) int16_t whole[MIX_COLUMNS][STRETCH];
        float scale[MIX_COLUMNS];
};

/* Sixteen values of two rows. */
ALWAYS_INLINE void pair_16(int16_t to[BLOCK], __m128i a, __m128i b) {
        store_256(to, _mm256_cvtepi8_epi16(_mm_unpacklo_epi8(a, b)));
        store_256(to + 16, _mm256_cvtepi8_epi16(_mm_unpackhi_epi8(a, b)));
}

ALWAYS_INLINE void pair_q8_0(int16_t to[2 * BLOCK], const uint8_t *first, const uint8_t *second) {
        pair_16(to, load_128(first + 2), load_128(second + 2));
        pair_16(to + BLOCK, load_128(first + 18), load_128(second + 18));
}

ALWAYS_INLINE __m128i nibbles_of(__m128i bytes) {
        return _mm_sub_epi8(_mm_and_si128(bytes, _mm_set1_epi8(15)), _mm_set1_epi8(8));
}

ALWAYS_INLINE void pair_q4_0(int16_t to[2 * BLOCK], const uint8_t *first, const uint8_t *second) {
        __m128i a = load_128(first + 2), b = load_128(second + 2);
        pair_16(to, nibbles_of(a), nibbles_of(b));
        pair_16(to + BLOCK, nibbles_of(_mm_srli_epi16(a, 4)), nibbles_of(_mm_srli_epi16(b, 4)));
}

/* Block B of ROWS rows from R. A row without a partner is its own: its second weight is zero. */
ALWAYS_INLINE void unpack_values(struct values *v, const struct mixture *m, uint32_t r, uint32_t b, uint32_t rows,
                                 enum kv_type type) {
        const size_t block_bytes = type == KV_Q8_0 ? sizeof(struct block_q8_0) : sizeof(struct block_q4_0);
        const uint8_t *first = m->rows + r * m->row_bytes + b * block_bytes;
        _Alignas(16) uint16_t halves[STRETCH] = { 0 };
        for (uint32_t i = 0; i < rows; i += 2, first += 2 * m->row_bytes) {
                const uint8_t *second = i + 1 < rows ? first + m->row_bytes : first;
                halves[i] = load_u16(first);
                halves[i + 1] = load_u16(second);
                if (type == KV_Q8_0)
                        pair_q8_0(v->codes[i / 2], first, second);
                else
                        pair_q4_0(v->codes[i / 2], first, second);
        }
        for (uint32_t i = 0; i < STRETCH; i += 8)
                _mm256_storeu_ps(v->scales + i, _mm256_cvtph_ps(load_128(halves + i)));
}

/* Eight weights from I, fewer at the end, times their scales. */
ALWAYS_INLINE __m256 scaled_8(const float *weights, const float *scales, uint32_t i, uint32_t rows) {
        __m256i lanes = _mm256_cmpgt_epi32(_mm256_set1_epi32((int) rows - (int) i), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
        return _mm256_mul_ps(_mm256_maskload_ps(weights + i, lanes), _mm256_loadu_ps(scales + i));
}

ALWAYS_INLINE __m256i whole_8(const float *x, __m256 inverse) {
        return _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_load_ps(x), inverse));
}

/* The weights of column C as number J. */
static void weigh(struct weights *w, const struct values *v, const struct mixture *m, uint32_t r, uint32_t c, uint32_t rows,
                  uint32_t j) {
        const float *from = m->weights + c * m->weights_stride + r;
        _Alignas(32) float scaled[STRETCH];
        __m256 largest = _mm256_setzero_ps();
        for (uint32_t i = 0; i < STRETCH; i += 8) {
                __m256 x = scaled_8(from, v->scales, i, rows);
                largest = _mm256_max_ps(largest, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x));
                _mm256_store_ps(scaled + i, x);
        }
        float all = largest_lane(largest);
        __m256 inverse = _mm256_set1_ps(all > ACTIVATION_TINY ? 32767.0f / all : 0.0f);
        w->scale[j] = all / 32767.0f;
        for (uint32_t i = 0; i < STRETCH; i += 16) {
                __m256i packed = _mm256_packs_epi32(whole_8(scaled + i, inverse), whole_8(scaled + i + 8, inverse));
                store_256(w->whole[j] + i, _mm256_permute4x64_epi64(packed, 0xd8));
        }
}

/* Adds up ROWS rows for COLUMNS columns from C, whose weights are W's, into the values from I. */
ALWAYS_INLINE void mix_whole(const struct values *v, const struct weights *w, const struct mixture *m, uint32_t c, uint32_t i,
                             uint32_t rows, uint32_t columns) {
        __m256i sums[MIX_COLUMNS][4];
        UNROLL
        for (uint32_t j = 0; j < columns; j++) {
                UNROLL
                for (int part = 0; part < 4; part++)
                        sums[j][part] = _mm256_setzero_si256();
        }
        for (uint32_t pair = 0; pair < (rows + 1) / 2; pair++) {
                __m256i weight[MIX_COLUMNS];
                UNROLL
                for (uint32_t j = 0; j < columns; j++)
                        weight[j] = _mm256_set1_epi32((int) load_u32((const uint8_t *) (w->whole[j] + 2 * (size_t) pair)));
                UNROLL
                for (int part = 0; part < 4; part++) {
                        __m256i codes = _mm256_load_si256((const __m256i *) (const void *) (v->codes[pair] + 16 * part));
                        UNROLL
                        for (uint32_t j = 0; j < columns; j++)
                                sums[j][part] = _mm256_add_epi32(sums[j][part], _mm256_madd_epi16(codes, weight[j]));
                }
        }
        UNROLL
        for (uint32_t j = 0; j < columns; j++) {
                UNROLL
                for (uint32_t part = 0; part < 4; part++) {
                        float *out = m->out + (c + j) * m->out_stride + i + 8 * part;
                        __m256 sum = _mm256_cvtepi32_ps(sums[j][part]);
                        _mm256_storeu_ps(out, _mm256_fmadd_ps(_mm256_set1_ps(w->scale[j]), sum, _mm256_loadu_ps(out)));
                }
        }
}

static void mix_block(const struct values *v, const struct mixture *m, uint32_t r, uint32_t i, uint32_t rows) {
        struct weights w;
        uint32_t c = 0;
        for (; c + MIX_COLUMNS <= m->columns_count; c += MIX_COLUMNS) {
                for (uint32_t j = 0; j < MIX_COLUMNS; j++)
                        weigh(&w, v, m, r, c + j, rows, j);
                mix_whole(v, &w, m, c, i, rows, MIX_COLUMNS);
        }
        for (; c < m->columns_count; c++) {
                weigh(&w, v, m, r, c, rows, 0);
                mix_whole(v, &w, m, c, i, rows, 1);
        }
}

ALWAYS_INLINE void mix(const struct mixture *m, enum kv_type type) {
        struct values v;
        for (uint32_t r = 0; r < m->rows_count; r += STRETCH) {
                uint32_t rows = m->rows_count - r < STRETCH ? m->rows_count - r : STRETCH;
                for (uint32_t b = 0; b < m->n / BLOCK; b++) {
                        unpack_values(&v, m, r, b, rows, type);
                        mix_block(&v, m, r, b * BLOCK, rows);
                }
        }
}

void avx2_mix_q8_0(const struct mixture *m) {
        mix(m, KV_Q8_0);
}

void avx2_mix_q4_0(const struct mixture *m) {
        mix(m, KV_Q4_0);
}

#else
typedef int no_avx2_kv; /* a translation unit may not be empty */
#endif
