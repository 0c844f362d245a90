/*
 * bench-kernels.c - how fast each product kernel is by itself, beside what bounds it: with one column the bytes of weights that arrive from memory,
 * with many the products that the unit of multiplication makes. All in processor time, and the best of many short runs, so
 * that a busy machine can still tell one kernel from another; one thread.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/base/clock.h"
#include "engine/gguf/half.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "tests/block_scale.h"
#include "tests/stream_read.h"

#define ROWS         32u
#define N            1024u
#define COLUMNS_MAX  64u
#define STREAM_BYTES (96u << 20) /* of weights: more than caches hold */
#define STREAM_N     2048u
#define RUNS         200
#define STREAMS      7

static uint8_t rows[ROWS][N * 4];
static _Alignas(64) uint8_t columns[COLUMNS_MAX][N * 4], stream_column[STREAM_N * 4];
static float out[COLUMNS_MAX * ROWS], *stream_out;
static uint8_t *stream;

static double processor_s(void) {
        return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static double largest(double a, double b) {
        return a > b ? a : b;
}

/* --- the bounds --- */

/* Bytes a second of a thread that only reads. */
static double bandwidth(void) {
        double best = 0;
        for (int i = 0; i < STREAMS; i++) {
                double start = processor_s();
                stream_read(stream, STREAM_BYTES);
                best = largest(best, STREAM_BYTES / (processor_s() - start));
        }
        return best;
}

#if defined(__x86_64__) || defined(__aarch64__)
/* How many of an instruction a processor does in a second, where each has what it needs and none waits for another. */
#define TWELVE(op) op("0") op("1") op("2") op("3") op("4") op("5") op("6") op("7") op("8") op("9") op("10") op("11")
#define RATE(instruction, width, op)                                               \
        static double instruction##_rate(void) {                                   \
                double best = 0;                                                   \
                for (int i = 0; i < RUNS; i++) {                                   \
                        double start = processor_s();                              \
                        for (int k = 0; k < 4000; k++)                             \
                                __asm__ volatile(TWELVE(op) : : : TWELVE_LOST);    \
                        best = largest(best, 12 * 4000 / (processor_s() - start)); \
                }                                                                  \
                return best * (width);                                             \
        }
#endif
#if defined(__x86_64__)
#define TWELVE_LOST   "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11"
#define MADDUBS(r)    "vpmaddubsw %%ymm12, %%ymm13, %%ymm" r "\n"
#define MADDWD(r)     "vpmaddwd %%ymm12, %%ymm13, %%ymm" r "\n"
#define FMA(r)        "vfmadd231ps %%ymm12, %%ymm13, %%ymm" r "\n"
#define DPBUSD(r)     "vpdpbusd %%zmm12, %%zmm13, %%zmm" r "\n"
#define DPBUSD_256(r) "%{vex%} vpdpbusd %%ymm12, %%ymm13, %%ymm" r "\n"
#define DPWSSD_256(r) "%{vex%} vpdpwssd %%ymm12, %%ymm13, %%ymm" r "\n"
#define DPWSSD(r)     "vpdpwssd %%zmm12, %%zmm13, %%zmm" r "\n"
#define FMA_512(r)    "vfmadd231ps %%zmm12, %%zmm13, %%zmm" r "\n"
RATE(maddubs, 32, MADDUBS)
RATE(maddwd, 16, MADDWD)
RATE(fma, 8, FMA)
RATE(dpbusd_256, 32, DPBUSD_256)
RATE(dpwssd_256, 16, DPWSSD_256)
RATE(dpbusd, 64, DPBUSD)
RATE(dpwssd, 32, DPWSSD)
RATE(fma_512, 16, FMA_512)
#elif defined(__aarch64__)
#define TWELVE_LOST "v0", "v1", "v2", "v3", "v4", "v5", "v6", "v7", "v8", "v9", "v10", "v11"
#define FMLA(r)     "fmla v" r ".4s, v12.4s, v13.4s\n"
#define SMLAL(r)    "smlal v" r ".4s, v12.4h, v13.4h\n"
#define SMLAL_8(r)  "smlal v" r ".8h, v12.8b, v13.8b\n"
#define SDOT(r)     ".arch armv8.2-a+dotprod\nsdot v" r ".4s, v12.16b, v13.16b\n"
#define SMMLA(r)    ".arch armv8.2-a+i8mm\nsmmla v" r ".4s, v12.16b, v13.16b\n"
RATE(fmla, 4, FMLA)
RATE(smlal, 4, SMLAL)
RATE(smlal_8, 8, SMLAL_8)
RATE(sdot, 16, SDOT)
RATE(smmla, 32, SMMLA)

/* Activations of 16 bits take two such products: one for each of their bytes. */
static double half_sdot_rate(void) {
        return sdot_rate() / 2;
}

static double half_smmla_rate(void) {
        return smmla_rate() / 2;
}
#endif

/* Products a second, by what columns are made of; NULL: not told. */
static const struct {
        const char *name;
        double (*peak[ACTIVATION_COUNT])(void);
} sets[] = {
        { "portable", { NULL } },
#if defined(__x86_64__)
        { "avx2", { fma_rate, maddwd_rate, maddubs_rate } },
        { "avx-vnni", { fma_rate, dpwssd_256_rate, dpbusd_256_rate } },
        { "avx512", { fma_512_rate, dpwssd_rate, dpbusd_rate } },
#elif defined(__aarch64__)
        { "neon", { fmla_rate, smlal_rate, smlal_8_rate } },
        { "dotprod", { fmla_rate, half_sdot_rate, sdot_rate } },
        { "i8mm", { fmla_rate, half_smmla_rate, smmla_rate } },
#endif
};

