/*
 * transformer_fixture.h - a small model and all that a forward pass runs on, for tests of it that include cmocka first.
 */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_COMPUTE_TRANSFORMER_FIXTURE_H
#define HEADROOM_TESTS_UNIT_ENGINE_COMPUTE_TRANSFORMER_FIXTURE_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "engine/compute/transformer.h"
#include "tests/tiny_model.h"

#define BATCH      48u
#define ITEMS      6u
#define TOKENS_MAX 256u

struct rig {
        struct model *model;
        struct threads *threads;
        struct kv_cache *cache;
        struct transformer *transformer;
};

struct rig_config {
        struct tiny_model model;
        enum kv_type kv;
        uint32_t threads;    /* 1 */
        uint32_t context;    /* (none said) */
        const char *kernels; /* the best */
};

static inline struct rig rig_open(struct rig_config c) {
        struct rig r = { 0 };
        struct gguf_error error = { .text = "" };
        struct gguf_writer w = tiny_model_bytes(c.model);
        int fd = tiny_file(w.bytes, w.length);
        if (model_open(&fd, 1, &r.model, &error) < 0)
                fail_msg("%s", error.text);
        (void) close(fd);
        gguf_write_done(&w);
        model_set_context(r.model, c.context);
        if (c.kernels)
                assert_int_equal(setenv("HEADROOM_KERNELS", c.kernels, 1), 0);
        assert_int_equal(threads_new(c.threads ? c.threads : 1, &r.threads), 0);
        assert_int_equal(kv_cache_new(&(struct kv_config){ &r.model->hparams, 16 * TOKENS_MAX, c.kv, c.kv }, &r.cache), 0);
        assert_int_equal(
                transformer_new(&(struct transformer_config){ r.model, r.cache, r.threads, BATCH, ITEMS }, &r.transformer), 0);
        (void) unsetenv("HEADROOM_KERNELS");
        return r;
}

static inline void rig_close(struct rig *r) {
        transformer_free(r->transformer);
        kv_cache_free(r->cache);
        threads_free(r->threads);
        model_close(r->model);
}

static inline void make_tokens(const struct rig *r, uint32_t salt, int32_t *tokens, uint32_t count) {
        for (uint32_t i = 0; i < count; i++)
                tokens[i] = (int32_t) ((salt * 31 + i * i * 7 + i * 13) % r->model->hparams.n_vocab);
}

static inline const float *feed(struct rig *r, struct kv_sequence *s, const int32_t *tokens, uint32_t count,
                                enum transformer_want want) {
        struct transformer_item item = { .sequence = s, .tokens = tokens, .count = count, .want = want };
        assert_int_equal(kv_sequence_grow(r->cache, s, count), 0);
        transformer_run(r->transformer, &item, 1);
        return item.result;
}

/* Logits after COUNT tokens given in chunks of at most CHUNK. */
static inline void logits_of(struct rig *r, const int32_t *tokens, uint32_t count, uint32_t chunk, float *out) {
        struct kv_sequence s = { 0 };
        const float *logits = NULL;
        for (uint32_t at = 0; at < count; at += chunk)
                logits = feed(r, &s, tokens + at, count - at < chunk ? count - at : chunk, WANT_LOGITS);
        memcpy(out, logits, r->model->hparams.n_vocab * sizeof(float));
        assert_int_equal(s.tokens_count, count);
        kv_sequence_done(r->cache, &s);
}

static inline double nmse(const float *ours, const double *exact, uint32_t n) {
        double squares = 0, size = 0;
        for (uint32_t i = 0; i < n; i++) {
                squares += ((double) ours[i] - exact[i]) * ((double) ours[i] - exact[i]);
                size += exact[i] * exact[i];
        }
        return squares / size;
}

/* As nmse, against what another run gave. */
static inline double nmse_to(const float *a, const float *exact, uint32_t n) {
        double wide[64];
        for (uint32_t i = 0; i < n; i++)
                wide[i] = (double) exact[i];
        return nmse(a, wide, n);
}

/* Models without logits. */
static const struct rig_config encoders[] = {
        { .model = { .arch = ARCH_BERT } },
        { .model = { .arch = ARCH_BERT, .embd = 64, .ff = 96, .d_head = 16, .heads_kv = 4 }, .kernels = "portable" },
        { .model = { .arch = ARCH_BERT, .type = TENSOR_Q8_0, .heads_kv = 4 }, .threads = 3 },
        { .model = { .arch = ARCH_NOMIC_BERT, .heads_kv = 4 } },
        { .model = { .arch = ARCH_NOMIC_BERT, .type = TENSOR_Q8_0, .d_head = 96 }, .threads = 2 },
};
#define ENCODERS (sizeof(encoders) / sizeof(*encoders))

#endif
