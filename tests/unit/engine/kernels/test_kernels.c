/*
 * test_kernels.c - every set of kernels against the portable one, the portable one against formulas. Its reading of the
 * formats against an independent engine: test_blocks.c.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/gguf/half.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "tests/block_scale.h"

#define COLUMNS 9u
#define ROWS    37u /* two panels of sixteen, and some */
#define N_MAX   1024u

/* Floats first: the others have codes that can be at an end of their range. */
static const enum tensor_type all_types[] = {
        TENSOR_F32,    TENSOR_F16,   TENSOR_BF16,    TENSOR_Q8_0,   TENSOR_Q4_0,  TENSOR_Q4_1,    TENSOR_Q5_0,  TENSOR_Q5_1,
        TENSOR_IQ4_NL, TENSOR_MXFP4, TENSOR_Q2_K,    TENSOR_Q3_K,   TENSOR_Q4_K,  TENSOR_Q5_K,    TENSOR_Q6_K,  TENSOR_IQ4_XS,
        TENSOR_IQ1_S,  TENSOR_IQ1_M, TENSOR_IQ2_XXS, TENSOR_IQ2_XS, TENSOR_IQ2_S, TENSOR_IQ3_XXS, TENSOR_IQ3_S,
};
#define TYPES  (sizeof(all_types) / sizeof(*all_types))
#define FLOATS 3u

/* --- random numbers and rows --- */

static uint64_t seed = 1;

static uint32_t random_u32(void) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        return (uint32_t) (seed >> 33);
}

static float random_float(void) {
        float sum = 0;
        for (int i = 0; i < 4; i++)
                sum += (float) random_u32() * 0x1p-31f - 0.5f;
        return sum * 2;
}

static void random_floats(float *x, size_t n) {
        for (size_t i = 0; i < n; i++)
                x[i] = random_float();
}

/* A row of any bits is a row, as long as its scales are tame numbers. */
static void random_row(enum tensor_type type, uint32_t n, uint8_t *row) {
        const struct tensor_type_info *info = tensor_type_info(type);
        for (uint32_t i = 0; i < n / info->block_values; i++, row += info->block_bytes) {
                for (uint32_t b = 0; b < info->block_bytes; b++)
                        row[b] = (uint8_t) random_u32();
                block_put_scale(type, row, random_float() * 0.1f, random_float() * 0.1f);
        }
}

static uint32_t length_of(enum tensor_type type, unsigned i) {
        static const uint32_t blocks[] = { 1, 2, 3, 8, 13 };
        uint32_t values = tensor_type_info(type)->block_values;
        return values == 1 ? blocks[i] * 37 : values == 256 ? (i % 4 + 1) * 256 : blocks[i] * 32;
}

/* Sum of magnitudes: what an error of the other side is multiplied with at most. */
static double size_of_row(enum tensor_type type, const uint8_t *stored, uint32_t n, float *row) {
        double size = 0;
        kernels_portable.types[type].dequantize(stored, n, row);
        for (uint32_t i = 0; i < n; i++)
                size += fabs((double) row[i]);
        return size;
}

/* The error of one activation when the largest is LARGEST: half a code, and rounding. */
static double error_of(enum tensor_type type, double largest) {
        enum activation a = kernels_portable.types[type].activation;
        return largest * (2e-6 + (a == ACTIVATION_I8 ? 0.5 / 127 : a == ACTIVATION_I16 ? 0.5 / 32767 : 0));
}

/* --- a product with everything in place --- */

struct bench {
        uint32_t n;
        uint8_t rows[ROWS][N_MAX * 4];
        _Alignas(64) uint8_t columns[COLUMNS][N_MAX * 4];
        float x[COLUMNS][N_MAX];
        float out[COLUMNS][ROWS];
};

static struct product product_of(struct bench *b, uint32_t row, uint32_t rows, uint32_t column, uint32_t columns) {
        return (struct product){
                .rows = b->rows[row],
                .row_bytes = sizeof(b->rows[0]),
                .rows_count = rows,
                .columns = b->columns[column],
                .column_bytes = sizeof(b->columns[0]),
                .columns_count = columns,
                .n = b->n,
                .out = &b->out[column][row],
                .out_stride = ROWS,
        };
}

