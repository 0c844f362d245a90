/*
 * avx2.c - products of weight rows and activation columns in AVX2, FMA and F16C.
 *
 * A tile of up to 4 rows and 4 columns reads each weight once for all its columns. Per output there is one
 * accumulator of 8 float lanes that takes the blocks in order, and one way of adding up its lanes, so that the size
 * of the tile an output falls into changes no bit of it. Products of codes are exact whole numbers within a block:
 * four 16-bit ones stay below 2^25, and a pair of maddubs below 2^15 (Q6_K: 2 * 63 * 127).
 */
#if defined(__x86_64__)
#include "engine/kernels/avx2.h"
#include "engine/kernels/portable.h"

enum { Q4_0_BYTES = 18, Q8_0_BYTES = 34, Q4_K_BYTES = 144, Q5_K_BYTES = 176, Q6_K_BYTES = 210, K_VALUES = 256 };

#define TILE_MAX 4

struct tile {
        const struct product *p;
        const uint8_t *rows[TILE_MAX];
        const uint8_t *columns[TILE_MAX];
        __m256 sums[TILE_MAX][TILE_MAX];
};

ALWAYS_INLINE void tile_begin(struct tile *t, const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        t->p = p;
        UNROLL
        for (int i = 0; i < rows; i++)
                t->rows[i] = p->rows + (r + (uint32_t) i) * p->row_bytes;
        UNROLL
        for (int j = 0; j < columns; j++)
                t->columns[j] = p->columns + (c + (uint32_t) j) * p->column_bytes;
        UNROLL
        for (int i = 0; i < rows; i++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        t->sums[i][j] = _mm256_setzero_ps();
        }
}

/*
 * With one column a product is as fast as its weights arrive, and four rows in step are no pattern that the processor
 * fetches ahead by itself. Rows lie one after another, so each step asks for as many bytes as it uses, FETCH_AHEAD
 * further on: some 200 ns at what one thread reads. Beyond the last row the request is idle but harmless.
 */
#define FETCH_AHEAD 8192u

ALWAYS_INLINE void fetch_ahead(const struct tile *t, size_t step, size_t step_bytes, int rows, int columns) {
        if (rows != 4 || columns != 1)
                return;
        uintptr_t next = (uintptr_t) t->rows[0] + FETCH_AHEAD + step * 4 * step_bytes;
        for (size_t at = 0; at < 4 * step_bytes; at += 64)
                _mm_prefetch((const char *) (next + at), _MM_HINT_T0);
}

ALWAYS_INLINE void tile_end(const struct tile *t, uint32_t r, uint32_t c, int rows, int columns) {
        UNROLL
        for (int j = 0; j < columns; j++) {
                float *out = t->p->out + (c + (uint32_t) j) * t->p->out_stride + r;
                if (rows == 4)
                        _mm_storeu_ps(out, sums_of_four(t->sums[0][j], t->sums[1][j], t->sums[2][j], t->sums[3][j]));
                else
                        out[0] = sum_of(t->sums[0][j]);
        }
}

/* --- float weights --- */

ALWAYS_INLINE __m256 load_8(enum tensor_type type, const uint8_t *row, uint32_t i) {
        if (type == TENSOR_F32)
                return _mm256_loadu_ps((const float *) (const void *) (row + 4 * (size_t) i));
        __m128i halves = _mm_loadu_si128((const __m128i *) (const void *) (row + 2 * (size_t) i));
        if (type == TENSOR_F16)
                return _mm256_cvtph_ps(halves);
        return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(halves), 16));
}

ALWAYS_INLINE float load_1(enum tensor_type type, const uint8_t *row, uint32_t i) {
        if (type == TENSOR_F32)
                return load_float(row + 4 * (size_t) i);
        return type == TENSOR_F16 ? load_half(row + 2 * (size_t) i) : load_bfloat(row + 2 * (size_t) i);
}

