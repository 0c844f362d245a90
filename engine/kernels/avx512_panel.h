/*
 * avx512_panel.h - how the AVX-512 products go over rows and columns. Included by files that are compiled for AVX-512 (F, BW, DQ, VL)
 * with VNNI alone; nothing here may run before the processor was asked.
 *
 * A PANEL is one block of each of sixteen rows, unpacked so that a vector's lanes are the rows: of each four codes that lie one behind the
 * other, the sixteen rows' side by side. So whatever is added up is added up within a lane, and nothing across. It is unpacked once,
 * stays in the first-level cache, and meets all columns. An output is one float that takes the blocks in order, each as an exact
 * whole number times its scale, so what is computed beside it changes no bit.
 */
#ifndef HEADROOM_ENGINE_KERNELS_AVX512_PANEL_H
#define HEADROOM_ENGINE_KERNELS_AVX512_PANEL_H

#include <immintrin.h>
#include <string.h>

#include "engine/gguf/block.h"
#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL _Pragma("clang loop unroll(full)")
#else
#define UNROLL _Pragma("GCC unroll 16") /* before each loop over a tile: its sums must become registers */
#endif

/* How far lanes of 16 bits are shifted: of a type that compilers declare differently. */
#ifdef __clang__
typedef unsigned shift_16;
#else
typedef int shift_16;
#endif

#define PANEL_ROWS  16u
#define PANELS_MAX  2u /* multiplied together: each activation is read once for both */
#define COLUMNS_MAX 4u /* with two panels as many as the accumulators stay in registers */

ALWAYS_INLINE __m512i load_512(const void *bytes) {
        return _mm512_loadu_si512(bytes);
}

ALWAYS_INLINE void store_512(void *bytes, __m512i v) {
        _mm512_storeu_si512(bytes, v);
}

/* Four bytes, in all lanes. */
ALWAYS_INLINE __m512i everywhere(const uint8_t *bytes) {
        return _mm512_set1_epi32((int) load_u32(bytes));
}