static void prepare_columns(struct bench *b, enum activation a) {
        for (uint32_t c = 0; c < COLUMNS; c++)
                if (a == ACTIVATION_F32)
                        memcpy(b->columns[c], b->x[c], b->n * sizeof(float));
                else
                        kernels_portable.prepare[a](b->x[c], b->n, b->columns[c]);
}

static void bench_fill(struct bench *b, enum tensor_type type, uint32_t n) {
        b->n = n;
        random_floats(&b->x[0][0], COLUMNS * N_MAX);
        for (uint32_t r = 0; r < ROWS; r++)
                random_row(type, n, b->rows[r]);
        prepare_columns(b, kernels_portable.types[type].activation);
}

static struct bench *new_bench(void) {
        struct bench *b = aligned_alloc(64, sizeof(*b));
        assert_non_null(b);
        memset(b, 0, sizeof(*b));
        return b;
}

/* What a test is given is the name of a set. */
static const struct kernels *set_of(void **state) {
        const struct kernels *k = kernels_named(*state);
        if (!k)
                printf("SKIP this processor cannot run the kernels of %s\n", (const char *) *state);
        return k;
}

/* --- half precision --- */

static void every_half_survives_the_way_to_float_and_back(void **state) {
        (void) state;
        for (uint32_t h = 0; h < 65536; h++) {
                float f = half_to_float((uint16_t) h);
                if (isnan(f))
                        assert_true(isnan(half_to_float(half_from_float(f))));
                else
                        assert_int_equal(half_from_float(f), h);
        }
}

static void rounding_to_half_takes_the_nearest_and_ties_to_even(void **state) {
        (void) state;
        for (uint32_t h = 0; h < 0x7bff; h++) { /* every gap between two finite halves */
                float low = half_to_float((uint16_t) h), high = half_to_float((uint16_t) (h + 1)), middle = (low + high) / 2;
                assert_int_equal(half_from_float(middle), h + (h & 1));
                assert_int_equal(half_from_float(nextafterf(middle, 0)), h);
                assert_int_equal(half_from_float(-nextafterf(middle, 1e9f)), (h + 1) | 0x8000);
        }
        assert_int_equal(half_from_float(65519.9f), 0x7bff);
        assert_int_equal(half_from_float(65520.0f), 0x7c00);
        assert_int_equal(half_from_float(1e30f), 0x7c00);
}

/* --- products --- */

static void portable_products_follow_from_dequantised_rows(void **state) {
        (void) state;
        struct bench *b = new_bench();
        float row[N_MAX];
        for (unsigned t = 0; t < TYPES * 5; t++) {
                enum tensor_type type = all_types[t / 5];
                bench_fill(b, type, length_of(type, t % 5));
                struct product p = product_of(b, 0, ROWS, 0, COLUMNS);
                kernels_portable.types[type].multiply(&p);
                for (uint32_t r = 0; r < ROWS; r++) {
                        double size = size_of_row(type, b->rows[r], b->n, row), code = error_of(type, 4);
                        for (uint32_t c = 0; c < COLUMNS; c++) {
                                double exact = 0;
                                for (uint32_t i = 0; i < b->n; i++)
                                        exact += (double) row[i] * (double) b->x[c][i];
                                assert_true(fabs((double) b->out[c][r] - exact) <= code * size + 1e-4);
                        }
                }
        }
        free(b);
}

static void every_set_multiplies_as_the_portable_one(void **state) {
        const struct kernels *other = set_of(state);
        struct bench *b = new_bench();
        float expected[COLUMNS][ROWS], row[N_MAX];
        for (unsigned t = 0; other && t < TYPES * 5; t++) {
                enum tensor_type type = all_types[t / 5];
                bench_fill(b, type, length_of(type, t % 5));
                struct product p = product_of(b, 0, ROWS, 0, COLUMNS);
                assert_int_equal(kernels_portable.types[type].activation, other->types[type].activation);
                kernels_portable.types[type].multiply(&p);
                memcpy(expected, b->out, sizeof(expected));
                other->types[type].multiply(&p);
                for (uint32_t r = 0; r < ROWS; r++) {
                        double size = size_of_row(type, b->rows[r], b->n, row);
                        for (uint32_t c = 0; c < COLUMNS; c++)
                                assert_true(fabs((double) (b->out[c][r] - expected[c][r])) <= 2e-6 * size + 1e-6);
                }
        }
        free(b);
}

