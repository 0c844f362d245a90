/*
 * avx512_kv.c - attention in AVX-512 with VNNI: f16 keys against queries, softmax, and weighted sums of values of every precision.
 *
 * Quantised values are added up as whole numbers: a block's scale goes into the weights, which become numbers of 16 bits relative to
 * the largest of up to 64 rows, and two rows' codes meet two weights in one instruction. What that rounds away is 2^-16 of the
 * largest part of the sum, far below what the codes themselves have lost.
 */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels_x86/lanes_avx512.h"
#include "engine/kernels_x86/panel.h"

#define KEY_ROWS    4
#define BLOCK       32u /* values that share a scale */
#define STRETCH     64u /* rows whose weights share one: 64 * 127 * 32767 is below 2^31 */
#define MIX_COLUMNS 8   /* with two accumulators each */

/* --- queries times f16 keys --- */

/* Of each row the sums of every fourth lane pair by pair, row k's in element k of each quarter. */
ALWAYS_INLINE __m512 quarters_of(const __m512 v[KEY_ROWS]) {
        __m512 a = _mm512_add_ps(_mm512_unpacklo_ps(v[0], v[1]), _mm512_unpackhi_ps(v[0], v[1]));
        __m512 b = _mm512_add_ps(_mm512_unpacklo_ps(v[2], v[3]), _mm512_unpackhi_ps(v[2], v[3]));
        __m512d low = _mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b));
        __m512d high = _mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b));
        return _mm512_add_ps(_mm512_castpd_ps(low), _mm512_castpd_ps(high));
}

/* The quarters of X and of Y, the first plus the third and the second plus the fourth. */
ALWAYS_INLINE __m512 halves_of(__m512 x, __m512 y) {
        return _mm512_add_ps(_mm512_shuffle_f32x4(x, y, 0x44), _mm512_shuffle_f32x4(x, y, 0xee));
}

/* Column j's four outputs in quarter j. However many columns there are, each one's lanes are added in this order. */
ALWAYS_INLINE __m512 sums_of_tile(const __m512 sums[COLUMNS_MAX][KEY_ROWS], int columns) {
        __m512 first = quarters_of(sums[0]), second = columns > 1 ? quarters_of(sums[1]) : first;
        __m512 a = halves_of(first, second), b = a;
        if (columns > 2)
                b = halves_of(quarters_of(sums[2]), quarters_of(sums[3]));
        return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

ALWAYS_INLINE void add_keys(__m512 sums[COLUMNS_MAX][KEY_ROWS], const struct product *p, const uint8_t *const rows[KEY_ROWS],
                            uint32_t c, uint32_t i, __mmask16 mask, int columns) {
        __m512 keys[KEY_ROWS];
        UNROLL
        for (int k = 0; k < KEY_ROWS; k++)
                keys[k] = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask, rows[k] + 2 * (size_t) i));
        UNROLL
        for (int j = 0; j < columns; j++) {
                __m512 x = _mm512_maskz_loadu_ps(mask, column_at(p, c + (uint32_t) j) + 4 * (size_t) i);
                UNROLL
                for (int k = 0; k < KEY_ROWS; k++)
                        sums[j][k] = _mm512_fmadd_ps(keys[k], x, sums[j][k]);
        }
}

/* Four rows from R; where there are fewer, the last one again. */
ALWAYS_INLINE void score_tile(const struct product *p, uint32_t r, uint32_t c, int columns) {
        __m512 sums[COLUMNS_MAX][KEY_ROWS];
        const uint8_t *rows[KEY_ROWS];
        uint32_t last = p->rows_count - 1, i = 0;
        UNROLL
        for (uint32_t k = 0; k < KEY_ROWS; k++)
                rows[k] = p->rows + (r + k < last ? r + k : last) * p->row_bytes;
        UNROLL
        for (int j = 0; j < columns; j++) {
                UNROLL
                for (int k = 0; k < KEY_ROWS; k++)
                        sums[j][k] = _mm512_setzero_ps();
        }
        for (; i + 16 <= p->n; i += 16)
                add_keys(sums, p, rows, c, i, 0xffff, columns);
        if (i < p->n)
                add_keys(sums, p, rows, c, i, (__mmask16) ((1u << (p->n - i)) - 1), columns);
        _Alignas(64) float out[4][KEY_ROWS];
        _mm512_store_ps(out[0], sums_of_tile((const __m512(*)[KEY_ROWS]) sums, columns));
        __mmask8 mask = (__mmask8) (last - r < KEY_ROWS - 1 ? (2u << (last - r)) - 1 : 15);
        UNROLL
        for (uint32_t j = 0; j < (uint32_t) columns; j++)
                _mm_mask_storeu_ps(p->out + (c + j) * p->out_stride + r, mask, _mm_load_ps(out[j]));
}

