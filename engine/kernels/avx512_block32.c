/*
 * avx512_block32.c - products of the types in blocks of 32 in AVX-512 with VNNI: codes as 16-bit numbers against 16-bit activations. All of
 * a block is below 2^28 (32 * 128 * 32767).
 */
#if defined(__x86_64__)
#include "engine/kernels/avx512.h"
#include "engine/kernels/avx512_panel.h"
#include "engine/unpack/grid.h"

#define BLOCK_VALUES 32u
#define PAIRS        16u /* of codes in a block */
#define BLOCKS_MAX   8u  /* unpacked at a time */

struct panel {
        _Alignas(64) int16_t codes[PAIRS][PANEL_ROWS][2];
        float scale[PANEL_ROWS], offset[PANEL_ROWS]; /* OFFSET: only where the type has any */
};

/* One column alone meets codes as they are unpacked. */
struct one_column {
        const uint8_t *codes; /* of its block */
        __m512i whole[2];
};

/* --- blocks to panels --- */

/* Values 2 PAIR and 2 PAIR + 1 of the block. */
ALWAYS_INLINE void put(struct panel *panel, struct one_column *one, unsigned pair, __m512i codes) {
        if (one)
                one->whole[pair % 2] =
                        _mm512_dpwssd_epi32(one->whole[pair % 2], codes, everywhere(one->codes + 4 * (size_t) pair));
        else
                store_512(panel->codes[pair], codes);
}

/* Of the four bytes of each lane the first (WHICH 0) or the last two, each in the lower or upper half of a number of 16 bits. */
ALWAYS_INLINE __m512i two_bytes(__m512i dwords, int which, bool upper) {
        const uint32_t none = 0x80, byte = 2 * (uint32_t) which;
        const uint32_t order =
                upper ? (byte + 1) << 24 | none << 16 | byte << 8 | none : none << 24 | (byte + 1) << 16 | none << 8 | byte;
        const __m512i own = _mm512_broadcast_i32x4(_mm_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c));
        return _mm512_shuffle_epi8(dwords, _mm512_add_epi8(_mm512_set1_epi32((int) order), own));
}

ALWAYS_INLINE __m512i signed_pair(__m512i dwords, int which) {
        return _mm512_srai_epi16(two_bytes(dwords, which, true), 8);
}

/* Bits 2 PAIR and 2 PAIR + 1 as the fifth bits of a pair of codes. */
ALWAYS_INLINE __m512i fifth_bits(__m512i bits, unsigned pair) {
        __m512i first = _mm512_rorv_epi32(bits, _mm512_set1_epi32((int) ((2 * pair + 28) % 32)));
        __m512i second = _mm512_rorv_epi32(bits, _mm512_set1_epi32((int) ((2 * pair + 13) % 32)));
        return _mm512_or_si512(_mm512_and_si512(first, _mm512_set1_epi32(16)),
                               _mm512_and_si512(second, _mm512_set1_epi32(16 << 16)));
}

/* Nibbles as they are, with FIFTH bits or NULL, less BELOW. */
ALWAYS_INLINE void put_nibbles(struct panel *panel, struct one_column *one, const __m512i dwords[4], const __m512i *fifth,
                               short below) {
        UNROLL
        for (unsigned i = 0; i < 8; i++) {
                __m512i both = two_bytes(dwords[i / 2], (int) i % 2, false);
                __m512i codes[2] = { _mm512_and_si512(both, _mm512_set1_epi16(15)), _mm512_srli_epi16(both, 4) };
                UNROLL
                for (unsigned half = 0; half < 2; half++) {
                        unsigned pair = 8 * half + i;
                        if (fifth)
                                codes[half] = _mm512_or_si512(codes[half], fifth_bits(*fifth, pair));
                        if (below)
                                codes[half] = _mm512_sub_epi16(codes[half], _mm512_set1_epi16(below));
                        put(panel, one, pair, codes[half]);
                }
        }
}

/* What nibbles stand for by a table. */
ALWAYS_INLINE void put_levels(struct panel *panel, struct one_column *one, const __m512i dwords[4], __m128i table) {
        const __m512i fifteen = _mm512_set1_epi8(15), levels = _mm512_broadcast_i32x4(table);
        UNROLL
        for (unsigned i = 0; i < 4; i++) {
                __m512i low = _mm512_shuffle_epi8(levels, _mm512_and_si512(dwords[i], fifteen));
                __m512i high = _mm512_shuffle_epi8(levels, _mm512_and_si512(_mm512_srli_epi16(dwords[i], 4), fifteen));
                put(panel, one, 2 * i, signed_pair(low, 0));
                put(panel, one, 2 * i + 1, signed_pair(low, 1));
                put(panel, one, 8 + 2 * i, signed_pair(high, 0));
                put(panel, one, 8 + 2 * i + 1, signed_pair(high, 1));
        }
}

