/*
 * neon_rows.h - products of rows as they lie: four rows and up to four columns, added up along the row, then across. For all columns of the
 * plain set; for one column of the others, where interleaving rows would cost more than it saves.
 *
 * Compiled once for each set: with dotprod four products are one instruction's. What is added up within a block is a whole number and
 * exact, so sets and tiles differ in nothing; an output takes its blocks in order, by the operations of `add_block_32` or `add_block_256`.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_NEON_ROWS_H
#define HEADROOM_ENGINE_KERNELS_ARM_NEON_ROWS_H

#include "engine/kernels_arm/neon_read.h"

#define TILE_ROWS   4u
#define COLUMNS_MAX 4u

ALWAYS_INLINE const uint8_t *column_at(const struct product *p, uint32_t c) {
        return p->columns + c * p->column_bytes;
}

/* Row R; beyond the last one that one again, so that a tile has all its rows: what comes of it is not stored. */
ALWAYS_INLINE const uint8_t *row_at(const struct product *p, uint32_t r) {
        return p->rows + (r < p->rows_count ? r : p->rows_count - 1) * p->row_bytes;
}

/* The outputs of the four rows from R and column C, as many as there are. */
ALWAYS_INLINE void store_rows(const struct product *p, uint32_t r, uint32_t c, float32x4_t sums) {
        float *out = p->out + c * p->out_stride + r;
        float all[4];
        if (p->rows_count - r >= 4) {
                vst1q_f32(out, sums);
                return;
        }
        vst1q_f32(all, sums);
        memcpy(out, all, (p->rows_count - r) * sizeof(float));
}

/* The sums of the lanes of each of V. */
ALWAYS_INLINE int32x4_t sums_across(const int32x4_t v[4]) {
        return vpaddq_s32(vpaddq_s32(v[0], v[1]), vpaddq_s32(v[2], v[3]));
}

/* --- blocks of 32: codes of 16 bits against those of the column --- */

/* Adds a block's whole numbers of four rows, and where it has offsets these times ALL, the sum of the column's codes. */
ALWAYS_INLINE float32x4_t add_block_32(enum tensor_type type, float32x4_t sum, int32x4_t whole, float32x4_t scale,
                                       float32x4_t offset, float all, float column_scale) {
        float32x4_t value = vmulq_f32(scale, vcvtq_f32_s32(whole));
        if (has_offset(type))
                value = vfmaq_n_f32(value, offset, all);
        return vfmaq_n_f32(sum, value, column_scale);
}

/* Block B of column C: its codes, their sum and their scale. */
struct column_32 {
        const int16_t *codes;
        float all, scale;
};

ALWAYS_INLINE struct column_32 column_32(enum tensor_type type, const struct product *p, uint32_t c, uint32_t b) {
        const uint8_t *column = column_at(p, c);
        const int16_t *codes = (const int16_t *) (const void *) column + 32 * (size_t) b;
        struct column_32 x = { codes, 0, ((const float *) (const void *) (column + i16_scales_offset(p->n)))[b] };
        if (has_offset(type)) {
                int32x4_t all = vpaddlq_s16(vld1q_s16(codes));
                all = vpadalq_s16(all, vld1q_s16(codes + 8));
                all = vpadalq_s16(all, vld1q_s16(codes + 16));
                x.all = (float) vaddvq_s32(vpadalq_s16(all, vld1q_s16(codes + 24)));
        }
        return x;
}

#ifdef __ARM_FEATURE_DOTPROD
/*
 * 16-bit codes as 256 times a signed byte and another byte. Where that cannot be met without a sign (i8mm can) it becomes a signed one by
 * taking 128 off, and 128 times the weights' codes is added again in the end.
 */
struct split_32 {
        int8x16_t upper[2], lower[2];
};

#ifdef __ARM_FEATURE_MATMUL_INT8
#define TAKEN_OFF 0
#else
#define TAKEN_OFF 128
#endif

ALWAYS_INLINE struct split_32 split_32(const int16_t *codes) {
        struct split_32 ret;
        UNROLL
        for (int i = 0; i < 2; i++) {
                int8x16x2_t bytes = vld2q_s8((const int8_t *) (codes + 16 * i));
                ret.lower[i] = veorq_s8(bytes.val[0], vdupq_n_s8((int8_t) TAKEN_OFF));
                ret.upper[i] = bytes.val[1];
        }
        return ret;
}

ALWAYS_INLINE int32x4_t dot_32(const int8x16_t w[2], const int8x16_t x[2]) {
        return vdotq_s32(vdotq_s32(vdupq_n_s32(0), w[0], x[0]), w[1], x[1]);
}

