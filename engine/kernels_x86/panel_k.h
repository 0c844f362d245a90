/*
 * panel_k.h - products of Q4_K, Q5_K and Q6_K by panels (panel.h). A part's sum of products is below 2^17 (32 * 31 * 127, and
 * 16 * 63 * 127), and that of a block below 2^28 (Q6_K: 16 scales of 128 at the most).
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_PANEL_K_H
#define HEADROOM_ENGINE_KERNELS_X86_PANEL_K_H

#include "engine/kernels_x86/panel.h"

#define GROUPS      (K_VALUES / 4)
#define AS_THEY_LIE ROW_COLUMNS /* columns that meet codes without a panel */

/* A type: its parts have scales of their own, its codes are at most LARGEST. */
struct shape {
        size_t block_bytes;
        unsigned parts, largest;
        bool moved; /* codes stand above their values by as much everywhere: what is to take off has the scale of the rest */
};

struct panel {
        _Alignas(64) uint8_t codes[GROUPS][LANE_BYTES];
        int32_t scales[16][LANES];  /* of parts, as scale_lanes made them */
        int16_t below[8][LANES][2]; /* to take off: times two sums of 16 activations each */
        float scale[LANES], minimum[LANES];
};

ALWAYS_INLINE unsigned part_groups(struct shape s) {
        return GROUPS / s.parts;
}

/* Groups of codes whose products are added up before they meet a scale. */
ALWAYS_INLINE unsigned dot_steps(struct shape s) {
        return DOT_STEPS(s.largest) < part_groups(s) ? DOT_STEPS(s.largest) : part_groups(s);
}

/* --- blocks to panels --- */

/* HEAD: the first dwords of a block: scale and minimum, then the packed scales of parts (struct block_q4_k). */
ALWAYS_INLINE void unpack_head(struct panel *panel, const i32s head[4]) {
        const u32s w0 = (u32s) head[1], w1 = (u32s) head[2], w2 = (u32s) head[3];
        const u32s scales[2] = { w0 & 0x3f3f3f3f, (w2 & 0x0f0f0f0f) | (w0 >> 6 & 0x03030303) << 4 };
        const u32s minima[2] = { w1 & 0x3f3f3f3f, (w2 >> 4 & 0x0f0f0f0f) | (w1 >> 6 & 0x03030303) << 4 };
        UNROLL
        for (unsigned part = 0; part < 8; part++) {
                u32s scale = scales[part / 4] >> 8 * (part % 4) & 0xff, minimum = minima[part / 4] >> 8 * (part % 4) & 0xff;
                store_lanes(panel->scales[part], scale_lanes((i32s) scale));
                store_lanes(panel->below[part], (i32s) (minimum | minimum << 16));
        }
        store_floats(panel->scale, floats_of(head[0]));
        store_floats(panel->minimum, floats_of((i32s) ((u32s) head[0] >> 16)));
}

/* The fifth bits of PART at bit 4 of bytes. */
ALWAYS_INLINE i32s fifth_bits(i32s bits, unsigned part) {
        u16s at_4 = part < 4 ? (u16s) bits << (4 - part) : (u16s) bits >> (part - 4);
        return (i32s) ((u8s) at_4 & 16);
}

ALWAYS_INLINE i32s low_nibbles(i32s v) {
        return (i32s) ((u8s) v & 15);
}

ALWAYS_INLINE i32s high_nibbles(i32s v) {
        return low_nibbles((i32s) ((u16s) v >> 4));
}

/* Dword i of 32 bytes that two parts share holds codes 4 i to 4 i + 3 of both. */
ALWAYS_INLINE void unpack_nibbles(struct panel *panel, const struct panel_rows *rows, bool has_fifth) {
        i32s head[4];
        load_dwords(rows, 0, head);
        unpack_head(panel, head);
        UNROLL
        for (unsigned at = 0; at < GROUPS / 2; at += PIECE) {
                i32s v[PIECE], bits[4];
                load_piece(rows, (has_fifth ? 48 : 16) + 4 * (size_t) at, v);
                UNROLL
                for (unsigned i = 0; i < PIECE; i++) {
                        const unsigned part = 2 * ((at + i) / 8), g = (at + i) % 8;
                        i32s low = low_nibbles(v[i]), high = high_nibbles(v[i]);
                        if (has_fifth && i % 4 == 0)
                                load_dwords(rows, 16 + 4 * (size_t) g, bits);
                        if (has_fifth) {
                                low |= fifth_bits(bits[i % 4], part);
                                high |= fifth_bits(bits[i % 4], part + 1);
                        }
                        store_lanes(panel->codes[8 * part + g], low);
                        store_lanes(panel->codes[8 * part + 8 + g], high);
                }
        }
}