/* Blocks of these types begin with their scale, or with scale and offset. */
ALWAYS_INLINE void load_scales(struct panel *panel, const struct panel_rows *rows, __m512i head[4]) {
        load_dwords(rows, 0, head);
        _mm512_store_ps(panel->scale, floats_of(head[0]));
}

ALWAYS_INLINE void unpack_q8_0(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i head[4], codes[8];
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
        __m512i head[4], nibbles[4];
        load_scales(panel, rows, head);
        load_dwords(rows, 2, nibbles);
        put_nibbles(panel, one, nibbles, NULL, 8);
}

ALWAYS_INLINE void unpack_q4_1(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i head[4], nibbles[4];
        load_scales(panel, rows, head);
        _mm512_store_ps(panel->offset, floats_of(_mm512_srli_epi32(head[0], 16)));
        load_dwords(rows, 4, nibbles);
        put_nibbles(panel, one, nibbles, NULL, 0);
}

ALWAYS_INLINE void unpack_q5_0(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i head[4], nibbles[4];
        load_scales(panel, rows, head);
        __m512i fifth = _mm512_or_si512(_mm512_srli_epi32(head[0], 16), _mm512_slli_epi32(head[1], 16));
        load_dwords(rows, 6, nibbles);
        put_nibbles(panel, one, nibbles, &fifth, 16);
}

ALWAYS_INLINE void unpack_q5_1(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i head[4], nibbles[4];
        load_scales(panel, rows, head);
        _mm512_store_ps(panel->offset, floats_of(_mm512_srli_epi32(head[0], 16)));
        load_dwords(rows, 8, nibbles);
        put_nibbles(panel, one, nibbles, &head[1], 0);
}

ALWAYS_INLINE void unpack_iq4_nl(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i head[4], nibbles[4];
        load_scales(panel, rows, head);
        load_dwords(rows, 2, nibbles);
        put_levels(panel, one, nibbles, _mm_setr_epi8(IQ4_LEVELS));
}

ALWAYS_INLINE void unpack_mxfp4(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i nibbles[4];
        for (size_t i = 0; i < PANEL_ROWS; i++)
                panel->scale[i] = half_of_power(*panel_row(rows, i));
        load_dwords(rows, 1, nibbles);
        put_levels(panel, one, nibbles, _mm_setr_epi8(MXFP4_LEVELS));
}

/* --- panels times columns --- */

/* Column C's codes of block B. */
ALWAYS_INLINE const uint8_t *codes_at(const struct product *p, uint32_t c, uint32_t b) {
        return column_at(p, c) + b * (size_t) (2 * BLOCK_VALUES);
}

/* Adds a block's whole numbers, and where it has offsets these times the sum of the column's codes. */
ALWAYS_INLINE __m512 finish(const struct panel *panel, const struct product *p, uint32_t c, uint32_t b, bool has_offset,
                            __m512i whole, __m512 sum) {
        const float *scales = (const float *) (const void *) (column_at(p, c) + i16_scales_offset(p->n));
        __m512 value = _mm512_mul_ps(_mm512_load_ps(panel->scale), _mm512_cvtepi32_ps(whole));
        if (has_offset) {
                __m512i codes = _mm512_madd_epi16(load_512(codes_at(p, c, b)), _mm512_set1_epi16(1));
                __m512 all = _mm512_set1_ps((float) _mm512_reduce_add_epi32(codes));
                value = _mm512_fmadd_ps(_mm512_load_ps(panel->offset), all, value);
        }
        return _mm512_fmadd_ps(_mm512_set1_ps(scales[b]), value, sum);
}

/* BLOCKS blocks from B of COUNT panels from row R, times COLUMNS columns from C. */
ALWAYS_INLINE void tile(struct panel panels[][BLOCKS_MAX], const struct product *p, uint32_t r, uint32_t c, uint32_t b,
                        uint32_t blocks, bool has_offset, int count, int columns) {
        __m512 sums[PANELS_MAX][COLUMNS_MAX];
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums[k][j] = b ? panel_sums(p, r + (uint32_t) k * PANEL_ROWS, c + (uint32_t) j) : _mm512_setzero_ps();
        }
        for (uint32_t i = 0; i < blocks; i++) {
                __m512i whole[PANELS_MAX][COLUMNS_MAX];
                UNROLL
                for (unsigned pair = 0; pair < PAIRS; pair++) {
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                __m512i x = everywhere(codes_at(p, c + (uint32_t) j, b + i) + 4 * (size_t) pair);
                                UNROLL
                                for (int k = 0; k < count; k++)
                                        whole[k][j] = _mm512_dpwssd_epi32(pair ? whole[k][j] : _mm512_setzero_si512(),
                                                                          load_512(panels[k][i].codes[pair]), x);
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
                        panel_store(p, r + (uint32_t) k * PANEL_ROWS, c + (uint32_t) j, sums[k][j]);
        }
}

