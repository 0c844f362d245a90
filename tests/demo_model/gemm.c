/*
 * gemm.c - blocked matrix multiplication for the trainer.
 *
 * The kernel holds a 6 x 16 tile of C in twelve vectors of eight floats, which is what fits into sixteen
 * registers of 256 bits beside one row of B and one broadcast of A. Vectors are the compiler's own, so
 * the file builds for any machine; the flags decide what instructions they become.
 */
#include "tests/demo_model/gemm.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/demo_model/bounds.h"

enum {
        TILE_ROWS = 6,
        TILE_COLUMNS = 16,
        BLOCK_DEPTH = 256, /* a panel of B, 256 x 16 floats, stays in the first-level cache */
        BLOCK_ROWS = 96,   /* the packed block of A, 96 x 256 floats, stays in the second */
};

/* Eight floats at any address. */
typedef float lanes __attribute__((vector_size(32), aligned(4), may_alias));

/* By macro, since passing vectors to functions has another ABI with and without wide registers. */
#define LOAD(at)         (*(const lanes *) (at))
#define STORE(at, value) (*(lanes *) (at) = (value))

int gemm_space_init(struct gemm_space *s) {
        s->a = aligned_alloc(64, sizeof(float) * BLOCK_ROWS * BLOCK_DEPTH);
        s->b = aligned_alloc(64, sizeof(float) * BLOCK_DEPTH * (NET_SIDE_MAX + TILE_COLUMNS));
        if (s->a && s->b)
                return 0;
        gemm_space_done(s);
        return -ENOMEM;
}

void gemm_space_done(struct gemm_space *s) {
        free(s->a);
        free(s->b);
        *s = (struct gemm_space){ 0 };
}

/* Rows [0, rows) of A in panels of TILE_ROWS, column by column, missing rows zero. */
static void pack_rows(float *to, struct matrix a, size_t rows, size_t depth) {
        for (size_t i0 = 0; i0 < rows; i0 += TILE_ROWS)
                for (size_t p = 0; p < depth; p++)
                        for (size_t i = i0; i < i0 + TILE_ROWS; i++)
                                *to++ = i < rows ? a.at[i * a.row_step + p * a.column_step] : 0.0f;
}

static void pack_columns(float *to, struct matrix b, size_t columns, size_t depth) {
        for (size_t j0 = 0; j0 < columns; j0 += TILE_COLUMNS) {
                const float *from = b.at + j0 * b.column_step;
                size_t width = columns - j0 < TILE_COLUMNS ? columns - j0 : TILE_COLUMNS;

                for (size_t p = 0; p < depth; p++, to += TILE_COLUMNS) {
                        for (size_t j = 0; j < width; j++)
                                to[j] = from[p * b.row_step + j * b.column_step];
                        for (size_t j = width; j < TILE_COLUMNS; j++)
                                to[j] = 0.0f;
                }
        }
}

static void tile(size_t depth, const float *a, const float *b, float *c, size_t c_step, bool add) {
        lanes left[TILE_ROWS] = { 0 }, right[TILE_ROWS] = { 0 };

        for (size_t p = 0; p < depth; p++, a += TILE_ROWS, b += TILE_COLUMNS) {
                lanes b_left = LOAD(b), b_right = LOAD(b + 8);

#pragma GCC unroll 6
                for (int i = 0; i < TILE_ROWS; i++) {
                        left[i] += b_left * a[i];
                        right[i] += b_right * a[i];
                }
        }
#pragma GCC unroll 6
        for (int i = 0; i < TILE_ROWS; i++) {
                float *row = c + (size_t) i * c_step;

                if (add) {
                        left[i] += LOAD(row);
                        right[i] += LOAD(row + 8);
                }
                STORE(row, left[i]);
                STORE(row + 8, right[i]);
        }
}

/* A tile that hangs over the edge of C: computed beside it, and the part inside copied. */
static void tile_at_edge(size_t depth, const float *a, const float *b, float *c, size_t c_step, size_t rows, size_t columns,
                         bool add) {
        float whole[TILE_ROWS * TILE_COLUMNS];

        tile(depth, a, b, whole, TILE_COLUMNS, false);
        for (size_t i = 0; i < rows; i++)
                for (size_t j = 0; j < columns; j++) {
                        float value = whole[i * TILE_COLUMNS + j];

                        c[i * c_step + j] = add ? c[i * c_step + j] + value : value;
                }
}

static void multiply_block(const struct gemm_space *s, size_t rows, size_t n, size_t depth, float *c, size_t c_step, bool add) {
        for (size_t j = 0; j < n; j += TILE_COLUMNS)
                for (size_t i = 0; i < rows; i += TILE_ROWS) {
                        const float *a = s->a + i * depth, *b = s->b + j * depth;
                        float *to = c + i * c_step + j;

                        if (i + TILE_ROWS <= rows && j + TILE_COLUMNS <= n)
                                tile(depth, a, b, to, c_step, add);
                        else
                                tile_at_edge(depth, a, b, to, c_step, rows - i < TILE_ROWS ? rows - i : TILE_ROWS,
                                             n - j < TILE_COLUMNS ? n - j : TILE_COLUMNS, add);
                }
}

void gemm(struct gemm_space *s, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, float *c, size_t c_step,
          bool add) {
        for (size_t p = 0; p < k; p += BLOCK_DEPTH) {
                size_t depth = k - p < BLOCK_DEPTH ? k - p : BLOCK_DEPTH;
                struct matrix b_part = b;

                b_part.at += p * b.row_step;
                pack_columns(s->b, b_part, n, depth);
                for (size_t i = 0; i < m; i += BLOCK_ROWS) {
                        size_t rows = m - i < BLOCK_ROWS ? m - i : BLOCK_ROWS;
                        struct matrix a_part = a;

                        a_part.at += i * a.row_step + p * a.column_step;
                        pack_rows(s->a, a_part, rows, depth);
                        multiply_block(s, rows, n, depth, c + i * c_step, c_step, add || p > 0);
                }
        }
}

float gemm_dot(const float *x, const float *y, size_t count) {
        lanes sums = { 0 };
        size_t i = 0;
        float sum = 0.0f;

        for (; i + 8 <= count; i += 8)
                sums += LOAD(x + i) * LOAD(y + i);
        for (; i < count; i++)
                sum += x[i] * y[i];
        for (int j = 0; j < 8; j++)
                sum += sums[j];
        return sum;
}
