/*
 * neon_float.c - products of float weights in NEON. An output has four sums, one for each lane, which are added up at the end in one order,
 * wherever it lies in a tile.
 */
#if defined(__aarch64__)
#include <string.h>

#include "engine/kernels_arm/neon.h"

#define ROWS_MAX    8u /* of one column alone; of more, half as many */
#define COLUMNS_MAX 4u

/* Values I to I + 7 of a row. */
ALWAYS_INLINE float32x4x2_t load_8(enum tensor_type type, const uint8_t *row, size_t i) {
        if (type == TENSOR_F32)
                return (float32x4x2_t){ { vreinterpretq_f32_u8(vld1q_u8(row + 4 * i)),
                                          vreinterpretq_f32_u8(vld1q_u8(row + 4 * i + 16)) } };
        uint16x8_t halves = vreinterpretq_u16_u8(vld1q_u8(row + 2 * i));
        if (type == TENSOR_F16) {
                float16x8_t f = vreinterpretq_f16_u16(halves);
                return (float32x4x2_t){ { vcvt_f32_f16(vget_low_f16(f)), vcvt_high_f32_f16(f) } };
        }
        return (float32x4x2_t){ { vreinterpretq_f32_u32(vshll_n_u16(vget_low_u16(halves), 16)),
                                  vreinterpretq_f32_u32(vshll_high_n_u16(halves, 16)) } };
}

/* The eight values at I of ROWS rows and COLUMNS columns. */
ALWAYS_INLINE void add_8(float32x4_t sums[ROWS_MAX][COLUMNS_MAX], enum tensor_type type, const uint8_t *const rows[ROWS_MAX],
                         const uint8_t *const x[COLUMNS_MAX], size_t i, unsigned rows_count, unsigned columns) {
        float32x4x2_t at[COLUMNS_MAX];
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                at[j] = load_8(TENSOR_F32, x[j], i);
        UNROLL
        for (unsigned k = 0; k < rows_count; k++) {
                float32x4x2_t w = load_8(type, rows[k], i);
                UNROLL
                for (unsigned j = 0; j < columns; j++)
                        sums[k][j] = vfmaq_f32(vfmaq_f32(sums[k][j], w.val[0], at[j].val[0]), w.val[1], at[j].val[1]);
        }
}

/* The last values, fewer than eight: zeros follow them. */
ALWAYS_INLINE void add_last(float32x4_t sums[ROWS_MAX][COLUMNS_MAX], enum tensor_type type, const uint8_t *const rows[ROWS_MAX],
                            const uint8_t *const x[COLUMNS_MAX], uint32_t n, unsigned rows_count, unsigned columns) {
        const size_t value_bytes = type == TENSOR_F32 ? 4 : 2, from = n & ~7u;
        uint8_t row_ends[ROWS_MAX][32] = { { 0 } }, column_ends[COLUMNS_MAX][32] = { { 0 } };
        const uint8_t *last_rows[ROWS_MAX], *last_x[COLUMNS_MAX];
        for (unsigned k = 0; k < rows_count; k++)
                last_rows[k] = memcpy(row_ends[k], rows[k] + from * value_bytes, (n - from) * value_bytes);
        for (unsigned j = 0; j < columns; j++)
                last_x[j] = memcpy(column_ends[j], x[j] + from * 4, (n - from) * 4);
        add_8(sums, type, last_rows, last_x, 0, rows_count, columns);
}

ALWAYS_INLINE float sum_across(float32x4_t v) {
        return vaddvq_f32(v);
}

ALWAYS_INLINE void tile(enum tensor_type type, const struct product *p, uint32_t r, uint32_t c, unsigned rows_count,
                        unsigned columns) {
        float32x4_t sums[ROWS_MAX][COLUMNS_MAX];
        const uint8_t *rows[ROWS_MAX], *x[COLUMNS_MAX];
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                x[j] = p->columns + (c + j) * p->column_bytes;
        UNROLL
        for (unsigned k = 0; k < rows_count; k++) {
                rows[k] = p->rows + (r + k) * p->row_bytes;
                UNROLL
                for (unsigned j = 0; j < columns; j++)
                        sums[k][j] = vdupq_n_f32(0);
        }
        for (uint32_t i = 0; i + 8 <= p->n; i += 8)
                add_8(sums, type, rows, x, i, rows_count, columns);
        if (p->n % 8)
                add_last(sums, type, rows, x, p->n, rows_count, columns);
        UNROLL
        for (unsigned k = 0; k < rows_count; k++) {
                UNROLL
                for (unsigned j = 0; j < columns; j++)
                        p->out[(c + j) * p->out_stride + r + k] = sum_across(sums[k][j]);
        }
}

ALWAYS_INLINE void multiply_columns(enum tensor_type type, const struct product *p, uint32_t c, unsigned columns) {
        const unsigned together = columns == 1 ? ROWS_MAX : ROWS_MAX / 2;
        uint32_t r = 0;
        for (; r + together <= p->rows_count; r += together)
                tile(type, p, r, c, together, columns);
        for (; r < p->rows_count; r++)
                tile(type, p, r, c, 1, columns);
}

void neon_multiply_f32(const struct product *p) {
        FOR_COLUMNS(p, c, multiply_columns(TENSOR_F32, p, c, columns));
}

void neon_multiply_f16(const struct product *p) {
        FOR_COLUMNS(p, c, multiply_columns(TENSOR_F16, p, c, columns));
}

void neon_multiply_bf16(const struct product *p) {
        FOR_COLUMNS(p, c, multiply_columns(TENSOR_BF16, p, c, columns));
}

#else
typedef int no_neon_floats; /* a translation unit may not be empty */
#endif
