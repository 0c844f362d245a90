/*
 * avx512_float.c - products of float weights in AVX-512. An output has sixteen sums, one for each lane, which are added up at the end in one
 * order, wherever it lies in a tile.
 */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels_x86/lanes_avx512.h"
#include "engine/kernels_x86/panel.h"

#define TILE_ROWS 4

/* Values I to I + 15 of a row, as far as MASK says. */
ALWAYS_INLINE __m512 load_16(enum tensor_type type, const uint8_t *row, uint32_t i, __mmask16 mask) {
        if (type == TENSOR_F32)
                return _mm512_maskz_loadu_ps(mask, row + 4 * (size_t) i);
        __m256i halves = _mm256_maskz_loadu_epi16(mask, row + 2 * (size_t) i);
        if (type == TENSOR_F16)
                return _mm512_cvtph_ps(halves);
        return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(halves), 16));
}

/* The sixteen values from I of ROWS rows and COLUMNS columns. */
ALWAYS_INLINE void add_16(__m512 sums[TILE_ROWS][COLUMNS_MAX], const struct product *p, uint32_t r, uint32_t c, uint32_t i,
                          __mmask16 mask, int rows, int columns, enum tensor_type type) {
        __m512 x[COLUMNS_MAX];
        UNROLL
        for (int j = 0; j < columns; j++)
                x[j] = _mm512_maskz_loadu_ps(mask, column_at(p, c + (uint32_t) j) + 4 * (size_t) i);
        UNROLL
        for (int k = 0; k < rows; k++) {
                __m512 w = load_16(type, p->rows + (r + (uint32_t) k) * p->row_bytes, i, mask);
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums[k][j] = _mm512_fmadd_ps(w, x[j], sums[k][j]);
        }
}

ALWAYS_INLINE void tile(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, enum tensor_type type) {
        const size_t step_bytes = type == TENSOR_F32 ? 64 : 32;
        __m512 sums[TILE_ROWS][COLUMNS_MAX];
        uint32_t i = 0;
        UNROLL
        for (int k = 0; k < rows; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums[k][j] = _mm512_setzero_ps();
        }
        for (; i + 16 <= p->n; i += 16) {
                if (columns == 1 && rows == TILE_ROWS)
                        fetch_ahead(p, r, TILE_ROWS, i / 16, step_bytes);
                add_16(sums, p, r, c, i, 0xffff, rows, columns, type);
        }
        if (i < p->n)
                add_16(sums, p, r, c, i, (__mmask16) ((1u << (p->n - i)) - 1), rows, columns, type);
        UNROLL
        for (int k = 0; k < rows; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        p->out[(c + (uint32_t) j) * p->out_stride + r + (uint32_t) k] = _mm512_reduce_add_ps(sums[k][j]);
        }
}

ALWAYS_INLINE void multiply_columns(const struct product *p, uint32_t c, int columns, enum tensor_type type) {
        uint32_t r = 0;
        for (; r + TILE_ROWS <= p->rows_count; r += TILE_ROWS)
                tile(p, r, c, TILE_ROWS, columns, type);
        for (; r < p->rows_count; r++)
                tile(p, r, c, 1, columns, type);
}

ALWAYS_INLINE void multiply(const struct product *p, enum tensor_type type) {
        FOR_COLUMNS(p, c, multiply_columns(p, c, columns, type));
}

void avx512_multiply_f32(const struct product *p) {
        multiply(p, TENSOR_F32);
}

void avx512_multiply_f16(const struct product *p) {
        multiply(p, TENSOR_F16);
}

void avx512_multiply_bf16(const struct product *p) {
        multiply(p, TENSOR_BF16);
}

#else
typedef int no_avx512_float; /* a translation unit may not be empty */
#endif
