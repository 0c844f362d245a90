/*
 * bench-attention.c - what attention costs over a cache of each precision: one layer's key heads, for one new token (decode)
 * and for a tile of them (prefill), in processor time, so that a busy machine can tell one precision from another.
 *
 * usage: bench-attention [TOKENS [QUERY_HEADS [KEY_HEADS [HEAD_VALUES]]]]   (4096 32 8 64: Llama 3.2 1B)
 * One thread. HEADROOM_KERNELS chooses the set of kernels.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/compute/attention.h"
#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/dispatch/dispatch.h"

#define REPEATS        15
#define ATTENTION_ROWS 32 /* more than any tile has */

static double processor_s(void) {
        return clock_s(CLOCK_THREAD_CPUTIME_ID);
}

static float number(uint32_t i) {
        return (float) (i * 2654435761u >> 16) * 0x1p-16f - 0.5f;
}

static void fill(struct kv_cache *c, const struct hparams *hparams, const struct kv_sequence *s) {
        static float x[HPARAMS_HEAD_VALUES_MAX];
        const struct kernels *k = kernels_get();
        for (uint32_t position = 0; position < s->tokens_count; position++)
                for (uint32_t head = 0; head < hparams->n_head_kv; head++) {
                        uint32_t block = s->blocks[position / KV_BLOCK_TOKENS], row = position % KV_BLOCK_TOKENS;
                        struct kv_rows keys = kv_cache_keys(c, block, 0, head), values = kv_cache_values(c, block, 0, head);
                        for (uint32_t i = 0; i < hparams->d_head_k; i++)
                                x[i] = number(position * 64 + head * 7 + i);
                        k->kv[keys.type].store(x, hparams->d_head_k, keys.rows + row * (size_t) keys.row_bytes);
                        k->kv[values.type].store(x, hparams->d_head_v, values.rows + row * (size_t) values.row_bytes);
                }
}

static int compare(const void *a, const void *b) {
        double x = *(const double *) a, y = *(const double *) b;
        return (x > y) - (x < y);
}

/* Median seconds for COUNT new tokens over all key heads. */
static double measure(const struct attention *a, const struct kv_sequence *s, uint32_t count, uint8_t *buffers) {
        struct attention_row rows[ATTENTION_ROWS];
        struct attention_tile tile = { rows, count };
        for (uint32_t i = 0; i < count; i++)
                rows[i] = (struct attention_row){ s, s->tokens_count - count + i, s->tokens_count, i };
        double times[REPEATS];
        for (int i = 0; i < REPEATS; i++) {
                double start = processor_s();
                for (uint32_t head = 0; head < a->hparams->n_head_kv; head++)
                        attention_run(a, &tile, 0, head, buffers);
                times[i] = processor_s() - start;
        }
        qsort(times, REPEATS, sizeof(*times), compare);
        return times[REPEATS / 2];
}

static void report(const struct hparams *hparams, uint32_t tokens, enum kv_type type, double first[2]) {
        uint32_t tile = attention_tile_tokens(hparams->n_head / hparams->n_head_kv);
        struct kv_cache *c;
        struct kv_sequence s = { 0 };
        size_t heads = (size_t) tile * hparams->n_head;
        float *queries = calloc(heads * hparams->d_head_k, sizeof(float)),
              *attended = calloc(heads * hparams->d_head_v, sizeof(float));
        struct attention a = { kernels_get(), hparams, NULL, attention_buffers_layout(hparams), queries, attended };
        uint8_t *buffers = aligned_alloc(ACTIVATION_ALIGN, a.layout.bytes);
        if (!queries || !attended || !buffers || kv_cache_new(&(struct kv_config){ hparams, tokens, type, type }, &c) < 0 ||
            kv_sequence_grow(c, &s, tokens) < 0)
                exit(1);
        s.tokens_count = tokens;
        fill(c, hparams, &s);
        a.cache = c;
        for (size_t i = 0; i < heads * hparams->d_head_k; i++)
                queries[i] = number((uint32_t) i);
        double decode = measure(&a, &s, 1, buffers), prefill = measure(&a, &s, tile, buffers) / tile;
        if (type == KV_F16) {
                first[0] = decode;
                first[1] = prefill;
        }
        printf("| %s | %.1f | %.2f | %.1f | %.2f |\n", kv_type_name(type), decode * 1e6, decode / first[0], prefill * 1e6,
               prefill / first[1]);
        kv_sequence_done(c, &s);
        kv_cache_free(c);
        free(queries);
        free(attended);
        free(buffers);
}

int main(int argc, char **argv) {
        uint32_t numbers[] = { 4096, 32, 8, 64 };
        for (int i = 1; i < argc && i <= 4; i++)
                numbers[i - 1] = (uint32_t) strtoul(argv[i], NULL, 10);
        if (numbers[0] < 64 || !numbers[2] || !numbers[1] || numbers[1] % numbers[2] || !numbers[3] || numbers[3] % 32 ||
            numbers[3] > HPARAMS_HEAD_VALUES_MAX) {
                fprintf(stderr, "usage: bench-attention [TOKENS [QUERY_HEADS [KEY_HEADS [HEAD_VALUES]]]]: at least 64 tokens, "
                                "query heads a multiple of key heads, values a multiple of 32\n");
                return 2;
        }
        uint32_t head_kv[] = { numbers[2] };
        struct hparams hparams = { .n_layer = 1,
                                   .n_head = numbers[1],
                                   .n_head_kv = numbers[2],
                                   .head_kv = head_kv,
                                   .d_head_k = numbers[3],
                                   .d_head_v = numbers[3],
                                   .attention_scale = 1 / sqrtf((float) numbers[3]),
                                   .causal = true };
        double first[2] = { 1, 1 };
        printf("| %s kernels, %u tokens | us a token and layer, decode | of f16 | prefill | of f16 |\n|---|---|---|---|---|\n",
               kernels_get()->name, numbers[0]);
        for (enum kv_type type = 0; type < KV_TYPE_COUNT; type++)
                report(&hparams, numbers[0], type, first);
        return 0;
}
