/*
 * bench-kernels.c - how fast each product kernel is by itself, out of the cache: billions of multiply-adds a second,
 * best of many short runs in processor time, so that a busy machine can still tell one kernel from another.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/clock.h"
#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"
#include "tests/block_scale.h"

#define ROWS        32u
#define N           1024u
#define COLUMNS_MAX 64u

static uint8_t rows[ROWS][N * 4];
static _Alignas(64) uint8_t columns[COLUMNS_MAX][N * 4];
static float out[COLUMNS_MAX * ROWS];

static double processor_s(void) {
        return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static void fill(const struct kernels *k, enum tensor_type type) {
        float x[N];
        for (uint32_t i = 0; i < N; i++)
                x[i] = (float) (i * 2654435761u >> 16) * 0x1p-16f - 0.5f;
        memset(rows, 0x11, sizeof(rows)); /* small finite numbers in every type, whose scales are no subnormals */
        const struct tensor_type_info *info = tensor_type_info(type);
        for (size_t at = 0; at + info->block_bytes <= sizeof(rows); at += info->block_bytes)
                block_put_scale(type, rows[0] + at, 0.01f, 0.01f);
        for (uint32_t c = 0; c < COLUMNS_MAX; c++)
                if (k->types[type].activation == ACTIVATION_F32)
                        memcpy(columns[c], x, sizeof(x));
                else
                        k->prepare[k->types[type].activation](x, N, columns[c]);
}

static double speed(const struct kernels *k, enum tensor_type type, uint32_t count) {
        const struct tensor_type_info *info = tensor_type_info(type);
        struct product p = {
                .rows = rows[0],
                .row_bytes = (size_t) N / info->block_values * info->block_bytes,
                .rows_count = ROWS,
                .columns = columns[0],
                .column_bytes = sizeof(columns[0]),
                .columns_count = count,
                .n = N,
                .out = out,
                .out_stride = ROWS,
        };
        double best = 0;
        for (int i = 0; i < 200; i++) {
                double start = processor_s();
                for (uint32_t repeat = 0; repeat < COLUMNS_MAX / count; repeat++)
                        k->types[type].multiply(&p);
                double now = (double) ROWS * N * COLUMNS_MAX / (processor_s() - start);
                best = now > best ? now : best;
        }
        return best * 1e-9;
}

int main(int argc, char **argv) {
        static const uint32_t counts[] = { 1, 2, 3, 4, 8, 64 };
        const struct kernels *k = argc > 1 ? kernels_named(argv[1]) : kernels_get();
        if (!k) {
                fprintf(stderr, "usage: bench-kernels [portable|avx2|avx512]: this processor cannot run '%s'\n", argv[1]);
                return 2;
        }
        printf("%s, billions of multiply-adds a second by number of columns\n%-8s", k->name, "");
        for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
                printf("%8u", counts[c]);
        for (uint32_t type = 0; type < TENSOR_TYPE_COUNT; type++) {
                if (!k->types[type].multiply)
                        continue;
                fill(k, type);
                printf("\n%-8s", tensor_type_info(type)->name);
                for (size_t c = 0; c < sizeof(counts) / sizeof(*counts); c++)
                        printf("%8.1f", speed(k, type, counts[c]));
        }
        putchar('\n');
        return 0;
}
