/*
 * avx2_tile.h - how the AVX2 products go over rows and columns. Included as avx2.h is.
 *
 * A tile of up to 4 rows and 4 columns reads each weight once for all its columns. Per output there is one
 * accumulator of 8 float lanes that takes the blocks in order, and one way of adding up its lanes, so that the size
 * of the tile an output falls into changes no bit of it. Products of codes are exact whole numbers within a block.
 */
#ifndef HEADROOM_ENGINE_KERNELS_X86_AVX2_TILE_H
#define HEADROOM_ENGINE_KERNELS_X86_AVX2_TILE_H

#include "engine/kernels_x86/avx2.h"

#define TILE_MAX 4

struct tile {
        const struct product *p;
        const uint8_t *rows[TILE_MAX];
        const uint8_t *columns[TILE_MAX];
        __m256 sums[TILE_MAX][TILE_MAX];
};

ALWAYS_INLINE void tile_begin(struct tile *t, const struct product *p, uint32_t r, uint32_t c, int rows, int columns) {
        t->p = p;
        UNROLL
        for (int i = 0; i < rows; i++)
                t->rows[i] = p->rows + (r + (uint32_t) i) * p->row_bytes;
        UNROLL
        for (int j = 0; j < columns; j++)
                t->columns[j] = p->columns + (c + (uint32_t) j) * p->column_bytes;
        UNROLL
        for (int i = 0; i < rows; i++) {
                UNROLL
                for (int j = 0; j < columns; j++)
                        t->sums[i][j] = _mm256_setzero_ps();
        }
}

/*
 * With one column a product is as fast as its weights arrive, and four rows in step are no pattern that the processor
 * fetches ahead by itself. Rows lie one after another, so each step asks for as many bytes as it uses, of the rows behind
 * these, or where rows are short FETCH_AHEAD further on: some 200 ns at what one thread reads. Beyond the last row the request is idle but harmless.
 */
#define FETCH_AHEAD 8192u

ALWAYS_INLINE void fetch_ahead(const struct tile *t, size_t step, size_t step_bytes, int rows, int columns) {
        if (rows != 4 || columns != 1)
                return;
        size_t tile = 4 * t->p->row_bytes;
        uintptr_t next = (uintptr_t) t->rows[0] + (tile > FETCH_AHEAD ? tile : FETCH_AHEAD) + step * 4 * step_bytes;
        for (size_t at = 0; at < 4 * step_bytes; at += 64)
                _mm_prefetch((const char *) (next + at), _MM_HINT_T0);
}

ALWAYS_INLINE void tile_end(const struct tile *t, uint32_t r, uint32_t c, int rows, int columns) {
        UNROLL
        for (int j = 0; j < columns; j++) {
                float *out = t->p->out + (c + (uint32_t) j) * t->p->out_stride + r;
                if (rows == 4)
                        _mm_storeu_ps(out, sums_of_four(t->sums[0][j], t->sums[1][j], t->sums[2][j], t->sums[3][j]));
                else
                        out[0] = sum_of(t->sums[0][j]);
        }
}

/* --- reading blocks and columns --- */

ALWAYS_INLINE __m256i load_256(const uint8_t *bytes, size_t at) {
        return _mm256_loadu_si256((const __m256i *) (const void *) (bytes + at));
}

/* A column of 8-bit codes: block B's scale in all lanes, its sums of 16. */
ALWAYS_INLINE __m256 i8_scale(const uint8_t *column, uint32_t n, uint32_t b) {
        return _mm256_broadcast_ss((const float *) (const void *) (column + i8_scales_offset(n)) + b);
}

ALWAYS_INLINE __m256i i8_sums(const uint8_t *column, uint32_t n, uint32_t b) {
        return load_256(column, i8_sums_offset(n) + b * (size_t) 32);
}

/* Sixteen-bit element J of both lanes, everywhere. */
ALWAYS_INLINE __m256i broadcast_16(__m256i lanes, int j) {
        return _mm256_shuffle_epi8(lanes, _mm256_set1_epi16((short) ((2 * j + 1) << 8 | 2 * j)));
}

/* --- tiles over a product --- */

/* All rows against COLUMNS columns from C: in fours, then one by one. */
#define TILE_ROWS(tile, p, c, columns)                     \
        do {                                               \
                uint32_t r_ = 0;                           \
                for (; r_ + 4 <= (p)->rows_count; r_ += 4) \
                        tile((p), r_, (c), 4, (columns));  \
                for (; r_ < (p)->rows_count; r_++)         \
                        tile((p), r_, (c), 1, (columns));  \
        } while (0)

/*
 * WIDEST columns at a time, then two, then one: as wide as the accumulators stay in registers, measured with
 * bench-kernels (gcc 12 spills two of F16's twelve, which halves it). Whole-number types keep theirs in memory per block.
 */
#define DEFINE_MULTIPLY(type, widest)                                                             \
        void avx2_multiply_##type(const struct product *p) {                                      \
                uint32_t c = 0, count = p->columns_count;                                         \
                for (; c + (widest) <= count && (count - c != 4 || (widest) != 3); c += (widest)) \
                        TILE_ROWS(tile_##type, p, c, widest);                                     \
                for (; c + 2 <= count; c += 2)                                                    \
                        TILE_ROWS(tile_##type, p, c, 2);                                          \
                for (; c < count; c++)                                                            \
                        TILE_ROWS(tile_##type, p, c, 1);                                          \
        }

#endif
