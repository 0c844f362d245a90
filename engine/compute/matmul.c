/* matmul.c - work in units whose results do not depend on who computes them, and the largest of it: matrices. */
#include <stdatomic.h>

#include "engine/compute/transformer_internal.h"

#define CHUNK_ROWS_MIN       32u /* of a matrix: they stay in the first- or second-level cache while all columns pass */
#define CHUNKS_PER_THREAD    4u /* where few columns pass: fewer seams, and still something to share when one thread falls behind */
#define COLUMNS_FEW          4u
#define TOKENS_WORTH_SHARING 4u /* fewer are done sooner than another thread is told */

/* --- sharing out --- */

struct share {
        struct transformer *f;
        unit_work *work;
        uint32_t count;
        _Atomic uint32_t next;
};

static void share_work(void *context, uint32_t thread, uint32_t width) {
        struct share *s = context;
        (void) width;
        for (uint32_t unit; (unit = atomic_fetch_add_explicit(&s->next, 1, memory_order_relaxed)) < s->count;)
                s->work(s->f, unit, thread);
}

void matmul_share(struct transformer *f, unit_work *work, uint32_t count) {
        struct share s = { .f = f, .work = work, .count = count };
        if (count > 1)
                threads_run(f->config.threads, share_work, &s);
        else
                share_work(&s, 0, 1);
}

void matmul_share_tokens(struct transformer *f, unit_work *work, uint32_t count) {
        if (count >= TOKENS_WORTH_SHARING) {
                matmul_share(f, work, count);
                return;
        }
        for (uint32_t i = 0; i < count; i++)
                work(f, i, 0);
}

/* --- weights times activations --- */

static enum activation activation_of(const struct transformer *f, const struct matrix *weights) {
        return f->kernels->types[weights->type].activation;
}

void matmul_prepare_row(const struct transformer *f, uint32_t row) {
        if (f->activation == ACTIVATION_F32)
                return;
        size_t bytes = activation_bytes(f->activation, f->input_n);
        f->kernels->prepare[f->activation](f->input + row * (size_t) f->input_n, f->input_n, f->prepared + row * bytes);
}

void matmul_prepare_unit(struct transformer *f, uint32_t row, uint32_t thread) {
        (void) thread;
        matmul_prepare_row(f, row);
}

void matmul_set_input(struct transformer *f, const float *x, uint32_t n, uint32_t count, const struct matrix *weights) {
        f->input = x;
        f->input_n = n;
        f->input_count = count;
        f->activation = activation_of(f, weights);
}

struct matmul matmul_all_rows(const struct transformer *f, struct matrix weights, float *out) {
        return (struct matmul){ weights, out, 0, f->input_count };
}

/* Rows of a chunk, a multiple of CHUNK_ROWS_MIN. How a matrix is cut changes no bit of what comes out. */
static uint32_t chunk_rows(const struct transformer *f, const struct matmul *m) {
        if (m->count > COLUMNS_FEW)
                return CHUNK_ROWS_MIN;
        uint32_t share = m->weights.rows / (threads_width(f->config.threads) * CHUNKS_PER_THREAD);
        return share < CHUNK_ROWS_MIN ? CHUNK_ROWS_MIN : share / CHUNK_ROWS_MIN * CHUNK_ROWS_MIN;
}

/* The product that UNIT belongs to: the last that begins at it or before. */
static const struct matmul_tile *matmul_tile_of(const struct transformer *f, uint32_t unit) {
        uint32_t low = 0, high = f->matmul_tiles_count;
        while (high - low > 1) {
                uint32_t middle = low + (high - low) / 2;
                if (f->matmul_tiles[middle].first_unit <= unit)
                        low = middle;
                else
                        high = middle;
        }
        return &f->matmul_tiles[low];
}

static void multiply_unit(struct transformer *f, uint32_t unit, uint32_t thread) {
        (void) thread;
        const struct matmul_tile *m = matmul_tile_of(f, unit);
        const struct matrix *weights = &m->matmul.weights;
        uint32_t first = (unit - m->first_unit) * m->chunk_rows, left = weights->rows - first;
        bool floats = f->activation == ACTIVATION_F32;
        size_t column_bytes = floats ? f->input_n * sizeof(float) : activation_bytes(f->activation, f->input_n);
        const uint8_t *columns = floats ? (const uint8_t *) f->input : f->prepared;
        f->kernels->types[weights->type].multiply(&(struct product){
                .rows = matrix_row(weights, first),
                .row_bytes = weights->row_bytes,
                .rows_count = left < m->chunk_rows ? left : m->chunk_rows,
                .columns = columns + m->matmul.first * column_bytes,
                .column_bytes = column_bytes,
                .columns_count = m->matmul.count,
                .n = f->input_n,
                .out = m->matmul.out + m->matmul.first * (size_t) weights->rows + first,
                .out_stride = weights->rows,
        });
}

void matmul_run(struct transformer *f, const struct matmul matmuls[], uint32_t count) {
        uint32_t units = 0;
        f->matmul_tiles_count = 0;
        for (uint32_t i = 0; i < count; i++) {
                if (activation_of(f, &matmuls[i].weights) != f->activation) {
                        matmul_share(f, multiply_unit, units);
                        f->matmul_tiles_count = units = 0;
                        f->activation = activation_of(f, &matmuls[i].weights);
                        matmul_share_tokens(f, matmul_prepare_unit, f->input_count);
                }
                uint32_t rows = matmuls[i].weights.rows, chunk = chunk_rows(f, &matmuls[i]);
                f->matmul_tiles[f->matmul_tiles_count++] = (struct matmul_tile){ matmuls[i], units, chunk };
                units += (rows + chunk - 1) / chunk;
        }
        matmul_share(f, multiply_unit, units);
}

void matmul_run_one(struct transformer *f, const float *x, uint32_t n, struct matrix weights, float *out) {
        matmul_set_input(f, x, n, f->rows_count, &weights);
        matmul_share_tokens(f, matmul_prepare_unit, f->rows_count);
        matmul_run(f, &(struct matmul){ weights, out, 0, f->rows_count }, 1);
}