/* Sixteen signed scales, each also times the 32 that codes stand above their values. */
ALWAYS_INLINE void unpack_q6_k_scales(struct panel *panel, const struct panel_rows *rows) {
        i32s scales[4], end[4];
        load_dwords(rows, 192, scales);
        load_dwords(rows, 194, end); /* the last two bytes are the scale of the block */
        UNROLL
        for (unsigned i = 0; i < 8; i++) {
                i32s even = scales[i / 2] << (24 - 16 * (i % 2)) >> 24, odd = scales[i / 2] << (16 - 16 * (i % 2)) >> 24;
                store_lanes(panel->scales[2 * i], scale_lanes(even));
                store_lanes(panel->scales[2 * i + 1], scale_lanes(odd));
                store_lanes(panel->below[i], (even << 5 & 0xffff) | odd << 21);
        }
        store_floats(panel->scale, floats_of((i32s) ((u32s) end[3] >> 16)));
}

ALWAYS_INLINE void unpack_q6_k(struct panel *panel, const struct panel_rows *rows) {
        unpack_q6_k_scales(panel, rows);
        UNROLL
        for (unsigned at = 0; at < 16; at += 4) { /* in each half of the block two times four dwords of each of its quarters */
                const unsigned half = at / 8, i = at % 8;
                i32s a[4], b[4], h[4];
                load_dwords(rows, 64 * (size_t) half + 4 * (size_t) i, a);
                load_dwords(rows, 64 * (size_t) half + 32 + 4 * (size_t) i, b);
                load_dwords(rows, 128 + 32 * (size_t) half + 4 * (size_t) i, h);
                UNROLL
                for (unsigned k = 0; k < 4; k++) {
                        const unsigned g = 32 * half + i + k;
                        u16s pairs = (u16s) h[k];
                        store_lanes(panel->codes[g], six_bits(a[k], (i32s) (pairs << 4)));
                        store_lanes(panel->codes[g + 8], six_bits(b[k], (i32s) (pairs << 2)));
                        store_lanes(panel->codes[g + 16], six_bits((i32s) ((u16s) a[k] >> 4), h[k]));
                        store_lanes(panel->codes[g + 24], six_bits((i32s) ((u16s) b[k] >> 4), (i32s) (pairs >> 2)));
                }
        }
}

/* --- panels times columns --- */

struct sums {
        i32s whole[PANELS_MAX][COLUMNS_MAX], below[PANELS_MAX][COLUMNS_MAX];
};

/* Groups of PART from FIRST, as many as dot_steps, times their scale. */
ALWAYS_INLINE void add_steps(struct sums *sums, const struct panel *panels, const struct product *p, uint32_t c, size_t at,
                             unsigned part, unsigned first, unsigned steps, int count, int columns) {
        i32s dots[PANELS_MAX][COLUMNS_MAX];
        UNROLL
        for (unsigned g = 0; g < steps; g++) {
                UNROLL
                for (int j = 0; j < columns; j++) {
                        i32s x = everywhere(column_at(p, c + (uint32_t) j) + at + 4 * (size_t) (first + g));
                        UNROLL
                        for (int k = 0; k < count; k++)
                                dots[k][j] = dot_add(g ? dots[k][j] : (i32s){ 0 }, load_lanes(panels[k].codes[first + g]), x);
                }
        }
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums->whole[k][j] = dot_end(sums->whole[k][j], dots[k][j], load_lanes(panels[k].scales[part]));
        }
}

ALWAYS_INLINE void add_below(struct sums *sums, const struct panel *panels, const struct product *p, uint32_t c, uint32_t b,
                             int count, int columns) {
        UNROLL
        for (int i = 0; i < 8; i++) {
                UNROLL
                for (int j = 0; j < columns; j++) {
                        i32s x = everywhere(column_at(p, c + (uint32_t) j) + i8_sums_offset(p->n) + b * (size_t) 32 +
                                            4 * (size_t) i);
                        UNROLL
                        for (int k = 0; k < count; k++)
                                sums->below[k][j] = add_pairs(sums->below[k][j], load_lanes(panels[k].below[i]), x);
                }
        }
}

