/*
 * avx512_k.c - products of Q4_K, Q5_K and Q6_K in AVX-512 with VNNI. A part's sum of products is below 2^17 (32 * 31 * 127, and
 * 16 * 63 * 127), and that of a block below 2^28 (Q6_K: 16 scales of 128 at the most).
 */
#if defined(__x86_64__)
#include "engine/kernels/avx512.h"
#include "engine/kernels/avx512_panel.h"

#define GROUPS (K_VALUES / 4)

struct panel {
        _Alignas(64) uint8_t codes[GROUPS][64];
        int32_t scales[16][PANEL_ROWS];  /* of parts: 8 of 32 values, or 16 of 16 */
        int16_t below[8][PANEL_ROWS][2]; /* to take off: times two sums of 16 activations each */
        float scale[PANEL_ROWS], minimum[PANEL_ROWS];
};

/* One column alone meets codes as they are unpacked. */
struct one_column {
        const uint8_t *codes; /* of its block */
        unsigned part_groups;
        __m512i parts[16]; /* the sums of products */
};

/* --- blocks to panels --- */

/* Group G of a block's codes. */
ALWAYS_INLINE void put(struct panel *panel, struct one_column *one, unsigned g, __m512i codes) {
        if (one)
                one->parts[g / one->part_groups] =
                        _mm512_dpbusd_epi32(one->parts[g / one->part_groups], codes, everywhere(one->codes + 4 * (size_t) g));
        else
                store_512(panel->codes[g], codes);
}

/* 64 bytes of each row as sixteen dwords. */
ALWAYS_INLINE void load_block(const struct panel_rows *rows, size_t at, __m512i ret[16]) {
        UNROLL
        for (size_t i = 0; i < PANEL_ROWS; i++)
                ret[i] = load_512(panel_row(rows, i) + at);
        transpose_16(ret);
}

/* HEAD: the first dwords of a block: scale and minimum, then the packed scales of parts (struct block_q4_k). */
ALWAYS_INLINE void unpack_head(struct panel *panel, const __m512i head[4]) {
        const __m512i six = _mm512_set1_epi32(0x3f3f3f3f), four = _mm512_set1_epi32(0x0f0f0f0f),
                      two = _mm512_set1_epi32(0x03030303);
        __m512i w0 = head[1], w1 = head[2], w2 = head[3];
        __m512i scales[2] = { _mm512_and_si512(w0, six),
                              _mm512_or_si512(_mm512_and_si512(w2, four),
                                              _mm512_slli_epi32(_mm512_and_si512(_mm512_srli_epi32(w0, 6), two), 4)) };
        __m512i minima[2] = { _mm512_and_si512(w1, six),
                              _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(w2, 4), four),
                                              _mm512_slli_epi32(_mm512_and_si512(_mm512_srli_epi32(w1, 6), two), 4)) };
        const __m512i byte = _mm512_set1_epi32(0xff);
        UNROLL
        for (unsigned part = 0; part < 8; part++) {
                __m512i scale = _mm512_and_si512(_mm512_srli_epi32(scales[part / 4], 8u * (part % 4u)), byte);
                __m512i minimum = _mm512_and_si512(_mm512_srli_epi32(minima[part / 4], 8u * (part % 4u)), byte);
                store_512(panel->scales[part], scale);
                store_512(panel->below[part], _mm512_or_si512(minimum, _mm512_slli_epi32(minimum, 16)));
        }
        _mm512_store_ps(panel->scale, floats_of(head[0]));
        _mm512_store_ps(panel->minimum, floats_of(_mm512_srli_epi32(head[0], 16)));
}

/* Dword i of 32 bytes that two parts share holds codes 4 i to 4 i + 3 of both. */
ALWAYS_INLINE void unpack_nibbles(struct panel *panel, struct one_column *one, const struct panel_rows *rows, bool fifth_bits) {
        const __m512i fifteen = _mm512_set1_epi8(15), sixteen = _mm512_set1_epi8(16);
        __m512i head[4], bits[8];
        load_dwords(rows, 0, head);
        unpack_head(panel, head);
        if (fifth_bits) {
                load_dwords(rows, 16, bits);
                load_dwords(rows, 32, bits + 4);
        }
        UNROLL
        for (int half = 0; half < 2; half++) {
                __m512i v[16];
                load_block(rows, (fifth_bits ? 48 : 16) + 64 * (size_t) half, v);
                UNROLL
                for (int i = 0; i < 16; i++) {
                        unsigned part = 4 * (unsigned) half + 2 * ((unsigned) i / 8);
                        unsigned g = (unsigned) i % 8;
                        __m512i low = _mm512_and_si512(v[i], fifteen);
                        __m512i high = _mm512_and_si512(_mm512_srli_epi16(v[i], 4), fifteen);
                        if (fifth_bits) {
                                __m512i fifth = bits[g];
                                __m512i even = part < 4 ? _mm512_slli_epi16(fifth, (shift_16) (4 - part))
                                                        : _mm512_srli_epi16(fifth, (shift_16) (part - 4));
                                __m512i odd = part < 3 ? _mm512_slli_epi16(fifth, (shift_16) (3 - part))
                                                       : _mm512_srli_epi16(fifth, (shift_16) (part - 3));
                                low = _mm512_or_si512(low, _mm512_and_si512(even, sixteen));
                                high = _mm512_or_si512(high, _mm512_and_si512(odd, sixteen));
                        }
                        put(panel, one, 8 * part + g, low);
                        put(panel, one, 8 * part + 8 + g, high);
                }
        }
}