void avx512_score_f16(const struct product *p) {
        for (uint32_t r = 0; r < p->rows_count; r += KEY_ROWS)
                FOR_COLUMNS(p, c, score_tile(p, r, c, columns));
}

/* --- weighted sums of f16 values --- */

/* Up to 64 values from I of COLUMNS columns from C. */
ALWAYS_INLINE void mix_halves(const struct mixture *m, uint32_t c, uint32_t i, int columns) {
        __m512 sums[COLUMNS_MAX][4];
        __mmask16 masks[4];
        UNROLL
        for (uint32_t part = 0; part < 4; part++) {
                uint32_t at = i + 16 * part, left = m->n > at ? m->n - at : 0;
                masks[part] = (__mmask16) (left < 16 ? (1u << left) - 1 : 0xffffu);
                UNROLL
                for (uint32_t j = 0; j < (uint32_t) columns; j++)
                        sums[j][part] = _mm512_maskz_loadu_ps(masks[part], m->out + (c + j) * m->out_stride + at);
        }
        for (uint32_t r = 0; r < m->rows_count; r++) {
                __m512 values[4];
                UNROLL
                for (uint32_t part = 0; part < 4; part++) {
                        const uint8_t *at = m->rows + r * m->row_bytes + 2 * (size_t) (i + 16 * part);
                        values[part] = _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(masks[part], at));
                }
                UNROLL
                for (uint32_t j = 0; j < (uint32_t) columns; j++) {
                        __m512 weight = _mm512_set1_ps(m->weights[(c + j) * m->weights_stride + r]);
                        UNROLL
                        for (int part = 0; part < 4; part++)
                                sums[j][part] = _mm512_fmadd_ps(weight, values[part], sums[j][part]);
                }
        }
        UNROLL
        for (uint32_t part = 0; part < 4; part++) {
                UNROLL
                for (uint32_t j = 0; j < (uint32_t) columns; j++)
                        _mm512_mask_storeu_ps(m->out + (c + j) * m->out_stride + i + 16 * part, masks[part], sums[j][part]);
        }
}

void avx512_mix_f16(const struct mixture *m) {
        for (uint32_t i = 0; i < m->n; i += 64)
                FOR_COLUMNS(m, c, mix_halves(m, c, i, columns));
}

/* --- weighted sums of quantised values --- */

/* A block of each row of a stretch: of each two rows the same values' codes side by side, in two halves that EXPAND orders. */
struct values {
        _Alignas(64) int16_t codes[STRETCH / 2][2][BLOCK];
        float scales[STRETCH];
};

/* Weights times scales of a stretch, as whole numbers. */
struct weights {
        _Alignas(64) int16_t whole[MIX_COLUMNS][STRETCH];
        float scale[MIX_COLUMNS];
};

/* The block at AT of two rows. Values 0..3, 8..11 and so on first. */
ALWAYS_INLINE void pair_q8_0(int16_t to[2][BLOCK], const uint8_t *first, const uint8_t *second) {
        __m512i a = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *) (const void *) (first + 2)));
        __m512i b = _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i *) (const void *) (second + 2)));
        store_lanes(to[0], (i32s) _mm512_unpacklo_epi16(a, b));
        store_lanes(to[1], (i32s) _mm512_unpackhi_epi16(a, b));
}

/* Values in order. */
ALWAYS_INLINE void pair_q4_0(int16_t to[2][BLOCK], const uint8_t *first, const uint8_t *second) {
        __m128i a = load_128(first + 2), b = load_128(second + 2);
        __m512i both = _mm512_cvtepu8_epi16(_mm256_set_m128i(_mm_unpackhi_epi8(a, b), _mm_unpacklo_epi8(a, b)));
        const __m512i eight = _mm512_set1_epi16(8);
        store_lanes(to[0], (i32s) _mm512_sub_epi16(_mm512_and_si512(both, _mm512_set1_epi16(15)), eight));
        store_lanes(to[1], (i32s) _mm512_sub_epi16(_mm512_srli_epi16(both, 4), eight));
}