/* V[i] holds 64 bytes of row i; afterwards V[g] holds bytes 4 g to 4 g + 3 of row i in lane i. */
ALWAYS_INLINE void transpose_16(__m512i v[16]) {
        __m512i t[16];
        UNROLL
        for (int i = 0; i < 16; i += 2) {
                t[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
                t[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
        }
        UNROLL
        for (int i = 0; i < 16; i += 4) {
                v[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
                v[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
                v[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
                v[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
        }
        UNROLL
        for (int i = 0; i < 4; i++) { /* V[4 k + i]: of rows 4 k .. 4 k + 3, dwords i, 4 + i, 8 + i and 12 + i in its quarters */
                __m512i a = _mm512_shuffle_i32x4(v[i], v[4 + i], 0x44), b = _mm512_shuffle_i32x4(v[i], v[4 + i], 0xee);
                __m512i c = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0x44), d = _mm512_shuffle_i32x4(v[8 + i], v[12 + i], 0xee);
                t[i] = _mm512_shuffle_i32x4(a, c, 0x88);
                t[4 + i] = _mm512_shuffle_i32x4(a, c, 0xdd);
                t[8 + i] = _mm512_shuffle_i32x4(b, d, 0x88);
                t[12 + i] = _mm512_shuffle_i32x4(b, d, 0xdd);
        }
        UNROLL
        for (int i = 0; i < 16; i++)
                v[i] = t[i];
}

/* --- where a product stands --- */

/* Sixteen rows, from the block that is meant. */
struct panel_rows {
        const uint8_t *first;
        size_t row_bytes;
};

ALWAYS_INLINE const uint8_t *panel_row(const struct panel_rows *rows, size_t i) {
        return rows->first + i * rows->row_bytes;
}

#define BLOCK_BYTES_MAX 256u

/* From row R, block B of so many bytes; SPACE is for the end of a matrix, where rows that are not there are taken to be zero. */
ALWAYS_INLINE struct panel_rows panel_rows_at(const struct product *p, uint32_t r, uint32_t b, size_t block_bytes,
                                              uint8_t space[PANEL_ROWS * BLOCK_BYTES_MAX]) {
        const uint8_t *first = p->rows + r * p->row_bytes + b * block_bytes;
        if (p->rows_count - r >= PANEL_ROWS)
                return (struct panel_rows){ first, p->row_bytes };
        memset(space, 0, PANEL_ROWS * block_bytes);
        for (uint32_t i = 0; i < p->rows_count - r; i++)
                memcpy(space + i * block_bytes, first + i * p->row_bytes, block_bytes);
        return (struct panel_rows){ space, block_bytes };
}

/* Of the rows from R there may be fewer than sixteen. */
ALWAYS_INLINE __mmask16 panel_mask(const struct product *p, uint32_t r) {
        uint32_t left = p->rows_count - r;
        return (__mmask16) (left < PANEL_ROWS ? (1u << left) - 1 : 0xffffu);
}

ALWAYS_INLINE const uint8_t *column_at(const struct product *p, uint32_t c) {
        return p->columns + c * p->column_bytes;
}

/* The outputs of a panel's rows and column C. */
ALWAYS_INLINE __m512 panel_sums(const struct product *p, uint32_t r, uint32_t c) {
        return _mm512_maskz_loadu_ps(panel_mask(p, r), p->out + c * p->out_stride + r);
}

ALWAYS_INLINE void panel_store(const struct product *p, uint32_t r, uint32_t c, __m512 sums) {
        _mm512_mask_storeu_ps(p->out + c * p->out_stride + r, panel_mask(p, r), sums);
}

/*
 * With one column a product is as fast as its weights arrive, and rows in step are no pattern that the processor fetches ahead by
 * itself. Rows lie one after another, so each step of COUNT rows from R asks for as many bytes as it uses, of the rows behind these.
 */
ALWAYS_INLINE void fetch_ahead(const struct product *p, uint32_t r, uint32_t count, uint32_t step, size_t step_bytes) {
        uintptr_t next = (uintptr_t) p->rows + (r + count) * p->row_bytes + step * count * step_bytes;
        for (size_t at = 0; at < count * step_bytes; at += 64)
                _mm_prefetch((const char *) (next + at), _MM_HINT_T0);
}

/* --- reading rows --- */

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

/* Sixteen bytes of each row as four dwords, row i's in lane i. */
ALWAYS_INLINE void load_dwords(const struct panel_rows *rows, size_t at, __m512i ret[4]) {
        __m512i v[4];
        UNROLL
        for (size_t i = 0; i < 4; i++) { /* of rows i, i + 4, i + 8 and i + 12 */
                v[i] = _mm512_castsi128_si512(load_128(panel_row(rows, i) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x00f0, load_128(panel_row(rows, i + 4) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0x0f00, load_128(panel_row(rows, i + 8) + at));
                v[i] = _mm512_mask_broadcast_i32x4(v[i], 0xf000, load_128(panel_row(rows, i + 12) + at));
        }
        __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
        __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
        ret[0] = _mm512_unpacklo_epi64(a, c);
        ret[1] = _mm512_unpackhi_epi64(a, c);
        ret[2] = _mm512_unpacklo_epi64(b, d);
        ret[3] = _mm512_unpackhi_epi64(b, d);
}

/* Halves in the low bits of lanes. */
ALWAYS_INLINE __m512 floats_of(__m512i halves) {
        return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(halves));
}

/* --- tiles over a product --- */

/* All columns in fours, then two, then one: TILE is an expression that knows them by C and COLUMNS. */
#define FOR_COLUMNS(p, c, tile)                               \
        do {                                                  \
                uint32_t c = 0;                               \
                for (; c + 4 <= (p)->columns_count; c += 4) { \
                        enum { columns = 4 };                 \
                        tile;                                 \
                }                                             \
                for (; c + 2 <= (p)->columns_count; c += 2) { \
                        enum { columns = 2 };                 \
                        tile;                                 \
                }                                             \
                if (c < (p)->columns_count) {                 \
                        enum { columns = 1 };                 \
                        tile;                                 \
                }                                             \
        } while (0)

/* All rows: of one column by one_column_TYPE(p, r), else by panels_TYPE(p, r, count). */
#define DEFINE_PRODUCT(type)                                                                            \
        _Static_assert(sizeof(struct block_##type) <= BLOCK_BYTES_MAX, "the end of a matrix has room"); \
        void avx512_multiply_##type(const struct product *p) {                                          \
                uint32_t r = 0;                                                                         \
                for (; p->columns_count == 1 && r < p->rows_count; r += PANEL_ROWS)                     \
                        one_column_##type(p, r);                                                        \
                for (; r + PANELS_MAX * PANEL_ROWS <= p->rows_count; r += PANELS_MAX * PANEL_ROWS)      \
                        panels_##type(p, r, PANELS_MAX);                                                \
                for (; r < p->rows_count; r += PANEL_ROWS)                                              \
                        panels_##type(p, r, 1);                                                         \
        }

#endif