static void check_part(const struct kernels *k, enum tensor_type type, struct bench *b, const float *whole, uint32_t rows,
                       uint32_t columns) {
        uint32_t row = random_u32() % (ROWS - rows + 1), column = random_u32() % (COLUMNS - columns + 1);
        memset(b->out, 0, sizeof(b->out));
        struct product p = product_of(b, row, rows, column, columns);
        k->types[type].multiply(&p);
        for (uint32_t c = column; c < column + columns; c++)
                assert_memory_equal(&b->out[c][row], whole + c * ROWS + row, rows * sizeof(float));
}

/* The promise of kernels.h: no bit depends on where an output lies in a tile. */
static void no_bit_depends_on_the_tile(void **state) {
        struct bench *b = new_bench();
        float whole[COLUMNS * ROWS];
        const struct kernels *k = set_of(state);
        for (unsigned t = 0; k && t < TYPES * 5; t++) {
                enum tensor_type type = all_types[t / 5];
                bench_fill(b, type, length_of(type, t % 5));
                struct product p = product_of(b, 0, ROWS, 0, COLUMNS);
                k->types[type].multiply(&p);
                memcpy(whole, b->out, sizeof(whole));
                for (uint32_t rows = 1; rows <= ROWS; rows += rows < 6 ? 1 : 5)
                        for (uint32_t columns = 1; columns <= COLUMNS; columns++)
                                check_part(k, type, b, whole, rows, columns);
        }
        free(b);
}