ALWAYS_INLINE int32x4_t dot_lower(const int8x16_t w[2], const int8x16_t x[2]) {
#ifdef __ARM_FEATURE_MATMUL_INT8
        int32x4_t sum = vusdotq_s32(vdupq_n_s32(0), vreinterpretq_u8_s8(x[0]), w[0]);
        return vusdotq_s32(sum, vreinterpretq_u8_s8(x[1]), w[1]);
#else
        return dot_32(w, x);
#endif
}

/* What is to be added again for four rows. */
ALWAYS_INLINE int32x4_t added_32(const struct codes_32 w[TILE_ROWS]) {
        const int8x16_t less[2] = { vdupq_n_s8((int8_t) -TAKEN_OFF), vdupq_n_s8((int8_t) -TAKEN_OFF) };
        const int32x4_t sums[TILE_ROWS] = { dot_32(w[0].codes, less), dot_32(w[1].codes, less), dot_32(w[2].codes, less),
                                            dot_32(w[3].codes, less) };
        return TAKEN_OFF ? vnegq_s32(sums_across(sums)) : vdupq_n_s32(0);
}

ALWAYS_INLINE int32x4_t whole_32(int32x4_t upper, int32x4_t lower, int32x4_t added) {
        int32x4_t whole = vaddq_s32(vshlq_n_s32(upper, 8), lower);
        return TAKEN_OFF ? vaddq_s32(whole, added) : whole;
}

/* The whole numbers of four rows. */
ALWAYS_INLINE int32x4_t multiply_32(const struct codes_32 w[TILE_ROWS], const int16_t *codes) {
        const struct split_32 x = split_32(codes);
        int32x4_t upper[TILE_ROWS], lower[TILE_ROWS];
        UNROLL
        for (unsigned k = 0; k < TILE_ROWS; k++) {
                upper[k] = dot_32(w[k].codes, x.upper);
                lower[k] = dot_lower(w[k].codes, x.lower);
        }
        return whole_32(sums_across(upper), sums_across(lower), added_32(w));
}
#else
ALWAYS_INLINE int32x4_t multiply_32(const struct codes_32 w[TILE_ROWS], const int16_t *codes) {
        int32x4_t sums[TILE_ROWS];
        UNROLL
        for (unsigned k = 0; k < TILE_ROWS; k++) {
                sums[k] = vdupq_n_s32(0);
                UNROLL
                for (int i = 0; i < 2; i++) {
                        int16x8_t x0 = vld1q_s16(codes + 16 * i), x1 = vld1q_s16(codes + 16 * i + 8);
                        int16x8_t w0 = vmovl_s8(vget_low_s8(w[k].codes[i])), w1 = vmovl_high_s8(w[k].codes[i]);
                        sums[k] = vmlal_high_s16(vmlal_s16(sums[k], vget_low_s16(w0), vget_low_s16(x0)), w0, x0);
                        sums[k] = vmlal_high_s16(vmlal_s16(sums[k], vget_low_s16(w1), vget_low_s16(x1)), w1, x1);
                }
        }
        return sums_across(sums);
}
#endif

ALWAYS_INLINE void tile_32(enum tensor_type type, const struct product *p, uint32_t r, uint32_t c, unsigned columns,
                           size_t block_bytes) {
        float32x4_t sums[COLUMNS_MAX];
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                sums[j] = vdupq_n_f32(0);
        for (uint32_t b = 0; b < p->n / 32; b++) {
                struct codes_32 w[TILE_ROWS];
                float scales[TILE_ROWS], offsets[TILE_ROWS];
                UNROLL
                for (unsigned k = 0; k < TILE_ROWS; k++) {
                        w[k] = read_32(type, row_at(p, r + k) + b * block_bytes);
                        scales[k] = w[k].scale;
                        offsets[k] = w[k].offset;
                }
                UNROLL
                for (unsigned j = 0; j < columns; j++) {
                        const struct column_32 x = column_32(type, p, c + j, b);
                        sums[j] = add_block_32(type, sums[j], multiply_32(w, x.codes), vld1q_f32(scales), vld1q_f32(offsets),
                                               x.all, x.scale);
                }
        }
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                store_rows(p, r, c + j, sums[j]);
}

/* --- blocks of 256: codes of 8 bits --- */

/* Adds a block's whole numbers of four rows, less the minima's. */
ALWAYS_INLINE float32x4_t add_block_256(enum tensor_type type, float32x4_t sum, int32x4_t whole, int32x4_t below,
                                        float32x4_t scale, float32x4_t minimum, float column_scale) {
        float32x4_t value = vmulq_f32(scale, vcvtq_f32_s32(whole));
        if (has_minima(type))
                value = vfmsq_f32(value, minimum, vcvtq_f32_s32(below));
        return vfmaq_n_f32(sum, value, column_scale);
}

ALWAYS_INLINE const int8_t *codes_256(const struct product *p, uint32_t c, uint32_t b) {
        return (const int8_t *) column_at(p, c) + K_VALUES * (size_t) b;
}