/* --- kernels --- */

static void fill_columns(const struct kernels *k, enum activation a, uint8_t *column, uint32_t n, size_t column_bytes,
                         uint32_t count) {
        float x[STREAM_N];
        for (uint32_t i = 0; i < n; i++)
                x[i] = (float) (i * 2654435761u >> 16) * 0x1p-16f - 0.5f;
        for (uint32_t c = 0; c < count; c++)
                if (a == ACTIVATION_F32)
                        memcpy(column + c * column_bytes, x, n * sizeof(*x));
                else
                        k->prepare[a](x, n, column + c * column_bytes);
}

/* Small finite numbers in every type, whose scales are no subnormals. */
static void fill_rows(enum tensor_type type, uint8_t *to, size_t bytes) {
        const struct tensor_type_info *info = tensor_type_info(type);
        memset(to, 0x11, bytes);
        for (size_t at = 0; at + info->block_bytes <= bytes; at += info->block_bytes)
                block_put_scale(type, to + at, 0.01f, 0.01f);
}

static size_t row_bytes(enum tensor_type type, uint32_t n) {
        const struct tensor_type_info *info = tensor_type_info(type);
        return (size_t) n / info->block_values * info->block_bytes;
}

/* Products a second where all lies in the cache. */
static double speed(const struct kernels *k, enum tensor_type type, uint32_t count) {
        struct product p = {
                .rows = rows[0],
                .row_bytes = row_bytes(type, N),
                .rows_count = ROWS,
                .columns = columns[0],
                .column_bytes = sizeof(columns[0]),
                .columns_count = count,
                .n = N,
                .out = out,
                .out_stride = ROWS,
        };
        double best = 0;
        for (int i = 0; i < RUNS; i++) {
                double start = processor_s();
                for (uint32_t repeat = 0; repeat < COLUMNS_MAX / count; repeat++)
                        k->types[type].multiply(&p);
                best = largest(best, (double) ROWS * N * COLUMNS_MAX / (processor_s() - start));
        }
        return best;
}

/* Bytes of weights a second, with one column, where they come from memory. */
static double streamed(const struct kernels *k, enum tensor_type type) {
        struct product p = {
                .rows = stream,
                .row_bytes = row_bytes(type, STREAM_N),
                .rows_count = (uint32_t) (STREAM_BYTES / row_bytes(type, STREAM_N)),
                .columns = stream_column,
                .column_bytes = sizeof(stream_column),
                .columns_count = 1,
                .n = STREAM_N,
                .out = stream_out,
        };
        double best = 0;
        for (int i = 0; i < STREAMS; i++) {
                double start = processor_s();
                k->types[type].multiply(&p);
                best = largest(best, (double) p.rows_count * (double) p.row_bytes / (processor_s() - start));
        }
        return best;
}

/* ONLY: of the type with that name, or NULL. */
static void report(const struct kernels *k, const double peaks[ACTIVATION_COUNT], const char *only) {
        static const uint32_t counts[] = { 1, 2, 4, 8, COLUMNS_MAX };
        printf("\n%s: one column from memory; billions of products a second in the cache by number of columns\n%-8s %8s %6s",
               k->name, "", "GB/s", "bound");
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
                printf("%8u", counts[c]);
        printf("  peak\n");
        for (enum tensor_type type = 0; type < TENSOR_TYPE_COUNT; type++) {
                if (!k->types[type].multiply || (only && strcasecmp(only, tensor_type_info(type)->name) != 0))
                        continue;
                enum activation a = k->types[type].activation;
                fill_rows(type, rows[0], sizeof(rows));
                fill_columns(k, a, columns[0], N, sizeof(columns[0]), COLUMNS_MAX);
                fill_rows(type, stream, STREAM_BYTES);
                fill_columns(k, a, stream_column, STREAM_N, sizeof(stream_column), 1);
                double read = bandwidth(), used = streamed(k, type), products = 0;
                printf("%-8s %8.1f %5.0f%%", tensor_type_info(type)->name, used * 1e-9, 100 * used / read);
                for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
                        printf("%8.1f", (products = speed(k, type, counts[c])) * 1e-9);
                if (peaks[a] > 0)
                        printf(" %4.0f%%", 100 * products / peaks[a]);
                putchar('\n');
                (void) fflush(stdout);
        }
}

int main(int argc, char **argv) {
        stream = aligned_alloc(64, STREAM_BYTES);
        stream_out = malloc(STREAM_BYTES / 256 * sizeof(*stream_out)); /* no row of STREAM_N values is shorter */
        if (!stream || !stream_out)
                return 1;
        for (size_t s = 0; s < sizeof(sets) / sizeof(*sets); s++) {
                const struct kernels *k = kernels_named(sets[s].name);
                double peaks[ACTIVATION_COUNT] = { 0 };
                if (argc > 1 ? strcmp(argv[1], sets[s].name) != 0 : s == 0)
                        continue;
                if (!k) {
                        fprintf(stderr, "bench-kernels: this processor cannot run '%s'\n", sets[s].name);
                        continue;
                }
                for (unsigned a = 0; a < ACTIVATION_COUNT; a++)
                        peaks[a] = sets[s].peak[a] ? sets[s].peak[a]() : 0;
                report(k, peaks, argc > 2 ? argv[2] : NULL);
        }
        free(stream_out);
        free(stream);
        return 0;
}