/* A mapped file ends where its last row does: the rows again, one right behind the other, before a page that cannot be read. */
static uint8_t *rows_before_a_fence(struct bench *b, size_t row_bytes, uint8_t **ret_map, size_t *ret_bytes) {
        size_t page = (size_t) sysconf(_SC_PAGESIZE), bytes = (ROWS * row_bytes + page - 1) / page * page;
        uint8_t *map = mmap(NULL, bytes + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        assert_true(map != MAP_FAILED && !mprotect(map + bytes, page, PROT_NONE));
        uint8_t *rows = map + bytes - ROWS * row_bytes;
        for (uint32_t r = 0; r < ROWS; r++)
                memcpy(rows + r * row_bytes, b->rows[r], row_bytes);
        *ret_map = map;
        *ret_bytes = bytes + page;
        return rows;
}

static void the_last_row_is_read_to_its_end_and_no_further(void **state) {
        const struct kernels *k = set_of(state);
        struct bench *b = new_bench();
        float expected[COLUMNS][ROWS];
        for (unsigned t = 0; k && t < TYPES * 5; t++) {
                enum tensor_type type = all_types[t / 5];
                bench_fill(b, type, length_of(type, t % 5));
                struct product p = product_of(b, 0, ROWS, 0, COLUMNS);
                k->types[type].multiply(&p);
                memcpy(expected, b->out, sizeof(expected));
                memset(b->out, 0, sizeof(b->out));
                const struct tensor_type_info *info = tensor_type_info(type);
                size_t bytes;
                uint8_t *map;
                p.row_bytes = b->n / info->block_values * info->block_bytes;
                p.rows = rows_before_a_fence(b, p.row_bytes, &map, &bytes);
                k->types[type].multiply(&p);
                assert_memory_equal(expected, b->out, sizeof(expected));
                p.columns_count = 1;
                k->types[type].multiply(&p);
                assert_memory_equal(expected[0], b->out[0], sizeof(expected[0]));
                assert_int_equal(munmap(map, bytes), 0);
        }
        free(b);
}

/* All codes of all rows at one end of their range, their scales 1. */
static void extreme_rows(enum tensor_type type, struct bench *b, uint8_t fill) {
        const struct tensor_type_info *info = tensor_type_info(type);
        for (uint32_t r = 0; r < ROWS; r++) {
                memset(b->rows[r], fill, 256 / info->block_values * info->block_bytes);
                for (uint32_t i = 0; i < 256 / info->block_values; i++)
                        block_put_scale(type, b->rows[r] + i * info->block_bytes, 1, 1);
        }
}

/* The same answer for one column as for many: these may be multiplied otherwise. */
static void check_extremes(const struct kernels *k, enum tensor_type type, struct bench *b, float expected) {
        for (uint32_t columns = 1; columns <= COLUMNS; columns += COLUMNS - 1) {
                struct product p = product_of(b, 0, ROWS, 0, columns);
                k->types[type].multiply(&p);
                for (uint32_t c = 0; c < columns; c++)
                        for (uint32_t r = 0; r < ROWS; r++)
                                assert_true(fabsf(b->out[c][r] - expected) <= 1e-5f * fabsf(expected) + 1e-3f);
        }
}

static void extreme_codes_do_not_overflow(void **state) {
        static const uint8_t fills[] = { 0x00, 0x7f, 0x80, 0xff };
        const struct kernels *other = set_of(state);
        struct bench *b = new_bench();
        for (unsigned t = FLOATS * 8; other && t < TYPES * 8; t++) {
                enum tensor_type type = all_types[t / 8];
                b->n = 256;
                extreme_rows(type, b, fills[t / 2 % 4]);
                for (uint32_t i = 0; i < COLUMNS * N_MAX; i++)
                        b->x[i / N_MAX][i % N_MAX] = t % 2 ? -1.0f : 1.0f;
                prepare_columns(b, kernels_portable.types[type].activation);
                struct product p = product_of(b, 0, 1, 0, 1);
                kernels_portable.types[type].multiply(&p);
                check_extremes(other, type, b, b->out[0][0]);
        }
        free(b);
}

/* --- preparing and storing --- */

#define KINDS 8u

static void awkward_floats(float *x, uint32_t n, unsigned kind) {
        random_floats(x, n);
        for (uint32_t i = 0; i < n; i++) {
                if (kind == 1)
                        x[i] = 0;
                if (kind == 2)
                        x[i] *= 1e-30f;
                if (kind == 3)
                        x[i] *= 1e30f;
                if (kind == 4 && i % 7 == 0)
                        x[i] = NAN;
                if (kind == 5 && i % 11 == 0)
                        x[i] = i % 2 ? INFINITY : -INFINITY;
                if (kind == 7)
                        x[i] = -0.0f;
                if (kind == 6)
                        x[i] = (float) ((int) (i % 5) - 2); /* ties between largest magnitudes */
        }
}

static void every_set_prepares_the_same_bytes(void **state) {
        const struct kernels *other = set_of(state);
        float x[1024];
        _Alignas(64) uint8_t ours[4096], theirs[4096];
        for (unsigned i = 0; other && i < KINDS * 4; i++) {
                awkward_floats(x, 1024, i % KINDS);
                for (enum activation a = ACTIVATION_F32 + 1; a < ACTIVATION_COUNT; a++) {
                        memset(ours, 0, sizeof(ours));
                        memset(theirs, 0, sizeof(theirs));
                        kernels_portable.prepare[a](x, 1024, ours);
                        other->prepare[a](x, 1024, theirs);
                        assert_memory_equal(ours, theirs, sizeof(ours));
                }
        }
}

static void every_set_stores_the_same_bytes(void **state) {
        const struct kernels *other = set_of(state);
        float x[128];
        uint8_t ours[256], theirs[256];
        for (unsigned i = 0; other && i < KINDS * 8; i++) {
                awkward_floats(x, 128, i % KINDS);
                for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                        uint32_t n = type == KV_F16 ? 128 - i % 9 : 128;
                        memset(ours, 0, sizeof(ours));
                        memset(theirs, 0, sizeof(theirs));
                        kernels_portable.kv[type].store(x, n, ours);
                        other->kv[type].store(x, n, theirs);
                        assert_memory_equal(ours, theirs, sizeof(ours));
                }
        }
}