/* A part's six-bit codes, of nibbles in the low bits of bytes and of a pair at bits 4 and 5. */
ALWAYS_INLINE __m512i six_bits(__m512i nibbles, __m512i pairs) {
        enum { NIBBLE_ELSE_PAIR = 0xca };
        __m512i both = _mm512_ternarylogic_epi32(_mm512_set1_epi8(15), nibbles, pairs, NIBBLE_ELSE_PAIR);
        return _mm512_and_si512(both, _mm512_set1_epi8(63));
}

/* Sixteen signed scales, each also times the 32 that codes stand above their values. */
ALWAYS_INLINE void unpack_q6_k_scales(struct panel *panel, const struct panel_rows *rows) {
        __m512i scales[4], end[4];
        load_dwords(rows, 192, scales);
        load_dwords(rows, 194, end); /* the last two bytes are the scale of the block */
        UNROLL
        for (unsigned i = 0; i < 8; i++) {
                __m512i even = _mm512_srai_epi32(_mm512_slli_epi32(scales[i / 2], 24 - 16 * (i % 2)), 24);
                __m512i odd = _mm512_srai_epi32(_mm512_slli_epi32(scales[i / 2], 16 - 16 * (i % 2)), 24);
                store_512(panel->scales[2 * i], even);
                store_512(panel->scales[2 * i + 1], odd);
                store_512(panel->below[i],
                          _mm512_mask_blend_epi16(0xaaaaaaaa, _mm512_slli_epi32(even, 5), _mm512_slli_epi32(odd, 21)));
        }
        __m512 scale = floats_of(_mm512_srli_epi32(end[3], 16));
        _mm512_store_ps(panel->scale, scale);
        _mm512_store_ps(panel->minimum, scale);
}

ALWAYS_INLINE void unpack_q6_k(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        __m512i pairs[16];
        unpack_q6_k_scales(panel, rows);
        load_block(rows, 128, pairs);
        UNROLL
        for (unsigned half = 0; half < 2; half++) {
                __m512i nibbles[16];
                load_block(rows, 64 * half, nibbles);
                UNROLL
                for (unsigned i = 0; i < 8; i++) {
                        __m512i a = nibbles[i], b = nibbles[8 + i], h = pairs[8 * half + i];
                        unsigned g = 32 * half + i;
                        put(panel, one, g, six_bits(a, _mm512_slli_epi16(h, 4)));
                        put(panel, one, g + 8, six_bits(b, _mm512_slli_epi16(h, 2)));
                        put(panel, one, g + 16, six_bits(_mm512_srli_epi16(a, 4), h));
                        put(panel, one, g + 24, six_bits(_mm512_srli_epi16(b, 4), _mm512_srli_epi16(h, 2)));
                }
        }
}

/* --- panels times columns --- */

struct sums {
        __m512i whole[PANELS_MAX][COLUMNS_MAX], below[PANELS_MAX][COLUMNS_MAX];
};

/* The whole numbers of PART, times its scale. */
ALWAYS_INLINE void add_part(struct sums *sums, const struct panel *panels, const struct product *p, uint32_t c, size_t at,
                            int part, int groups, int count, int columns) {
        __m512i part_sums[PANELS_MAX][COLUMNS_MAX];
        UNROLL
        for (int g = 0; g < groups; g++) {
                UNROLL
                for (int j = 0; j < columns; j++) {
                        __m512i x = everywhere(column_at(p, c + (uint32_t) j) + at + 4 * (size_t) (part * groups + g));
                        UNROLL
                        for (int k = 0; k < count; k++)
                                part_sums[k][j] = _mm512_dpbusd_epi32(g ? part_sums[k][j] : _mm512_setzero_si512(),
                                                                      load_512(panels[k].codes[part * groups + g]), x);
                }
        }
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums->whole[k][j] = _mm512_add_epi32(
                                sums->whole[k][j], _mm512_mullo_epi32(part_sums[k][j], load_512(panels[k].scales[part])));
        }
}

ALWAYS_INLINE void add_below(struct sums *sums, const struct panel *panels, const struct product *p, uint32_t c, uint32_t b,
                             int count, int columns) {
        UNROLL
        for (int i = 0; i < 8; i++) {
                UNROLL
                for (int j = 0; j < columns; j++) {
                        __m512i x = everywhere(column_at(p, c + (uint32_t) j) + i8_sums_offset(p->n) + b * (size_t) 32 +
                                               4 * (size_t) i);
                        UNROLL
                        for (int k = 0; k < count; k++)
                                sums->below[k][j] = _mm512_dpwssd_epi32(sums->below[k][j], load_512(panels[k].below[i]), x);
                }
        }
}