/* Block B of ROWS rows from R. A row without a partner is its own: its second weight is zero. */
ALWAYS_INLINE void unpack_values(struct values *v, const struct mixture *m, uint32_t r, uint32_t b, uint32_t rows,
                                 enum kv_type type) {
        const size_t block_bytes = type == KV_Q8_0 ? sizeof(struct block_q8_0) : sizeof(struct block_q4_0);
        const uint8_t *first = m->rows + r * m->row_bytes + b * block_bytes;
        _Alignas(64) uint16_t halves[STRETCH] = { 0 };
        for (uint32_t i = 0; i < rows; i += 2) {
                const uint8_t *second = i + 1 < rows ? first + m->row_bytes : first;
                halves[i] = load_u16(first);
                halves[i + 1] = load_u16(second);
                if (type == KV_Q8_0)
                        pair_q8_0(v->codes[i / 2], first, second);
                else
                        pair_q4_0(v->codes[i / 2], first, second);
                first += 2 * m->row_bytes;
        }
        for (uint32_t i = 0; i < STRETCH; i += 16)
                _mm512_storeu_ps(v->scales + i,
                                 _mm512_cvtph_ps(_mm256_load_si256((const __m256i *) (const void *) (halves + i))));
}

/* The weights of column C as number J. */
static void weigh(struct weights *w, const struct values *v, const struct mixture *m, uint32_t r, uint32_t c, uint32_t rows,
                  uint32_t j) {
        const float *from = m->weights + c * m->weights_stride + r;
        __m512 scaled[STRETCH / 16], largest = _mm512_setzero_ps();
        UNROLL
        for (uint32_t i = 0; i < STRETCH / 16; i++) {
                uint32_t left = rows > 16 * i ? rows - 16 * i : 0;
                __mmask16 mask = (__mmask16) (left < 16 ? (1u << left) - 1 : 0xffffu);
                __m512 x = _mm512_maskz_loadu_ps(mask, from + 16 * (size_t) i);
                scaled[i] = _mm512_mul_ps(x, _mm512_loadu_ps(v->scales + 16 * (size_t) i));
                largest = _mm512_max_ps(largest, _mm512_abs_ps(scaled[i]));
        }
        float all = _mm512_reduce_max_ps(largest);
        __m512 inverse = _mm512_set1_ps(all > ACTIVATION_TINY ? 32767.0f / all : 0.0f);
        w->scale[j] = all / 32767.0f;
        UNROLL
        for (uint32_t i = 0; i < STRETCH / 16; i++) {
                __m512i whole = _mm512_cvtps_epi32(_mm512_mul_ps(scaled[i], inverse));
                _mm256_store_si256((__m256i *) (void *) (w->whole[j] + 16 * (size_t) i), _mm512_cvtsepi32_epi16(whole));
        }
}

/* Adds up ROWS rows for COLUMNS columns from C, whose weights are W's, into the values from I. */
ALWAYS_INLINE void mix_whole(const struct values *v, const struct weights *w, const struct mixture *m, uint32_t c, uint32_t i,
                             uint32_t rows, int columns, enum kv_type type) {
        __m512i sums[MIX_COLUMNS][2];
        UNROLL
        for (int j = 0; j < columns; j++)
                sums[j][0] = sums[j][1] = _mm512_setzero_si512();
        for (uint32_t pair = 0; pair < (rows + 1) / 2; pair++) {
                __m512i first = (__m512i) load_lanes(v->codes[pair][0]), second = (__m512i) load_lanes(v->codes[pair][1]);
                UNROLL
                for (int j = 0; j < columns; j++) {
                        __m512i weight = (__m512i) everywhere((const uint8_t *) (w->whole[j] + 2 * (size_t) pair));
                        sums[j][0] = _mm512_dpwssd_epi32(sums[j][0], first, weight);
                        sums[j][1] = _mm512_dpwssd_epi32(sums[j][1], second, weight);
                }
        }
        UNROLL
        for (uint32_t j = 0; j < (uint32_t) columns; j++) {
                float *out = m->out + (c + j) * m->out_stride + i;
                __m512i a = sums[j][0], b = sums[j][1];
                if (type == KV_Q8_0) { /* into order: each half has every other four */
                        const __m512i order = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
                        a = _mm512_permutex2var_epi32(sums[j][0], order, sums[j][1]);
                        b = _mm512_permutex2var_epi32(sums[j][0], _mm512_add_epi32(order, _mm512_set1_epi32(8)), sums[j][1]);
                }
                __m512 scale = _mm512_set1_ps(w->scale[j]);
                _mm512_storeu_ps(out, _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(a), _mm512_loadu_ps(out)));
                _mm512_storeu_ps(out + 16, _mm512_fmadd_ps(scale, _mm512_cvtepi32_ps(b), _mm512_loadu_ps(out + 16)));
        }
}