static void every_set_loads_the_same_values(void **state) {
        const struct kernels *other = set_of(state);
        float x[128], ours[128], theirs[128];
        uint8_t row[256];
        for (unsigned i = 0; other && i < KINDS * 8; i++) {
                awkward_floats(x, 128, i % KINDS);
                for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                        uint32_t n = type == KV_F16 ? 128 - i % 41 : 128;
                        memset(ours, 0, sizeof(ours));
                        memset(theirs, 0, sizeof(theirs));
                        kernels_portable.kv[type].store(x, n, row);
                        kernels_portable.kv[type].load(row, n, ours);
                        other->kv[type].load(row, n, theirs);
                        assert_memory_equal(ours, theirs, sizeof(ours));
                        kernels_portable.types[kv_tensor_type(type)].dequantize(row, n, theirs);
                        assert_memory_equal(ours, theirs, sizeof(ours));
                }
        }
}

/* Row I of Sylvester's matrix has its minus signs where I and the column have an odd number of bits in common. */
static void turning_follows_the_formula_and_is_undone_by_turning(void **state) {
        static const uint32_t lengths[] = { 8, 32, 64, 96, 128, 160, 256 };
        const struct kernels *other = set_of(state);
        float x[256], ours[256], theirs[256];
        for (unsigned i = 0; i < 7 * 5; i++) {
                uint32_t n = lengths[i % 7], width = hadamard_width(n);
                random_floats(x, n);
                memcpy(ours, x, sizeof(ours));
                memcpy(theirs, x, sizeof(theirs));
                kernels_portable.hadamard(ours, n);
                for (uint32_t v = 0; v < n; v++) {
                        double sum = 0;
                        for (uint32_t w = 0; w < width; w++)
                                sum += (double) x[v / width * width + w] * (__builtin_parity(v % width & w) ? -1 : 1);
                        assert_true(fabs((double) ours[v] - sum / sqrt(width)) < 1e-5);
                }
                if (other) {
                        other->hadamard(theirs, n);
                        assert_memory_equal(ours, theirs, n * sizeof(float));
                }
                kernels_portable.hadamard(ours, n);
                for (uint32_t v = 0; v < n; v++)
                        assert_true(fabsf(ours[v] - x[v]) < 1e-5f);
        }
}

static void stored_rows_come_back_within_a_step(void **state) {
        (void) state;
        static const float steps[KV_TYPE_COUNT] = { [KV_F16] = 0.001f, [KV_Q8_0] = 1 / 127.0f, [KV_Q4_0] = 1 / 8.0f };
        float x[32], back[32];
        uint8_t row[64];
        for (unsigned i = 0; i < 200; i++) {
                random_floats(x, 32);
                float largest = 0;
                for (int v = 0; v < 32; v++)
                        largest = fmaxf(largest, fabsf(x[v]));
                for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++) {
                        kernels_portable.kv[type].store(x, 32, row);
                        kernels_portable.types[kv_tensor_type(type)].dequantize(row, 32, back);
                        for (int v = 0; v < 32; v++)
                                assert_true(fabsf(x[v] - back[v]) <= steps[type] * largest * 1.001f);
                }
        }
}

/* --- mixing and vectors --- */

/* Weights of quantised values may be rounded to 16 bits, relative to the largest. */
static float mixture_tolerance(const struct mixture *m, enum kv_type type) {
        const float value = 4, weight = 4; /* the largest that random_float gives */
        return 1e-4f + (type == KV_F16 ? 0 : (float) m->rows_count * weight * value / 65534);
}

static void check_mixture(const struct kernels *k, enum kv_type type, struct mixture m, const float *expected) {
        float whole[5 * 128] = { 0 }, out[5 * 128] = { 0 };
        const float *weights = m.weights;
        m.out = whole;
        k->kv[type].mix(&m);
        m.columns_count = 1;
        for (uint32_t c = 0; c < 5; c++) {
                m.weights = weights + c * 64;
                m.out = out + c * 128;
                k->kv[type].mix(&m);
                for (uint32_t v = 0; v < m.n; v++)
                        assert_true(fabsf(out[c * 128 + v] - expected[c * 128 + v]) < mixture_tolerance(&m, type));
        }
        assert_memory_equal(out, whole, sizeof(out));
}

