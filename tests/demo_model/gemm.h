/*
 * gemm.h - C = A * B or C += A * B in float32, for matrices given by strides.
 *
 * Blocked and packed, so that the inner kernel always streams through contiguous memory whatever the
 * strides are; a transposed matrix is the same matrix with its two steps exchanged. The order of the
 * additions depends on the shape alone, so results repeat exactly.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_GEMM_H
#define HEADROOM_TESTS_DEMO_MODEL_GEMM_H

#include <stdbool.h>
#include <stddef.h>

/* Element (i, j) is at[i * row_step + j * column_step]. */
struct matrix {
        const float *at;
        size_t row_step, column_step;
};

struct gemm_space {
        float *a, *b; /* packed panels */
};

int gemm_space_init(struct gemm_space *s);
void gemm_space_done(struct gemm_space *s);

/* C[m x n], rows C_STEP apart, from A[m x k] and B[k x n]; n <= NET_SIDE_MAX. ADD keeps what C holds. */
void gemm(struct gemm_space *s, size_t m, size_t n, size_t k, struct matrix a, struct matrix b, float *c, size_t c_step,
          bool add);

/* Sum of x[i] * y[i], added in eight lanes. */
float gemm_dot(const float *x, const float *y, size_t count);

static inline struct matrix matrix_rows(const float *at, size_t columns) {
        return (struct matrix){ at, columns, 1 };
}

/* The transpose of a matrix stored by rows of COLUMNS. */
static inline struct matrix matrix_turned(const float *at, size_t columns) {
        return (struct matrix){ at, 1, columns };
}

#endif
