/*
 * panel_block32.h - products of the types in blocks of 32 by panels (panel.h): codes as 16-bit numbers against 16-bit activations. All of
 * a block is below 2^28 (32 * 128 * 32767).
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_PANEL_BLOCK32_H
#define HEADROOM_ENGINE_KERNELS_X86_PANEL_BLOCK32_H

#include "engine/kernels_x86/panel.h"
#include "engine/unpack/grid.h"

#define BLOCK_VALUES 32u
#define AS_THEY_LIE  1u  /* columns that meet codes without a panel */
#define PAIRS        16u /* of codes in a block */
#define BLOCKS_MAX   8u  /* unpacked at a time */

struct panel {
        _Alignas(64) int16_t codes[PAIRS][LANES][2];
        float scale[LANES], offset[LANES]; /* OFFSET: only where the type has any */
};

/* One column alone meets codes as they are unpacked. */
struct one_column {
        const uint8_t *codes; /* of its block */
        int32_t sum;          /* of these */
        i32s whole[2];
};

/* --- blocks to panels --- */

/* Values 2 PAIR and 2 PAIR + 1 of the block. */
ALWAYS_INLINE void put(struct panel *panel, struct one_column *one, unsigned pair, i32s codes) {
        if (one)
                one->whole[pair % 2] = add_pairs(one->whole[pair % 2], codes, everywhere(one->codes + 4 * (size_t) pair));
        else
                store_lanes(panel->codes[pair], codes);
}

/* Of the four bytes of each lane the first (WHICH 0) or the last two, each in the lower or upper half of a number of 16 bits. */
ALWAYS_INLINE u16s two_bytes(i32s dwords, int which, bool upper) {
        const uint32_t none = 0x80, byte = 2 * (uint32_t) which;
        const uint32_t order =
                upper ? (byte + 1) << 24 | none << 16 | byte << 8 | none : none << 24 | (byte + 1) << 16 | none << 8 | byte;
        const i32s own = sixteen_bytes(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
        return (u16s) shuffle_bytes(dwords, own + (int32_t) order);
}

ALWAYS_INLINE i32s signed_pair(i32s dwords, int which) {
        return (i32s) ((i16s) two_bytes(dwords, which, true) >> 8);
}

/* Bit BIT of BITS at bit TO. */
ALWAYS_INLINE u32s moved_bit(u32s bits, unsigned bit, unsigned to) {
        return (bit < to ? bits << (to - bit) : bits >> (bit - to)) & 1u << to;
}

/* Bits 2 PAIR and 2 PAIR + 1 as the fifth bits of a pair of codes. */
ALWAYS_INLINE u16s fifth_bits(i32s bits, unsigned pair) {
        return (u16s) (moved_bit((u32s) bits, 2 * pair, 4) | moved_bit((u32s) bits, 2 * pair + 1, 20));
}

/* Nibbles as they are, with FIFTH bits or NULL, less BELOW. */
ALWAYS_INLINE void put_nibbles(struct panel *panel, struct one_column *one, const i32s dwords[4], const i32s *fifth,
                               uint16_t below) {
        if (one)
                one->whole[0] -= below * one->sum; /* all at once */
        UNROLL
        for (unsigned i = 0; i < 8; i++) {
                u16s both = two_bytes(dwords[i / 2], (int) i % 2, false);
                u16s codes[2] = { both & 15, both >> 4 };
                UNROLL
                for (unsigned half = 0; half < 2; half++) {
                        unsigned pair = 8 * half + i;
                        if (fifth)
                                codes[half] |= fifth_bits(*fifth, pair);
                        put(panel, one, pair, one ? (i32s) codes[half] : (i32s) (codes[half] - below));
                }
        }
}

/* What nibbles stand for by a table. */
ALWAYS_INLINE void put_levels(struct panel *panel, struct one_column *one, const i32s dwords[4], __m128i table) {
        const i32s levels = sixteen_bytes(table);
        UNROLL
        for (unsigned i = 0; i < 4; i++) {
                i32s low = shuffle_bytes(levels, (i32s) ((u8s) dwords[i] & 15));
                i32s high = shuffle_bytes(levels, (i32s) ((u8s) ((u16s) dwords[i] >> 4) & 15));
                put(panel, one, 2 * i, signed_pair(low, 0));
                put(panel, one, 2 * i + 1, signed_pair(low, 1));
                put(panel, one, 8 + 2 * i, signed_pair(high, 0));
                put(panel, one, 8 + 2 * i + 1, signed_pair(high, 1));
        }
}

/* Blocks of these types begin with their scale, or with scale and offset. */
ALWAYS_INLINE void load_scales(struct panel *panel, const struct panel_rows *rows, i32s head[4]) {
        load_dwords(rows, 0, head);
        store_floats(panel->scale, floats_of(head[0]));
}

ALWAYS_INLINE void unpack_q8_0(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], codes[8];
        load_scales(panel, rows, head);
        load_dwords(rows, 2, codes);
        load_dwords(rows, 18, codes + 4);
        UNROLL
        for (unsigned i = 0; i < 8; i++) {
                put(panel, one, 2 * i, signed_pair(codes[i], 0));
                put(panel, one, 2 * i + 1, signed_pair(codes[i], 1));
        }
}

