/*
 * bench-kv-shift.c - how fast a filled KV cache is made less precise, what memory that gives back, and how much more than
 * before it takes on the way: the process's own peak, from the kernel, which no pause between two samples can hide.
 *
 * usage: bench-kv-shift [TOKENS [LAYERS [KEY_HEADS [HEAD_VALUES]]]]   (4096 16 8 64: the shape of Llama 3.2 1B)
 * One thread, as in an engine, and its processor time, so that a busy machine can tell. HEADROOM_KERNELS chooses the set of kernels.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/dispatch/dispatch.h"
#include "engine/kernels/kernels.h"
#include "engine/kv/requantize.h"
#include "tests/own_memory.h"

static uint64_t now_us(void) {
        return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

static double own_mib(const char *name) {
        return (double) own_memory_kib(name) / 1024;
}

static void fill_rows(struct kv_rows at, float *x, uint32_t n) {
        kernels_get()->kv[at.type].store(x, n, at.rows);
        for (uint32_t i = 1; i < KV_BLOCK_TOKENS; i++)
                memcpy(at.rows + i * (size_t) at.row_bytes, at.rows, at.row_bytes);
}

/* Every row the same numbers: what they are does not matter to the speed. */
static void fill(struct kv_cache *c, const struct hparams *hparams, struct kv_sequence *s, uint32_t tokens) {
        static float x[HPARAMS_HEAD_VALUES_MAX];
        for (uint32_t i = 0; i < HPARAMS_HEAD_VALUES_MAX; i++)
                x[i] = (float) (i * 2654435761u >> 16) * 0x1p-16f - 0.5f;
        if (kv_sequence_grow(c, s, tokens) < 0)
                exit(1);
        s->tokens_count = tokens;
        for (uint32_t b = 0; b < s->blocks_count; b++)
                for (uint32_t layer = 0; layer < hparams->n_layer; layer++)
                        for (uint32_t head = 0; head < hparams->head_kv[layer]; head++) {
                                fill_rows(kv_cache_keys(c, s->blocks[b], layer, head), x, hparams->d_head_k);
                                fill_rows(kv_cache_values(c, s->blocks[b], layer, head), x, hparams->d_head_v);
                        }
}

static void measure(const struct hparams *hparams, uint32_t tokens, enum kv_type from, enum kv_type to) {
        struct kv_cache *c;
        struct requantize shift;
        struct kv_sequence s = { 0 };
        if (kv_cache_new(&(struct kv_config){ hparams, tokens, from, from }, &c) < 0 || requantize_init(&shift, c, now_us) < 0)
                exit(1);
        fill(c, hparams, &s, tokens);
        double block_mib = (double) kv_block_bytes(c, s.blocks[0]) / (1 << 20);
        (void) own_memory_reset_peak();
        double before = own_mib("VmRSS");
        if (requantize_now(&shift, &(struct requantize_user){ &s, 0 }, 1, to) < 0)
                exit(1);
        double after = own_mib("VmRSS"), peak = own_mib("VmHWM");
        const struct requantize_figures *f = &shift.figures;
        printf("| %s -> %s | %.2f | %.2f | %.1f | %.1f | %.1f%% | %.2f | %.2f |\n", kv_type_name(from), kv_type_name(to),
               (double) f->bytes_read * 1e-3 / (double) f->us, (double) f->us * 1e-3 / (double) f->blocks, before, after,
               100 * (double) f->bytes_freed / (double) f->bytes_read, peak > before ? peak - before : 0, block_mib);
        kv_sequence_done(c, &s);
        requantize_done(&shift);
        kv_cache_free(c);
}

int main(int argc, char **argv) {
        static const struct {
                enum kv_type from, to;
        } pairs[] = { { KV_F16, KV_Q8_0 }, { KV_F16, KV_Q4_0 }, { KV_Q8_0, KV_Q4_0 } };
        uint32_t numbers[] = { 4096, 16, 8, 64 };
        for (int i = 1; i < argc && i <= 4; i++)
                numbers[i - 1] = (uint32_t) strtoul(argv[i], NULL, 10);
        struct hparams hparams = { .n_layer = numbers[1],
                                   .n_head = numbers[2],
                                   .n_head_kv = numbers[2],
                                   .d_head_k = numbers[3],
                                   .d_head_v = numbers[3] };
        hparams.head_kv = malloc((hparams.n_layer + 1) * sizeof(*hparams.head_kv));
        if (!hparams.head_kv || !numbers[0] || !hparams.n_layer || !numbers[2] || !numbers[3] || numbers[3] % 32 ||
            numbers[3] > HPARAMS_HEAD_VALUES_MAX) {
                fprintf(stderr,
                        "usage: bench-kv-shift [TOKENS [LAYERS [KEY_HEADS [HEAD_VALUES]]]], all at least 1, the last a multiple of 32\n");
                return 2;
        }
        for (uint32_t i = 0; i < hparams.n_layer; i++)
                hparams.head_kv[i] = numbers[2];
        printf("| %s kernels, %u tokens | GB/s read | ms a block | MiB resident before | after | of KV freed | peak above before, MiB | a block, MiB |\n"
               "|---|---|---|---|---|---|---|---|\n",
               kernels_get()->name, numbers[0]);
        for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++)
                measure(&hparams, numbers[0], pairs[i].from, pairs[i].to);
        free(hparams.head_kv);
        return 0;
}