ALWAYS_INLINE const int16_t *sums_256(const struct product *p, uint32_t c, uint32_t b) {
        return (const int16_t *) (const void *) (column_at(p, c) + i8_sums_offset(p->n)) + 16 * (size_t) b;
}

ALWAYS_INLINE float scale_256(const struct product *p, uint32_t c, uint32_t b) {
        return ((const float *) (const void *) (column_at(p, c) + i8_scales_offset(p->n)))[b];
}

/* Sixteen products, onto SUM in four lanes. A product of a weight's code and an activation's, -127 to 127, is below 2^14. */
ALWAYS_INLINE int32x4_t add_16(int32x4_t sum, int8x16_t w, int8x16_t x) {
#ifdef __ARM_FEATURE_DOTPROD
        return vdotq_s32(sum, w, x);
#else
        return vpadalq_s16(sum, vmlal_high_s8(vmull_s8(vget_low_s8(w), vget_low_s8(x)), w, x));
#endif
}

/* Block B of one row times COLUMNS columns, in four lanes each. */
ALWAYS_INLINE void multiply_256(enum tensor_type type, const struct row_256 *row, const struct product *p, uint32_t c, uint32_t b,
                                unsigned columns, int32x4_t ret[COLUMNS_MAX]) {
        const bool wide = has_parts_of_32(type);
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                ret[j] = vdupq_n_s32(0);
        UNROLL
        for (int v = 0; v < 16; v += wide ? 2 : 1) {
                int8x16_t w0 = read_codes(type, row, v), w1 = wide ? read_codes(type, row, v + 1) : w0;
                UNROLL
                for (unsigned j = 0; j < columns; j++) {
                        const int8_t *x = codes_256(p, c + j, b) + 16 * v;
                        int32x4_t part = add_16(vdupq_n_s32(0), w0, vld1q_s8(x));
                        if (wide)
                                part = add_16(part, w1, vld1q_s8(x + 16));
                        ret[j] = vmlaq_n_s32(ret[j], part, row->scales[v]);
                }
        }
}

/* What the minima of a row take off, in four lanes. */
ALWAYS_INLINE int32x4_t below_256(const struct row_256 *row, const int16_t sums[16]) {
        uint8x16_t minima = vld1q_u8(row->minima);
        int16x8_t m0 = vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(minima))), m1 = vreinterpretq_s16_u16(vmovl_high_u8(minima));
        int16x8_t s0 = vld1q_s16(sums), s1 = vld1q_s16(sums + 8);
        int32x4_t below = vmlal_high_s16(vmull_s16(vget_low_s16(m0), vget_low_s16(s0)), m0, s0);
        return vmlal_high_s16(vmlal_s16(below, vget_low_s16(m1), vget_low_s16(s1)), m1, s1);
}

ALWAYS_INLINE void tile_256(enum tensor_type type, const struct product *p, uint32_t r, uint32_t c, unsigned columns,
                            size_t block_bytes) {
        float32x4_t sums[COLUMNS_MAX];
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                sums[j] = vdupq_n_f32(0);
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                int32x4_t whole[COLUMNS_MAX][TILE_ROWS], below[COLUMNS_MAX][TILE_ROWS];
                float scales[TILE_ROWS], minima[TILE_ROWS];
                for (unsigned k = 0; k < TILE_ROWS; k++) {
                        struct row_256 row;
                        int32x4_t products[COLUMNS_MAX];
                        read_head(type, row_at(p, r + k) + b * block_bytes, &row);
                        multiply_256(type, &row, p, c, b, columns, products);
                        scales[k] = row.scale;
                        minima[k] = row.minimum;
                        UNROLL
                        for (unsigned j = 0; j < columns; j++) {
                                whole[j][k] = products[j];
                                below[j][k] = has_minima(type) ? below_256(&row, sums_256(p, c + j, b)) : vdupq_n_s32(0);
                        }
                }
                UNROLL
                for (unsigned j = 0; j < columns; j++)
                        sums[j] = add_block_256(type, sums[j], sums_across(whole[j]), sums_across(below[j]), vld1q_f32(scales),
                                                vld1q_f32(minima), scale_256(p, c + j, b));
        }
        UNROLL
        for (unsigned j = 0; j < columns; j++)
                store_rows(p, r, c + j, sums[j]);
}

/* --- all rows --- */

ALWAYS_INLINE void rows_32(enum tensor_type type, const struct product *p, uint32_t c, unsigned columns, size_t block_bytes) {
        for (uint32_t r = 0; r < p->rows_count; r += TILE_ROWS)
                tile_32(type, p, r, c, columns, block_bytes);
}

ALWAYS_INLINE void rows_256(enum tensor_type type, const struct product *p, uint32_t c, unsigned columns, size_t block_bytes) {
        for (uint32_t r = 0; r < p->rows_count; r += TILE_ROWS)
                tile_256(type, p, r, c, columns, block_bytes);
}

#endif