/* The whole numbers of block B onto the outputs of a panel's rows and column C. */
ALWAYS_INLINE void finish(const struct panel *panel, const struct product *p, uint32_t r, uint32_t c, uint32_t b, bool moved,
                          i32s whole, i32s below) {
        const float *scales = (const float *) (const void *) (column_at(p, c) + i8_scales_offset(p->n));
        f32s sum = b ? panel_sums(p, r, c) : (f32s){ 0 };
        if (moved)
                whole -= below;
        f32s value = load_floats(panel->scale) * __builtin_convertvector(whole, f32s);
        if (!moved)
                value = fnma_lanes(load_floats(panel->minimum), __builtin_convertvector(below, f32s), value);
        panel_store(p, r, c, fma_lanes((f32s){ 0 } + scales[b], value, sum));
}

/* Block B of COUNT panels from row R, times COLUMNS columns from C. */
ALWAYS_INLINE void tile(const struct panel *panels, const struct product *p, uint32_t r, uint32_t c, uint32_t b, struct shape s,
                        int count, int columns) {
        struct sums sums;
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums.whole[k][j] = sums.below[k][j] = (i32s){ 0 };
        }
        for (unsigned first = 0; first < GROUPS; first += dot_steps(s))
                add_steps(&sums, panels, p, c, b * (size_t) K_VALUES, first / part_groups(s), first, dot_steps(s), count,
                          columns);
        add_below(&sums, panels, p, c, b, count, columns);
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        finish(&panels[k], p, r + (uint32_t) k * LANES, c + (uint32_t) j, b, s.moved, sums.whole[k][j],
                               sums.below[k][j]);
        }
}

typedef void fill_panel(struct panel *panel, const struct panel_rows *rows);

ALWAYS_INLINE void multiply_panels(const struct product *p, uint32_t r, int count, fill_panel *fill, struct shape s) {
        struct panel panels[PANELS_MAX];
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                for (int k = 0; k < count; k++) {
                        const struct panel_rows rows = panel_rows_at(p, r + (uint32_t) k * LANES, b, s.block_bytes, space);
                        fill(&panels[k], &rows);
                }
                fetch_panels(p, r, (uint32_t) count * LANES, b, s.block_bytes);
                FOR_COLUMNS(p, c, tile(panels, p, r, c, b, s, count, columns));
        }
}

/* --- few columns --- */

ALWAYS_INLINE const uint8_t *activations_at(const struct product *p, uint32_t c, uint32_t b) {
        return column_at(p, c) + b * (size_t) K_VALUES;
}

/* RET[j]: whole numbers of row ROW and column C + j, to be added up across. */
ALWAYS_INLINE void row_nibbles(const struct panel *panel, const uint8_t *block, bool has_fifth, const struct product *p,
                               uint32_t c, uint32_t b, int columns, size_t row, i32s ret[][LANES]) {
        const uint8_t *nibbles = block + (has_fifth ? 48 : 16);
        i32s whole[COLUMNS_MAX], bits = { 0 };
        if (has_fifth)
                bits = row_fifth(block + 16);
        UNROLL
        for (int j = 0; j < columns; j++)
                whole[j] = (i32s){ 0 };
        UNROLL
        for (unsigned part = 0; part < 8; part += 2 * ROW_PARTS, nibbles += LANE_BYTES) {
                i32s v = load_lanes(nibbles), low = low_nibbles(v), high = high_nibbles(v);
                if (has_fifth) {
                        low |= fifth_bits(bits, part);
                        high |= fifth_bits(bits, part + 1);
                }
                const i32s low_scale = row_scale(panel->scales, part, row), high_scale = row_scale(panel->scales, part + 1, row);
                UNROLL
                for (int j = 0; j < columns; j++) {
                        const uint8_t *x = activations_at(p, c + (uint32_t) j, b);
                        whole[j] = row_add(whole[j], low, row_activations(x, part), low_scale);
                        whole[j] = row_add(whole[j], high, row_activations(x, part + 1), high_scale);
                }
        }
        UNROLL
        for (int j = 0; j < columns; j++)
                ret[j][row] = whole[j];
}

