/*
 * neon_panel.h - products of many columns with dotprod or i8mm. A PANEL is blocks of eight rows, unpacked once for all columns and
 * interleaved so that each instruction meets several rows (neon_quad.h).
 *
 * What is left per output are the operations of neon_rows.h on the same whole numbers, so one column alone gives the same bits.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_NEON_PANEL_H
#define HEADROOM_ENGINE_KERNELS_ARM_NEON_PANEL_H

#include "engine/kernels_arm/neon_quad.h"
#include "engine/kernels_arm/neon_rows.h"

#define QUADS      2u /* of four rows each */
#define PANEL_ROWS (4u * QUADS)
#define BLOCKS_MAX 8u /* of 32 values, unpacked at a time */

/* Columns go in pairs; an odd one out is a pair with itself, and stored once. */
ALWAYS_INLINE uint32_t partner(const struct product *p, uint32_t c) {
        return c + 1 < p->columns_count ? c + 1 : c;
}

/* What the outputs of the four rows from R and column C have come to. */
ALWAYS_INLINE float32x4_t load_rows(const struct product *p, uint32_t r, uint32_t c) {
        const float *out = p->out + c * p->out_stride + r;
        float all[4] = { 0 };
        if (p->rows_count - r >= 4)
                return vld1q_f32(out);
        memcpy(all, out, (p->rows_count - r) * sizeof(float));
        return vld1q_f32(all);
}

/* --- blocks of 32 --- */

struct panel_32 {
        struct quad codes[2][QUADS];
        float scales[PANEL_ROWS], offsets[PANEL_ROWS];
        int32x4_t added[QUADS]; /* again, for what `split_32` has taken off the columns' codes */
};

ALWAYS_INLINE void fill_32(enum tensor_type type, struct panel_32 *panel, const struct product *p, uint32_t r, uint32_t b,
                           size_t block_bytes) {
        for (unsigned q = 0; q < QUADS; q++) {
                struct codes_32 w[4];
                UNROLL
                for (unsigned k = 0; k < 4; k++) {
                        w[k] = read_32(type, row_at(p, r + 4 * q + k) + b * block_bytes);
                        panel->scales[4 * q + k] = w[k].scale;
                        panel->offsets[4 * q + k] = w[k].offset;
                }
                UNROLL
                for (int v = 0; v < 2; v++) {
                        const int8x16_t rows[4] = { w[0].codes[v], w[1].codes[v], w[2].codes[v], w[3].codes[v] };
                        panel->codes[v][q] = quad_of(rows);
                }
                panel->added[q] = added_32(w);
        }
}

/* The whole numbers of quad Q and two columns. */
ALWAYS_INLINE void multiply_pair_32(const struct panel_32 *panel, unsigned q, const struct split_32 x[2], int32x4_t ret[2]) {
        struct quad_sums upper = no_sums(), lower = no_sums();
        UNROLL
        for (int v = 0; v < 2; v++) {
                const struct pair uppers = pair_of(x[0].upper[v], x[1].upper[v]), lowers = pair_of(x[0].lower[v], x[1].lower[v]);
                add_quad(&upper, &panel->codes[v][q], &uppers);
                add_lower(&lower, &panel->codes[v][q], &lowers);
        }
        UNROLL
        for (int j = 0; j < 2; j++)
                ret[j] = whole_32(rows_of(&upper, j), rows_of(&lower, j), panel->added[q]);
}