/* One row with a weight of one: its values, whatever was rounded. */
static void a_mixture_of_one_row_is_that_row(void **state) {
        const struct kernels *set = set_of(state);
        for (enum kv_type type = 0; set && type < KV_TYPE_COUNT; type++) {
                float x[64], expected[64], out[64] = { 0 }, weights[3] = { 0, 1, 0 };
                uint8_t rows[3 * 128];
                random_floats(x, 64);
                for (uint32_t r = 0; r < 3; r++)
                        kernels_portable.kv[type].store(x, 64, rows + r * 128);
                kernels_portable.kv[type].load(rows + 128, 64, expected);
                struct mixture m = { rows, 128, 3, weights, 3, 1, 64, out, 64 };
                set->kv[type].mix(&m);
                for (uint32_t v = 0; v < 64; v++)
                        assert_true(fabsf(out[v] - expected[v]) <= 1e-6f * fabsf(expected[v]));
        }
}

#define QUERIES 11u /* eight, two and one */

static void prepare_queries(const struct kernels *k, enum activation a, const float *x, uint32_t n, uint8_t *columns,
                            size_t bytes) {
        for (uint32_t c = 0; c < QUERIES; c++, x += 160, columns += bytes)
                if (a == ACTIVATION_F32)
                        memcpy(columns, x, n * sizeof(float));
                else
                        k->prepare[a](x, n, columns);
}

/* Keys are many where queries are few, and the other way round: any number of both gives the same bits. */
static void scores_agree_and_do_not_depend_on_the_tile(void **state) {
        const struct kernels *set = set_of(state);
        static float x[QUERIES * 160], expected[QUERIES * 64], out[QUERIES * 64], alone[64], key[160];
        static _Alignas(ACTIVATION_ALIGN) uint8_t columns[QUERIES * 1024];
        static uint8_t rows[64 * 320];
        for (unsigned i = 0; set && i < 90; i++) {
                enum kv_type type = (enum kv_type)(i % KV_TYPE_COUNT);
                enum activation form = set->types[kv_tensor_type(type)].activation;
                uint32_t n = type == KV_F16 ? 1 + i * 7 % 160 : 32 * (1 + i % 5), count = 1 + i * 5 % 64;
                size_t bytes = form == ACTIVATION_F32 ? n * sizeof(float) : activation_bytes(form, n);
                random_floats(x, QUERIES * 160);
                for (uint32_t r = 0; r < 64; r++) {
                        random_floats(key, 160);
                        kernels_portable.kv[type].store(key, n, rows + r * 320);
                }
                struct product p = { rows, 320, count, columns, bytes, QUERIES, n, expected, 64 };
                prepare_queries(&kernels_portable, form, x, n, columns, bytes);
                kv_score(&kernels_portable, type)(&p);
                prepare_queries(set, form, x, n, columns, bytes);
                p.out = out;
                kv_score(set, type)(&p);
                for (uint32_t c = 0; c < QUERIES; c++) {
                        for (uint32_t r = 0; r < count; r++)
                                assert_true(fabsf(out[c * 64 + r] - expected[c * 64 + r]) < 2e-4f);
                        for (uint32_t r = 0; r < count; r++)
                                kv_score(set, type)(&(struct product){ rows + r * 320, 320, 1, columns + c * bytes, bytes, 1, n,
                                                                       alone + r, 1 });
                        assert_memory_equal(alone, out + c * 64, count * sizeof(float));
                }
        }
}

static void mixtures_agree_and_do_not_depend_on_the_tile(void **state) {
        const struct kernels *set = set_of(state);
        float weights[5 * 64], x[128], expected[5 * 128];
        uint8_t rows[64 * 256];
        for (unsigned i = 0; set && i < 60; i++) {
                enum kv_type type = (enum kv_type)(i % KV_TYPE_COUNT);
                uint32_t n = type == KV_F16 ? 1 + i * 2 : 32 * (1 + i % 4), count = 1 + i % 64;
                random_floats(weights, 5 * 64);
                for (uint32_t r = 0; r < 64; r++) {
                        random_floats(x, 128);
                        kernels_portable.kv[type].store(x, n, rows + r * 256);
                }
                struct mixture m = { rows, 256, count, weights, 64, 5, n, expected, 128 };
                memset(expected, 0, sizeof(expected));
                kernels_portable.kv[type].mix(&m);
                check_mixture(set, type, m, expected);
        }
}

static void assert_close(const float *a, const float *b, uint32_t n, float relative, float absolute) {
        for (uint32_t i = 0; i < n; i++)
                assert_true(fabsf(a[i] - b[i]) <= relative * fabsf(a[i]) + absolute);
}