ALWAYS_INLINE void tile_floats(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, enum tensor_type type) {
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t i = 0; i + 8 <= p->n; i += 8) {
                __m256 x[TILE_MAX];
                fetch_ahead(&t, i / 8, type == TENSOR_F32 ? 32 : 16, rows, columns);
                UNROLL
                for (int j = 0; j < columns; j++)
                        x[j] = _mm256_loadu_ps((const float *) (const void *) t.columns[j] + i);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        __m256 w = load_8(type, t.rows[k], i);
                        UNROLL
                        for (int j = 0; j < columns; j++)
                                t.sums[k][j] = _mm256_fmadd_ps(w, x[j], t.sums[k][j]);
                }
        }
        tile_end(&t, r, c, rows, columns);
        for (uint32_t i = p->n & ~7u; i < p->n; i++)
                for (int k = 0; k < rows; k++)
                        for (int j = 0; j < columns; j++)
                                p->out[(c + (uint32_t) j) * p->out_stride + r + (uint32_t) k] +=
                                        load_1(type, t.rows[k], i) * ((const float *) (const void *) t.columns[j])[i];
}

ALWAYS_INLINE void tile_f32(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_floats(p, r, c, rows, columns, TENSOR_F32);
}

ALWAYS_INLINE void tile_f16(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_floats(p, r, c, rows, columns, TENSOR_F16);
}

ALWAYS_INLINE void tile_bf16(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_floats(p, r, c, rows, columns, TENSOR_BF16);
}

/* --- blocks of 32 with one scale --- */

ALWAYS_INLINE __m256i load_256(const uint8_t *bytes, size_t at) {
        return _mm256_loadu_si256((const __m256i *) (const void *) (bytes + at));
}

/* 32 codes as 16-bit numbers, in order. */
struct codes_32 {
        __m256i low, high;
};

ALWAYS_INLINE struct codes_32 codes_of_q8_0(const uint8_t *block) {
        const __m128i *codes = (const __m128i *) (const void *) (block + 2);
        return (struct codes_32){ _mm256_cvtepi8_epi16(_mm_loadu_si128(codes)),
                                  _mm256_cvtepi8_epi16(_mm_loadu_si128(codes + 1)) };
}

/* The codes 0..15 stand for -8..7. */
ALWAYS_INLINE struct codes_32 codes_of_q4_0(const uint8_t *block) {
        __m256i both = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *) (const void *) (block + 2))),
                eight = _mm256_set1_epi16(8);
        return (struct codes_32){
                _mm256_sub_epi16(_mm256_and_si256(both, _mm256_set1_epi16(15)), eight),
                _mm256_sub_epi16(_mm256_srli_epi16(both, 4), eight),
        };
}

ALWAYS_INLINE void tile_32(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, enum tensor_type type) {
        const size_t block_bytes = type == TENSOR_Q8_0 ? Q8_0_BYTES : Q4_0_BYTES, scales_at = i16_scales_offset(p->n);
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t b = 0; b < p->n / 32; b++) {
                fetch_ahead(&t, b, block_bytes, rows, columns);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        const uint8_t *block = t.rows[k] + b * block_bytes;
                        struct codes_32 w = type == TENSOR_Q8_0 ? codes_of_q8_0(block) : codes_of_q4_0(block);
                        __m256 scale = _mm256_set1_ps(_cvtsh_ss(load_u16(block)));
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                const float *own = (const float *) (const void *) (t.columns[j] + scales_at) + b;
                                __m256i whole =
                                        _mm256_add_epi32(_mm256_madd_epi16(w.low, load_256(t.columns[j], b * (size_t) 64)),
                                                         _mm256_madd_epi16(w.high, load_256(t.columns[j], b * (size_t) 64 + 32)));
                                __m256 both = _mm256_mul_ps(scale, _mm256_broadcast_ss(own));
                                t.sums[k][j] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(whole), t.sums[k][j]);
                        }
                }
        }
        tile_end(&t, r, c, rows, columns);
}

ALWAYS_INLINE void tile_q8_0(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_32(p, r, c, rows, columns, TENSOR_Q8_0);
}

ALWAYS_INLINE void tile_q4_0(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        tile_32(p, r, c, rows, columns, TENSOR_Q4_0);
}