/* BLOCKS blocks from B of a panel from row R, times columns C and C + 1. */
ALWAYS_INLINE void panel_times_pair_32(enum tensor_type type, const struct panel_32 *panels, const struct product *p, uint32_t r,
                                       uint32_t c, uint32_t b, uint32_t blocks) {
        const uint32_t columns[2] = { c, partner(p, c) };
        float32x4_t sums[QUADS][2];
        UNROLL
        for (unsigned i = 0; i < QUADS * 2; i++)
                sums[i / 2][i % 2] =
                        b && r + i / 2 * 4 < p->rows_count ? load_rows(p, r + i / 2 * 4, columns[i % 2]) : vdupq_n_f32(0);
        for (uint32_t i = 0; i < blocks; i++) {
                const struct panel_32 *panel = &panels[i];
                const struct column_32 x[2] = { column_32(type, p, columns[0], b + i), column_32(type, p, columns[1], b + i) };
                const struct split_32 split[2] = { split_32(x[0].codes), split_32(x[1].codes) };
                UNROLL
                for (unsigned q = 0; q < QUADS; q++) {
                        int32x4_t whole[2];
                        multiply_pair_32(panel, q, split, whole);
                        UNROLL
                        for (int j = 0; j < 2; j++)
                                sums[q][j] = add_block_32(type, sums[q][j], whole[j], vld1q_f32(panel->scales + 4 * q),
                                                          vld1q_f32(panel->offsets + 4 * q), x[j].all, x[j].scale);
                }
        }
        UNROLL
        for (unsigned i = 0; i < QUADS * 2; i++)
                if (r + i / 2 * 4 < p->rows_count)
                        store_rows(p, r + i / 2 * 4, columns[i % 2], sums[i / 2][i % 2]);
}

ALWAYS_INLINE void panels_32(enum tensor_type type, const struct product *p, size_t block_bytes) {
        const uint32_t all = p->n / 32;
        struct panel_32 panels[BLOCKS_MAX];
        for (uint32_t r = 0; r < p->rows_count; r += PANEL_ROWS)
                for (uint32_t b = 0; b < all; b += BLOCKS_MAX) {
                        uint32_t blocks = all - b < BLOCKS_MAX ? all - b : BLOCKS_MAX;
                        for (uint32_t i = 0; i < blocks; i++)
                                fill_32(type, &panels[i], p, r, b + i, block_bytes);
                        for (uint32_t c = 0; c < p->columns_count; c += 2)
                                panel_times_pair_32(type, panels, p, r, c, b, blocks);
                }
}

/* --- blocks of 256 --- */

struct panel_256 {
        struct quad codes[16][QUADS];
        int32_t scales[QUADS][16][4];
        int16_t minima[QUADS][16][4];
        float scale[PANEL_ROWS], minimum[PANEL_ROWS];
};

/* Sixteen bytes of four rows: afterwards RET[i] holds bytes 4 i to 4 i + 3, of each those of the four rows together. */
ALWAYS_INLINE void turn_bytes(uint8x16_t a, uint8x16_t b, uint8x16_t c, uint8x16_t d, uint8x16_t ret[4]) {
        uint16x8_t ab[2] = { vreinterpretq_u16_u8(vzip1q_u8(a, b)), vreinterpretq_u16_u8(vzip2q_u8(a, b)) };
        uint16x8_t cd[2] = { vreinterpretq_u16_u8(vzip1q_u8(c, d)), vreinterpretq_u16_u8(vzip2q_u8(c, d)) };
        UNROLL
        for (int i = 0; i < 2; i++) {
                ret[2 * i] = vreinterpretq_u8_u16(vzip1q_u16(ab[i], cd[i]));
                ret[2 * i + 1] = vreinterpretq_u8_u16(vzip2q_u16(ab[i], cd[i]));
        }
}

ALWAYS_INLINE uint8x16_t scale_bytes(const struct row_256 *row) {
        return vreinterpretq_u8_s8(vld1q_s8(row->scales));
}

ALWAYS_INLINE void put_scales(int32_t scales[16][4], const struct row_256 rows[4]) {
        uint8x16_t turned[4];
        turn_bytes(scale_bytes(&rows[0]), scale_bytes(&rows[1]), scale_bytes(&rows[2]), scale_bytes(&rows[3]), turned);
        UNROLL
        for (int i = 0; i < 4; i++) {
                int8x16_t bytes = vreinterpretq_s8_u8(turned[i]);
                int16x8_t low = vmovl_s8(vget_low_s8(bytes)), high = vmovl_high_s8(bytes);
                vst1q_s32(scales[4 * i], vmovl_s16(vget_low_s16(low)));
                vst1q_s32(scales[4 * i + 1], vmovl_high_s16(low));
                vst1q_s32(scales[4 * i + 2], vmovl_s16(vget_low_s16(high)));
                vst1q_s32(scales[4 * i + 3], vmovl_high_s16(high));
        }
}