/* Functions of their own for the registers. */
#define DEFINE_MIX(columns)                                                                                                 \
        static __attribute__((noinline)) void mix_##columns(const struct values *v, const struct weights *w,                \
                                                            const struct mixture *m, uint32_t c, uint32_t i, uint32_t rows, \
                                                            enum kv_type type) {                                            \
                mix_whole(v, w, m, c, i, rows, columns, type);                                                              \
        }
DEFINE_MIX(1)
DEFINE_MIX(4)
DEFINE_MIX(8)

static void mix_block(const struct values *v, const struct mixture *m, uint32_t r, uint32_t i, uint32_t rows, enum kv_type type) {
        struct weights w;
        for (uint32_t c = 0, count; c < m->columns_count; c += count) {
                uint32_t left = m->columns_count - c;
                count = left >= 8 ? 8 : left >= 4 ? 4 : 1;
                for (uint32_t j = 0; j < count; j++)
                        weigh(&w, v, m, r, c + j, rows, j);
                (count == 8 ? mix_8 : count == 4 ? mix_4 : mix_1)(v, &w, m, c, i, rows, type);
        }
}

ALWAYS_INLINE void mix(const struct mixture *m, enum kv_type type) {
        struct values v;
        for (uint32_t r = 0; r < m->rows_count; r += STRETCH) {
                uint32_t rows = m->rows_count - r < STRETCH ? m->rows_count - r : STRETCH;
                for (uint32_t b = 0; b < m->n / BLOCK; b++) {
                        unpack_values(&v, m, r, b, rows, type);
                        mix_block(&v, m, r, b * BLOCK, rows, type);
                }
        }
}

void avx512_mix_q8_0(const struct mixture *m) {
        mix(m, KV_Q8_0);
}

void avx512_mix_q4_0(const struct mixture *m) {
        mix(m, KV_Q4_0);
}

/* --- softmax --- */

float avx512_maximum(const float *x, uint32_t n) {
        __m512 lanes = _mm512_set1_ps(x[0]);
        for (uint32_t i = 0; i < n; i += 16) {
                __mmask16 mask = lanes_mask(n - i);
                lanes = _mm512_mask_max_ps(lanes, mask, _mm512_maskz_loadu_ps(mask, x + i), lanes);
        }
        return _mm512_reduce_max_ps(lanes);
}

/*
 * exp(x) = 2^k * exp(rest) with k whole and |rest| <= ln(2) / 2, where six terms of the series are exact to about a
 * unit in the last place. Below -87.3 the result is 0 (it would be denormal).
 */
ALWAYS_INLINE __m512 exponential(__m512 x) {
        __mmask16 in_range = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
        __m512 k = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
        __m512 rest = _mm512_fnmadd_ps(k, _mm512_set1_ps(0x1.62e4p-1f), x); /* ln(2) in two parts: the first is exact times k */
        rest = _mm512_fnmadd_ps(k, _mm512_set1_ps(0x1.7f7d1cp-20f), rest);
        __m512 y = _mm512_set1_ps(1.0f / 720);
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 120));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 24));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 6));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(0.5f));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f));
        return _mm512_maskz_scalef_ps(in_range, y, k);
}

float avx512_exponential_sum(float *x, uint32_t n, float shift) {
        __m512 sums = _mm512_setzero_ps();
        for (uint32_t i = 0; i < n; i += 16) {
                __mmask16 mask = lanes_mask(n - i);
                __m512 y = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(shift)));
                _mm512_mask_storeu_ps(x + i, mask, y);
                sums = _mm512_mask_add_ps(sums, mask, sums, y);
        }
        return _mm512_reduce_add_ps(sums);
}

#else
typedef int no_avx512_kv; /* a translation unit may not be empty */
#endif