/* The whole numbers of block B onto the outputs of a panel's rows and column C. */
ALWAYS_INLINE void finish(const struct panel *panel, const struct product *p, uint32_t r, uint32_t c, uint32_t b, __m512i whole,
                          __m512i below) {
        const float *scales = (const float *) (const void *) (column_at(p, c) + i8_scales_offset(p->n));
        __m512 sum = b ? panel_sums(p, r, c) : _mm512_setzero_ps();
        __m512 value = _mm512_mul_ps(_mm512_load_ps(panel->scale), _mm512_cvtepi32_ps(whole));
        value = _mm512_fnmadd_ps(_mm512_load_ps(panel->minimum), _mm512_cvtepi32_ps(below), value);
        panel_store(p, r, c, _mm512_fmadd_ps(_mm512_set1_ps(scales[b]), value, sum));
}

/* Block B of COUNT panels from row R, times COLUMNS columns from C. */
ALWAYS_INLINE void tile(const struct panel *panels, const struct product *p, uint32_t r, uint32_t c, uint32_t b, int parts,
                        int count, int columns) {
        struct sums sums;
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        sums.whole[k][j] = sums.below[k][j] = _mm512_setzero_si512();
        }
        for (int part = 0; part < parts; part++)
                add_part(&sums, panels, p, c, b * (size_t) K_VALUES, part, (int) GROUPS / parts, count, columns);
        add_below(&sums, panels, p, c, b, count, columns);
        UNROLL
        for (int k = 0; k < count; k++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        finish(&panels[k], p, r + (uint32_t) k * PANEL_ROWS, c + (uint32_t) j, b, sums.whole[k][j],
                               sums.below[k][j]);
        }
}

typedef void fill_panel(struct panel *panel, const struct panel_rows *rows);
typedef void unpack_block(struct panel *panel, struct one_column *one, const struct panel_rows *rows);

ALWAYS_INLINE void multiply_panels(const struct product *p, uint32_t r, int count, fill_panel *fill, size_t block_bytes,
                                   int parts) {
        struct panel panels[PANELS_MAX];
        uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX];
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                for (int k = 0; k < count; k++) {
                        const struct panel_rows rows = panel_rows_at(p, r + (uint32_t) k * PANEL_ROWS, b, block_bytes, space);
                        fill(&panels[k], &rows);
                }
                FOR_COLUMNS(p, c, tile(panels, p, r, c, b, parts, count, columns));
        }
}

ALWAYS_INLINE void multiply_one_column(const struct product *p, uint32_t r, unpack_block *unpack, size_t block_bytes, int parts) {
        struct panel panel;
        uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX];
        for (uint32_t b = 0; b < p->n / K_VALUES; b++) {
                const struct panel_rows rows = panel_rows_at(p, r, b, block_bytes, space);
                struct one_column one = { p->columns + b * (size_t) K_VALUES, GROUPS / (unsigned) parts, { { 0 } } };
                __m512i whole = _mm512_setzero_si512();
                struct sums sums = { .below = { { whole } } };
                fetch_ahead(p, r, PANEL_ROWS, b, block_bytes);
                unpack(&panel, &one, &rows);
                UNROLL
                for (int part = 0; part < parts; part++)
                        whole = _mm512_add_epi32(whole, _mm512_mullo_epi32(one.parts[part], load_512(panel.scales[part])));
                add_below(&sums, &panel, p, 0, b, 1, 1);
                finish(&panel, p, r, 0, b, whole, sums.below[0][0]);
        }
}

/* A type's codes go to a panel by a function of their own: within the loops around it they would find no registers. */
#define DEFINE_MULTIPLY(type, parts)                                                                            \
        static __attribute__((noinline)) void fill_##type(struct panel *panel, const struct panel_rows *rows) { \
                unpack_##type(panel, NULL, rows);                                                               \
        }                                                                                                       \
        ALWAYS_INLINE void panels_##type(const struct product *p, uint32_t r, int count) {                      \
                multiply_panels(p, r, count, fill_##type, sizeof(struct block_##type), parts);                  \
        }                                                                                                       \
        ALWAYS_INLINE void one_column_##type(const struct product *p, uint32_t r) {                             \
                multiply_one_column(p, r, unpack_##type, sizeof(struct block_##type), parts);                   \
        }                                                                                                       \
        DEFINE_PRODUCT(type)

ALWAYS_INLINE void unpack_q4_k(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        unpack_nibbles(panel, one, rows, false);
}

ALWAYS_INLINE void unpack_q5_k(struct panel *panel, struct one_column *one, const struct panel_rows *rows) {
        unpack_nibbles(panel, one, rows, true);
}

DEFINE_MULTIPLY(q4_k, 8)
DEFINE_MULTIPLY(q5_k, 8)
DEFINE_MULTIPLY(q6_k, 16)

#else
typedef int no_avx512_k; /* a translation unit may not be empty */
#endif