ALWAYS_INLINE void put_minima(int16_t minima[16][4], const struct row_256 rows[4]) {
        uint8x16_t turned[4];
        turn_bytes(vld1q_u8(rows[0].minima), vld1q_u8(rows[1].minima), vld1q_u8(rows[2].minima), vld1q_u8(rows[3].minima),
                   turned);
        UNROLL
        for (int i = 0; i < 4; i++) {
                vst1q_s16(minima[4 * i], vreinterpretq_s16_u16(vmovl_u8(vget_low_u8(turned[i]))));
                vst1q_s16(minima[4 * i + 2], vreinterpretq_s16_u16(vmovl_high_u8(turned[i])));
        }
}

ALWAYS_INLINE void fill_256(enum tensor_type type, struct panel_256 *panel, const struct product *p, uint32_t r, uint32_t b,
                            size_t block_bytes) {
        for (unsigned q = 0; q < QUADS; q++) {
                struct row_256 rows[4];
                for (unsigned k = 0; k < 4; k++) {
                        read_head(type, row_at(p, r + 4 * q + k) + b * block_bytes, &rows[k]);
                        panel->scale[4 * q + k] = rows[k].scale;
                        panel->minimum[4 * q + k] = rows[k].minimum;
                }
                put_scales(panel->scales[q], rows);
                if (has_minima(type))
                        put_minima(panel->minima[q], rows);
                UNROLL
                for (int v = 0; v < 16; v++) {
                        int8x16_t codes[4];
                        UNROLL
                        for (int k = 0; k < 4; k++)
                                codes[k] = read_codes(type, &rows[k], v);
                        panel->codes[v][q] = quad_of(codes);
                }
        }
}

/* Four sums of activations times minima, MINIMA[i * STEP], of four rows. */
ALWAYS_INLINE int32x4_t add_minima(int32x4_t below, const int16_t minima[][4], int step, int16x4_t sums) {
        below = vmlal_lane_s16(below, vld1_s16(minima[0]), sums, 0);
        below = vmlal_lane_s16(below, vld1_s16(minima[step]), sums, 1);
        below = vmlal_lane_s16(below, vld1_s16(minima[2 * step]), sums, 2);
        return vmlal_lane_s16(below, vld1_s16(minima[3 * step]), sums, 3);
}

/* What the minima of quad Q's rows take off a column: of sixteens, WIDE: of two that have one minimum. */
ALWAYS_INLINE int32x4_t below_quad(const struct panel_256 *panel, unsigned q, const int16_t sums[16], bool wide) {
        int16x8_t s0 = vld1q_s16(sums), s1 = vld1q_s16(sums + 8);
        int16x8_t first = wide ? vpaddq_s16(s0, s1) : s0;
        const int step = wide ? 2 : 1;
        int32x4_t below = add_minima(vdupq_n_s32(0), panel->minima[q], step, vget_low_s16(first));
        below = add_minima(below, panel->minima[q] + 4 * step, step, vget_high_s16(first));
        if (wide)
                return below;
        below = add_minima(below, panel->minima[q] + 8, 1, vget_low_s16(s1));
        return add_minima(below, panel->minima[q] + 12, 1, vget_high_s16(s1));
}

/* Adds the whole numbers of the sixteens from V, WIDE: of two that have one scale. */
ALWAYS_INLINE void add_part(struct quad_sums sums[QUADS][2], const struct panel_256 *panel, const int8_t *const x[4], int v,
                            unsigned pairs, bool wide) {
        const int count = wide ? 2 : 1;
        struct quad_sums part[QUADS][2];
        UNROLL
        for (int i = 0; i < count; i++) {
                UNROLL
                for (unsigned j = 0; j < pairs; j++) {
                        const struct pair pair =
                                pair_of(vld1q_s8(x[2 * j] + 16 * (v + i)), vld1q_s8(x[2 * j + 1] + 16 * (v + i)));
                        UNROLL
                        for (unsigned q = 0; q < QUADS; q++) {
                                if (i == 0)
                                        part[q][j] = no_sums();
                                add_quad(&part[q][j], &panel->codes[v + i][q], &pair);
                        }
                }
        }
        UNROLL
        for (unsigned q = 0; q < QUADS; q++) {
                UNROLL
                for (unsigned j = 0; j < pairs; j++)
                        add_scaled(&sums[q][j], &part[q][j], vld1q_s32(panel->scales[q][v]));
        }
}