ALWAYS_INLINE void unpack_q4_0(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_scales(panel, rows, head);
        load_dwords(rows, 2, nibbles);
        put_nibbles(panel, one, nibbles, NULL, 8);
}

ALWAYS_INLINE void unpack_q4_1(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_scales(panel, rows, head);
        store_floats(panel->offset, floats_of((i32s) ((u32s) head[0] >> 16)));
        load_dwords(rows, 4, nibbles);
        put_nibbles(panel, one, nibbles, NULL, 0);
}

ALWAYS_INLINE void unpack_q5_0(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_scales(panel, rows, head);
        i32s fifth = (i32s) ((u32s) head[0] >> 16 | (u32s) head[1] << 16);
        load_dwords(rows, 6, nibbles);
        put_nibbles(panel, one, nibbles, &fifth, 16);
}

ALWAYS_INLINE void unpack_q5_1(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_scales(panel, rows, head);
        store_floats(panel->offset, floats_of((i32s) ((u32s) head[0] >> 16)));
        load_dwords(rows, 8, nibbles);
        put_nibbles(panel, one, nibbles, &head[1], 0);
}

ALWAYS_INLINE void unpack_iq4_nl(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_scales(panel, rows, head);
        load_dwords(rows, 2, nibbles);
        put_levels(panel, one, nibbles, _mm_setr_epi8(IQ4_LEVELS));
}

/* As half_of_power, of bytes in lanes. */
ALWAYS_INLINE f32s halves_of_powers(u32s exponents) {
        const u32s normal = (exponents - 1) << 23, subnormal = ((u32s){ 0 } + 0x200000) << (exponents & 1);
        const u32s small = (u32s) (exponents < 2);
        return (f32s) ((small & subnormal) | (~small & normal));
}

ALWAYS_INLINE void unpack_mxfp4(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        i32s head[4], nibbles[4];
        load_dwords(rows, 0, head);
        store_floats(panel->scale, halves_of_powers((u32s) head[0] & 0xff));
        load_dwords(rows, 1, nibbles);
        put_levels(panel, one, nibbles, _mm_setr_epi8(MXFP4_LEVELS));
}

/* --- panels times columns --- */

/* Column C's codes of block B. */
ALWAYS_INLINE const uint8_t *codes_at(const struct product *p, uint32_t c, uint32_t b) {
        return column_at(p, c) + b * (size_t) (2 * BLOCK_VALUES);
}

ALWAYS_INLINE int32_t sum_at(const struct product *p, uint32_t c, uint32_t b) {
        return ((const int32_t *) (const void *) (column_at(p, c) + i16_sums_offset(p->n)))[b];
}

/* Adds a block's whole numbers, and where it has offsets these times the sum of the column's codes. */
ALWAYS_INLINE f32s finish(const struct panel *panel, const struct product *p, uint32_t c, uint32_t b, bool has_offset, i32s whole,
                          f32s sum) {
        const float *scales = (const float *) (const void *) (column_at(p, c) + i16_scales_offset(p->n));
        f32s value = load_floats(panel->scale) * __builtin_convertvector(whole, f32s);
        if (has_offset)
                value = fma_lanes(load_floats(panel->offset), (f32s){ 0 } + (float) sum_at(p, c, b), value);
        return fma_lanes((f32s){ 0 } + scales[b], value, sum);
}

/* BLOCKS blocks from B of COUNT panels from row R, times COLUMNS columns from C. */
ALWAYS_INLINE void tile(struct panel panels[][BLOCKS_MAX], const struct product *p, uint32_t r, uint32_t c, uint32_t b,
                        uint32_t blocks, bool has_offset, int count, int columns) {
        f32s sums[PANELS_MAX][COLUMNS_MAX];
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums[k][j] = b ? panel_sums(p, r + (uint32_t) k * LANES, c + (uint32_t) j) : (f32s){ 0 };
        }
        for (uint32_t i = 0; i < blocks; i++) {
                i32s whole[PANELS_MAX][COLUMNS_MAX];
                UNROLL
                for (unsigned pair = 0; pair < PAIRS; pair++) {
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                i32s x = everywhere(codes_at(p, c + (uint32_t) j, b + i) + 4 * (size_t) pair);
                                UNROLL
                                for (int k = 0; k < count; k++)
                                        whole[k][j] = add_pairs(pair ? whole[k][j] : (i32s){ 0 },
                                                                load_lanes(panels[k][i].codes[pair]), x);
                        }
                }
                UNROLL
                for (int k = 0; k < count; k++) {
                        UNROLL
                        for (int j = 0; j < columns; j++)
                                sums[k][j] =
                                        finish(&panels[k][i], p, c + (uint32_t) j, b + i, has_offset, whole[k][j], sums[k][j]);
                }
        }
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        panel_store(p, r + (uint32_t) k * LANES, c + (uint32_t) j, sums[k][j]);
        }
}

