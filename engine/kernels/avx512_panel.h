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

ALWAYS_INLINE __mmask16 panel_mask(const struct product *p, uint32_t r) {
        uint32_t left = p->rows_count - r;
        return left < PANEL_ROWS ? (__mmask16) ((1u << left) - 1) : (__mmask16) 0xffff;
}

/*
 * With few columns a product is as fast as its weights arrive, and rows in step are no pattern that the processor fetches ahead by itself. Rows
 * lie one after another, so each step asks for as many bytes as it uses, one pair of panels further on, for the second-level cache.
 */
#define COLUMNS_FEW 8u

ALWAYS_INLINE void panel_fetch_ahead(const struct product *p, uint32_t r, uint32_t step, size_t step_bytes) {
        uintptr_t next = (uintptr_t) p->rows + (r + PANEL_ROWS) * p->row_bytes + step * PANEL_ROWS * step_bytes;
        for (size_t at = 0; at < PANEL_ROWS * step_bytes; at += 64)
                _mm_prefetch((const char *) (next + at), _MM_HINT_T0);
}

#endif