ALWAYS_INLINE void rows_nibbles(const struct product *p, uint32_t r, uint32_t c, size_t block_bytes, bool has_fifth,
                                int columns) {
        struct panel panel;
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, block_bytes, space);
                struct sums sums;
                i32s head[4], v[COLUMNS_MAX][LANES];
                load_dwords(&rows, 0, head);
                unpack_head(&panel, head);
                __asm__ volatile("" : : : "memory"); /* scales are to be read from there, not picked from vectors */
                UNROLL
                for (size_t i = 0; i < LANES; i++) {
                        if (c == 0)
                                fetch_ahead(p, r + LANES - 1, 1, LANES * b + (uint32_t) i, block_bytes);
                        row_nibbles(&panel, panel_row(&rows, i), has_fifth, p, c, b, columns, i, v);
                }
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums.below[0][j] = (i32s){ 0 };
                add_below(&sums, &panel, p, c, b, 1, columns);
                UNROLL
                for (int j = 0; j < columns; j++)
                        finish(&panel, p, r, c + (uint32_t) j, b, false, sums_of_lanes(v[j]), sums.below[0][j]);
        }
}

ALWAYS_INLINE void few_columns_q4_k(const struct product *p, uint32_t r) {
        FOR_COLUMNS(p, c, rows_nibbles(p, r, c, sizeof(struct block_q4_k), false, columns));
}

ALWAYS_INLINE void few_columns_q5_k(const struct product *p, uint32_t r) {
        FOR_COLUMNS(p, c, rows_nibbles(p, r, c, sizeof(struct block_q5_k), true, columns));
}

ALWAYS_INLINE void rows_q6_k(const struct product *p, uint32_t r, uint32_t c, int columns) {
        struct panel panel;
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, sizeof(struct block_q6_k), space);
                i32s end[4], v[COLUMNS_MAX][LANES];
                load_dwords(&rows, 194, end);
                store_floats(panel.scale, floats_of((i32s) ((u32s) end[3] >> 16)));
                UNROLL
                for (size_t i = 0; i < LANES; i++) {
                        if (c == 0)
                                fetch_ahead(p, r + LANES - 1, 1, LANES * b + (uint32_t) i, sizeof(struct block_q6_k));
                        UNROLL
                        for (int j = 0; j < columns; j++)
                                v[j][i] = row_q6_k(panel_row(&rows, i), activations_at(p, c + (uint32_t) j, b),
                                                   column_at(p, c + (uint32_t) j) + i8_sums_offset(p->n) + b * (size_t) 32);
                }
                UNROLL
                for (int j = 0; j < columns; j++)
                        finish(&panel, p, r, c + (uint32_t) j, b, true, sums_of_lanes(v[j]), (i32s){ 0 });
        }
}

ALWAYS_INLINE void few_columns_q6_k(const struct product *p, uint32_t r) {
        FOR_COLUMNS(p, c, rows_q6_k(p, r, c, columns));
}

/* A type's codes go to a panel by a function of their own: within the loops around it they would find no registers. */
#define DEFINE_MULTIPLY(type, ...)                                                                                     \
        static __attribute__((noinline)) void fill_##type(struct panel *panel, const struct panel_rows *rows) {        \
                unpack_##type(panel, rows);                                                                            \
        }                                                                                                              \
        ALWAYS_INLINE void panels_##type(const struct product *p, uint32_t r, int count) {                             \
                multiply_panels(p, r, count, fill_##type, (struct shape){ sizeof(struct block_##type), __VA_ARGS__ }); \
        }                                                                                                              \
        DEFINE_PRODUCT(type)

ALWAYS_INLINE void unpack_q4_k(struct panel *panel, const struct panel_rows *rows) {
        unpack_nibbles(panel, rows, false);
}

ALWAYS_INLINE void unpack_q5_k(struct panel *panel, const struct panel_rows *rows) {
        unpack_nibbles(panel, rows, true);
}

DEFINE_MULTIPLY(q4_k, .parts = 8, .largest = 15)
DEFINE_MULTIPLY(q5_k, .parts = 8, .largest = 31)
DEFINE_MULTIPLY(q6_k, .parts = 16, .largest = 63, .moved = true)

#endif