typedef void fill_panel(struct panel *panel, const struct panel_rows *rows);
typedef void unpack_block(struct panel *panel, struct one_column *one, const struct panel_rows *rows);

ALWAYS_INLINE void multiply_panels(const struct product *p, uint32_t r, int count, fill_panel *fill, size_t block_bytes,
                                   bool has_offset) {
        struct panel panels[PANELS_MAX][BLOCKS_MAX];
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        uint32_t all = p->n / BLOCK_VALUES;
        for (uint32_t b = 0; b < all; b += BLOCKS_MAX) {
                uint32_t blocks = all - b < BLOCKS_MAX ? all - b : BLOCKS_MAX;
                for (uint32_t i = 0; i < blocks * (uint32_t) count; i++) {
                        const struct panel_rows rows =
                                panel_rows_at(p, r + i / blocks * LANES, b + i % blocks, block_bytes, space);
                        fill(&panels[i / blocks][i % blocks], &rows);
                }
                fetch_panels(p, r, (uint32_t) count * LANES, b / BLOCKS_MAX, BLOCKS_MAX * block_bytes);
                FOR_COLUMNS(p, c, tile(panels, p, r, c, b, blocks, has_offset, count, columns));
        }
}

ALWAYS_INLINE void multiply_one_column(const struct product *p, uint32_t r, unpack_block *unpack, size_t block_bytes,
                                       bool has_offset) {
        struct panel panel;
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        f32s sum = (f32s){ 0 };
        for (uint32_t b = 0; b < p->n / BLOCK_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, block_bytes, space);
                struct one_column one = { codes_at(p, 0, b), sum_at(p, 0, b), { { 0 } } };
                fetch_ahead(p, r, LANES, b, block_bytes);
                unpack(&panel, &one, &rows);
                sum = finish(&panel, p, 0, b, has_offset, one.whole[0] + one.whole[1], sum);
        }
        panel_store(p, r, 0, sum);
}

/* Codes of eight bits meet one column as they lie, and are added up across: that is less than to turn them about. */
static void few_columns_q8_0(const struct product *p, uint32_t r) {
        struct panel panel;
        uint8_t space[LANES * BLOCK_BYTES_MAX];
        f32s sum = (f32s){ 0 };
        for (uint32_t b = 0; b < p->n / BLOCK_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, sizeof(struct block_q8_0), space);
                i32s head[4], v[LANES];
                fetch_ahead(p, r, LANES, b, sizeof(struct block_q8_0));
                load_scales(&panel, &rows, head);
                UNROLL
                for (size_t i = 0; i < LANES; i++)
                        v[i] = row_products(panel_row(&rows, i) + 2, codes_at(p, 0, b));
                sum = finish(&panel, p, 0, b, false, sums_of_lanes(v), sum);
        }
        panel_store(p, r, 0, sum);
}

/* Of their own for the registers, as those of the K types. */
#define DEFINE_PANELS(type, has_offset)                                                                         \
        static __attribute__((noinline)) void fill_##type(struct panel *panel, const struct panel_rows *rows) { \
                unpack_##type(panel, NULL, rows);                                                               \
        }                                                                                                       \
        ALWAYS_INLINE void panels_##type(const struct product *p, uint32_t r, int count) {                      \
                multiply_panels(p, r, count, fill_##type, sizeof(struct block_##type), has_offset);             \
        }

#define DEFINE_MULTIPLY(type, has_offset)                                                          \
        DEFINE_PANELS(type, has_offset)                                                            \
        ALWAYS_INLINE void few_columns_##type(const struct product *p, uint32_t r) {               \
                multiply_one_column(p, r, unpack_##type, sizeof(struct block_##type), has_offset); \
        }                                                                                          \
        DEFINE_PRODUCT(type)

DEFINE_PANELS(q8_0, false)
DEFINE_PRODUCT(q8_0)
DEFINE_MULTIPLY(q4_0, false)
DEFINE_MULTIPLY(q4_1, true)
DEFINE_MULTIPLY(q5_0, false)
DEFINE_MULTIPLY(q5_1, true)
DEFINE_MULTIPLY(iq4_nl, false)
DEFINE_MULTIPLY(mxfp4, false)

#endif