/* A column of 8-bit codes: block B's scale in all lanes, its sums of 16. */
ALWAYS_INLINE __m256 i8_scale(const uint8_t *column, uint32_t n, uint32_t b) {
        return _mm256_broadcast_ss((const float *) (const void *) (column + i8_scales_offset(n)) + b);
}

ALWAYS_INLINE __m256i i8_sums(const uint8_t *column, uint32_t n, uint32_t b) {
        return load_256(column, i8_sums_offset(n) + b * (size_t) 32);
}

/* --- blocks of 256 with eight scales and minima --- */

/* Sixteen-bit element J of both lanes, everywhere. */
ALWAYS_INLINE __m256i broadcast_16(__m256i lanes, int j) {
        return _mm256_shuffle_epi8(lanes, _mm256_set1_epi16((short) ((2 * j + 1) << 8 | 2 * j)));
}

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
        size_t block_bytes = fifth_bits ? Q5_K_BYTES : Q4_K_BYTES;
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
                fetch_ahead(&t, b, Q6_K_BYTES, rows, columns);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        const uint8_t *block = t.rows[k] + b * (size_t) Q6_K_BYTES;
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

/* --- tiles over a product --- */

/* All rows against COLUMNS columns from C: in fours, then one by one. */
#define TILE_ROWS(tile, p, c, columns)                     \
        do {                                               \
                uint32_t r_ = 0;                           \
                for (; r_ + 4 <= (p)->rows_count; r_ += 4) \
                        tile((p), r_, (c), 4, (columns));  \
                for (; r_ < (p)->rows_count; r_++)         \
                        tile((p), r_, (c), 1, (columns));  \
        } while (0)

/*
 * WIDEST columns at a time, then two, then one: as wide as the accumulators stay in registers, measured with
 * bench-kernels (gcc 12 spills two of F16's twelve, which halves it). Whole-number types keep theirs in memory per block.
 */
#define DEFINE_MULTIPLY(type, widest)                                                             \
        static void multiply_##type(const struct product *p) {                                    \
                uint32_t c = 0, count = p->columns_count;                                         \
                for (; c + (widest) <= count && (count - c != 4 || (widest) != 3); c += (widest)) \
                        TILE_ROWS(tile_##type, p, c, widest);                                     \
                for (; c + 2 <= count; c += 2)                                                    \
                        TILE_ROWS(tile_##type, p, c, 2);                                          \
                for (; c < count; c++)                                                            \
                        TILE_ROWS(tile_##type, p, c, 1);                                          \
        }

DEFINE_MULTIPLY(f32, 3)
DEFINE_MULTIPLY(f16, 2)
DEFINE_MULTIPLY(bf16, 3)
DEFINE_MULTIPLY(q4_0, 3)
DEFINE_MULTIPLY(q8_0, 3)
DEFINE_MULTIPLY(q4_k, 4)
DEFINE_MULTIPLY(q5_k, 4)
DEFINE_MULTIPLY(q6_k, 4)

const struct kernels kernels_avx2 = {
        .name = "avx2",
        .types = {
                [TENSOR_F32]  = { ACTIVATION_F32, portable_dequantize_f32, multiply_f32 },
                [TENSOR_F16]  = { ACTIVATION_F32, portable_dequantize_f16, multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, multiply_q4_0 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, multiply_q8_0 },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, multiply_q6_k },
        },
        .prepare = {
                [ACTIVATION_I16] = avx2_prepare_i16,
                [ACTIVATION_I8]  = avx2_prepare_i8,
        },
        .kv = {
                [KV_F16]  = { avx2_load_f16, avx2_store_f16, avx2_mix_f16 },
                [KV_Q8_0] = { avx2_load_q8_0, avx2_store_q8_0, avx2_mix_q8_0 },
                [KV_Q4_0] = { portable_dequantize_q4_0, avx2_store_q4_0, avx2_mix_q4_0 },
        },
        .rms_norm = avx2_rms_norm,
        .turn = avx2_turn,
        .add = avx2_add,
        .scale = avx2_scale,
        .swiglu = avx2_swiglu,
        .maximum = avx2_maximum,
        .exponential_sum = avx2_exponential_sum,
};

#else
typedef int no_avx2_here; /* a translation unit may not be empty */
#endif