/* The whole numbers SUMS of block B onto the outputs of quad Q of a panel from row R and column C. */
ALWAYS_INLINE void finish_256(enum tensor_type type, const struct panel_256 *panel, unsigned q, const struct product *p,
                              uint32_t r, uint32_t c, uint32_t b, int32x4_t whole) {
        if (r + 4 * q >= p->rows_count)
                return;
        float32x4_t sum = b ? load_rows(p, r + 4 * q, c) : vdupq_n_f32(0);
        int32x4_t below = has_minima(type) ? below_quad(panel, q, sums_256(p, c, b), has_parts_of_32(type)) : vdupq_n_s32(0);
        sum = add_block_256(type, sum, whole, below, vld1q_f32(panel->scale + 4 * q), vld1q_f32(panel->minimum + 4 * q),
                            scale_256(p, c, b));
        store_rows(p, r + 4 * q, c, sum);
}

/* Block B of a panel from row R, times PAIRS pairs of columns from C. */
ALWAYS_INLINE void panel_times_pairs_256(enum tensor_type type, const struct panel_256 *panel, const struct product *p,
                                         uint32_t r, uint32_t c, uint32_t b, unsigned pairs) {
        const bool wide = has_parts_of_32(type);
        struct quad_sums sums[QUADS][2];
        const int8_t *x[4];
        UNROLL
        for (unsigned j = 0; j < pairs; j++) {
                x[2 * j] = codes_256(p, c + 2 * j, b);
                x[2 * j + 1] = codes_256(p, partner(p, c + 2 * j), b);
                UNROLL
                for (unsigned q = 0; q < QUADS; q++)
                        sums[q][j] = no_sums();
        }
        for (int v = 0; v < 16; v += wide ? 2 : 1)
                add_part(sums, panel, x, v, pairs, wide);
        UNROLL
        for (unsigned j = 0; j < pairs; j++) {
                UNROLL
                for (unsigned q = 0; q < QUADS; q++) {
                        finish_256(type, panel, q, p, r, c + 2 * j, b, rows_of(&sums[q][j], 0));
                        if (c + 2 * j + 1 < p->columns_count)
                                finish_256(type, panel, q, p, r, c + 2 * j + 1, b, rows_of(&sums[q][j], 1));
                }
        }
}

ALWAYS_INLINE void panels_256(enum tensor_type type, const struct product *p, size_t block_bytes) {
        struct panel_256 panel;
        for (uint32_t r = 0; r < p->rows_count; r += PANEL_ROWS)
                for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                        uint32_t c = 0;
                        fill_256(type, &panel, p, r, b, block_bytes);
                        for (; c + 2 < p->columns_count; c += 4)
                                panel_times_pairs_256(type, &panel, p, r, c, b, 2);
                        if (c < p->columns_count)
                                panel_times_pairs_256(type, &panel, p, r, c, b, 1);
                }
}

/* --- the products of a set --- */

#define DEFINE_32(type, id)                                                \
        static void multiply_##type(const struct product *p) {             \
                if (p->columns_count == 1)                                 \
                        rows_32(id, p, 0, 1, sizeof(struct block_##type)); \
                else                                                       \
                        panels_32(id, p, sizeof(struct block_##type));     \
        }
#define DEFINE_256(type, id)                                                \
        static void multiply_##type(const struct product *p) {              \
                if (p->columns_count == 1)                                  \
                        rows_256(id, p, 0, 1, sizeof(struct block_##type)); \
                else                                                        \
                        panels_256(id, p, sizeof(struct block_##type));     \
        }
NEON_EACH_32(DEFINE_32)
NEON_EACH_256(DEFINE_256)

#endif