static void vectors_agree(void **state) {
        const struct kernels *o = set_of(state), *p = &kernels_portable;
        float x[100], y[100], a[100], b[100];
        for (uint32_t n = 1; o && n <= 100; n++) {
                random_floats(x, 100);
                random_floats(y, 100);
                p->rms_norm(x, (const uint8_t *) y, n, 1e-5f, a);
                o->rms_norm(x, (const uint8_t *) y, n, 1e-5f, b);
                assert_close(a, b, n, 1e-6f, 1e-7f);
                assert_true(p->maximum(x, n) == o->maximum(x, n));
                for (uint32_t i = 0; i < n; i++)
                        a[i] = b[i] = (x[i] - 5) * (n % 3 ? 1 : 20);
                float ours = p->exponential_sum(a, n, 0), theirs = o->exponential_sum(b, n, 0);
                assert_close(a, b, n, 4e-7f, 1e-37f); /* each to about a unit in the last place */
                assert_true(fabsf(ours - theirs) <= 1e-6f * ours + 1e-37f);
                for (uint32_t i = 0; i < n; i++)
                        a[i] = b[i] = x[i] * (n % 3 ? 5 : 100);
                p->swiglu(a, y, n);
                o->swiglu(b, y, n);
                assert_close(a, b, n, 1e-6f, 1e-30f);
        }
}

static void masked_scores_weigh_nothing(void **state) {
        const struct kernels *set = set_of(state);
        if (set) {
                float x[9] = { 1, -INFINITY, 2, -1e30f, -INFINITY, 0, 2, 1, -INFINITY };
                (void) set->exponential_sum(x, 9, 2);
                assert_true(x[1] == 0 && x[3] == 0 && x[4] == 0 && x[8] == 0 && x[2] == 1 && x[6] == 1);
        }
}

static void the_environment_chooses_a_set(void **state) {
        (void) state;
        assert_int_equal(setenv("HEADROOM_KERNELS", "portable", 1), 0);
        assert_ptr_equal(kernels_get(), &kernels_portable);
        assert_int_equal(setenv("HEADROOM_KERNELS", "abacus", 1), 0);
        assert_non_null(kernels_get());
        assert_null(kernels_named("abacus"));
        assert_int_equal(unsetenv("HEADROOM_KERNELS"), 0);
}

/* For each set that is held to the portable one; for all sets. */
#define FOR(test, set) \
        { #test ", " set, test, NULL, NULL, (void *) (uintptr_t) (set) }
#ifdef __aarch64__
#define FOR_EACH(test) FOR(test, "neon"), FOR(test, "dotprod"), FOR(test, "i8mm")
#else
#define FOR_EACH(test) FOR(test, "avx2"), FOR(test, "avx-vnni"), FOR(test, "avx512")
#endif
#define FOR_ALL(test) FOR(test, "portable"), FOR_EACH(test)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(every_half_survives_the_way_to_float_and_back),
                cmocka_unit_test(rounding_to_half_takes_the_nearest_and_ties_to_even),
                cmocka_unit_test(portable_products_follow_from_dequantised_rows),
                FOR_EACH(every_set_multiplies_as_the_portable_one),
                FOR_ALL(no_bit_depends_on_the_tile),
                FOR_EACH(the_last_row_is_read_to_its_end_and_no_further),
                FOR_EACH(extreme_codes_do_not_overflow),
                FOR_EACH(every_set_prepares_the_same_bytes),
                FOR_EACH(every_set_stores_the_same_bytes),
                FOR_EACH(every_set_loads_the_same_values),
                FOR_EACH(turning_follows_the_formula_and_is_undone_by_turning),
                cmocka_unit_test(stored_rows_come_back_within_a_step),
                FOR_ALL(mixtures_agree_and_do_not_depend_on_the_tile),
                FOR_ALL(a_mixture_of_one_row_is_that_row),
                FOR_ALL(scores_agree_and_do_not_depend_on_the_tile),
                FOR_EACH(vectors_agree),
                FOR_ALL(masked_scores_weigh_nothing),
                cmocka_unit_test(the_environment_chooses_a_set),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
