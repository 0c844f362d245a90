/*
 * avx2.c - the kernels in AVX2, FMA and F16C: their table, and products of float weights. Those of quantised weights are in
 * avx2_block32.c, avx2_k.c and avx2_block256.c.
 */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx2_tile.h"
#include "engine/kernels/portable.h"
#include "engine/kernels_x86/sets.h"

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

DEFINE_MULTIPLY(f32, 3)
DEFINE_MULTIPLY(f16, 2)
DEFINE_MULTIPLY(bf16, 3)

/* clang-format off */
const struct kernels kernels_avx2 = {
        .name = "avx2",
        .types = {
                [TENSOR_F32] = { ACTIVATION_F32, portable_dequantize_f32, avx2_multiply_f32 },
                [TENSOR_F16] = { ACTIVATION_F32, portable_dequantize_f16, avx2_multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, avx2_multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, avx2_multiply_q4_0 },
                [TENSOR_Q4_1] = { ACTIVATION_I16, portable_dequantize_q4_1, avx2_multiply_q4_1 },
                [TENSOR_Q5_0] = { ACTIVATION_I16, portable_dequantize_q5_0, avx2_multiply_q5_0 },
                [TENSOR_Q5_1] = { ACTIVATION_I16, portable_dequantize_q5_1, avx2_multiply_q5_1 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, avx2_multiply_q8_0 },
                [TENSOR_IQ4_NL] = { ACTIVATION_I16, portable_dequantize_iq4_nl, avx2_multiply_iq4_nl },
                [TENSOR_MXFP4] = { ACTIVATION_I16, portable_dequantize_mxfp4, avx2_multiply_mxfp4 },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, avx2_multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, avx2_multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, avx2_multiply_q6_k },
                AVX2_TYPES_256
        },
        AVX2_VECTORS
};
/* clang-format on */

#else
typedef int no_avx2_here; /* a translation unit may not be empty */
#endif