typedef void fill_panel(struct panel *panel, const struct panel_rows *rows);
typedef void unpack_block(struct panel *panel, struct one_column *one, const struct panel_rows *rows);

ALWAYS_INLINE void multiply_panels(const struct product *p, uint32_t r, int count, fill_panel *fill, size_t block_bytes,
                                   bool has_offset) {
        struct panel panels[PANELS_MAX][BLOCKS_MAX];
        uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX];
        uint32_t all = p->n / BLOCK_VALUES;
        for (uint32_t b = 0; b < all; b += BLOCKS_MAX) {
                uint32_t blocks = all - b < BLOCKS_MAX ? all - b : BLOCKS_MAX;
                for (uint32_t i = 0; i < blocks * (uint32_t) count; i++) {
                        const struct panel_rows rows =
                                panel_rows_at(p, r + i / blocks * PANEL_ROWS, b + i % blocks, block_bytes, space);
                        fill(&panels[i / blocks][i % blocks], &rows);
                }
                FOR_COLUMNS(p, c, tile(panels, p, r, c, b, blocks, has_offset, count, columns));
        }
}

ALWAYS_INLINE void multiply_one_column(const struct product *p, uint32_t r, unpack_block *unpack, size_t block_bytes,
                                       bool has_offset) {
        struct panel panel;
        uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX];
        __m512 sum = _mm512_setzero_ps();
        for (uint32_t b = 0; b < p->n / BLOCK_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, block_bytes, space);
                struct one_column one = { codes_at(p, 0, b), { { 0 } } };
                fetch_ahead(p, r, PANEL_ROWS, b, block_bytes);
                unpack(&panel, &one, &rows);
                sum = finish(&panel, p, 0, b, has_offset, _mm512_add_epi32(one.whole[0], one.whole[1]), sum);
        }
        panel_store(p, r, 0, sum);
}

/* The sum of the sixteen lanes of V[i], in lane i. */
ALWAYS_INLINE __m512i sums_of_lanes(__m512i v[PANEL_ROWS]) {
        UNROLL
        for (int i = 0; i < 8; i++)
                v[i] = _mm512_add_epi32(_mm512_unpacklo_epi32(v[2 * i], v[2 * i + 1]),
                                        _mm512_unpackhi_epi32(v[2 * i], v[2 * i + 1]));
        UNROLL
        for (int i = 0; i < 4; i++)
                v[i] = _mm512_add_epi32(_mm512_unpacklo_epi64(v[2 * i], v[2 * i + 1]),
                                        _mm512_unpackhi_epi64(v[2 * i], v[2 * i + 1]));
        UNROLL
        for (int i = 0; i < 2; i++)
                v[i] = _mm512_add_epi32(_mm512_shuffle_i32x4(v[2 * i], v[2 * i + 1], 0x44),
                                        _mm512_shuffle_i32x4(v[2 * i], v[2 * i + 1], 0xee));
        return _mm512_add_epi32(_mm512_shuffle_i32x4(v[0], v[1], 0x88), _mm512_shuffle_i32x4(v[0], v[1], 0xdd));
}

/* Codes of eight bits meet one column as they lie, and are added up across: that is less than to turn them about. */
static void one_column_q8_0(const struct product *p, uint32_t r) {
        struct panel panel;
        uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX];
        __m512 sum = _mm512_setzero_ps();
        for (uint32_t b = 0; b < p->n / BLOCK_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, sizeof(struct block_q8_0), space);
                __m512i head[4], v[PANEL_ROWS], x = load_512(codes_at(p, 0, b));
                fetch_ahead(p, r, PANEL_ROWS, b, sizeof(struct block_q8_0));
                load_scales(&panel, &rows, head);
                UNROLL
                for (size_t i = 0; i < PANEL_ROWS; i++) {
                        __m256i codes = _mm256_loadu_si256((const __m256i *) (const void *) (panel_row(&rows, i) + 2));
                        v[i] = _mm512_madd_epi16(_mm512_cvtepi8_epi16(codes), x);
                }
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
        ALWAYS_INLINE void one_column_##type(const struct product *p, uint32_t r) {                \
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

#else
typedef int no_avx512_block32; /* a translation unit may not be empty */
#endif
