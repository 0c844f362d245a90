/* engine.c - opens the parts in order and closes them in reverse. */
#include "engine/engine.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "engine/bounds.h"
#include "engine/solo.h"

struct engine_config engine_config_default(void) {
        return (struct engine_config){ .kv = KV_F16,
                                       .parallel = ENGINE_PARALLEL_DEFAULT,
                                       .prefill_chunk = ENGINE_PREFILL_CHUNK_DEFAULT };
}

static uint64_t now_us(void) {
        struct timespec t;
        (void) clock_gettime(CLOCK_MONOTONIC, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static uint64_t any_seed(void) {
        uint64_t seed;
        return getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? seed : now_us();
}

static int say(struct gguf_error *reterr, int error, const char *what) {
        (void) snprintf(reterr->text, sizeof(reterr->text), "%s: %s", what, strerror(-error));
        return error;
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

static int open_cache(struct engine *e, const struct engine_config *config, struct gguf_error *reterr) {
        const struct shape *s = &e->model->shape;
        int r = kv_cache_new(&(struct kv_config){ s, e->kv_tokens, config->kv, config->kv }, &e->cache);
        if (r == -EINVAL) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "heads of %u and %u values cannot be kept as %s: 32 must divide them", s->d_head_k, s->d_head_v,
                                kv_type_name(config->kv));
                return r;
        }
        return r < 0 ? say(reterr, r, "cannot reserve the KV cache") : 0;
}

static int open_scheduler(struct engine *e, const struct engine_config *config, struct gguf_error *reterr) {
        uint32_t batch = config->prefill_chunk > config->parallel ? config->prefill_chunk : config->parallel;
        struct forward_config forward = {
                .model = e->model,
                .cache = e->cache,
                .threads = e->threads,
                .batch_max = batch,
                .items_max = config->parallel,
        };
        int r = forward_new(&forward, &e->forward);
        if (r < 0)
                return say(reterr, r, "cannot reserve the compute buffers");
        struct scheduler_config scheduler = {
                .rules = &e->rules,
                .cache = e->cache,
                .forward = e->forward,
                .parallel = config->parallel,
                .prefill_chunk_max = config->prefill_chunk,
                .now_us = now_us,
                .sink = config->sink,
        };
        r = scheduler_new(&scheduler, &e->scheduler);
        return r < 0 ? say(reterr, r, "cannot reserve the scheduler's tables") : 0;
}

int engine_open(struct engine *e, const struct engine_config *config, struct gguf_error *reterr) {
        *e = (struct engine){ .parallel = config->parallel };
        int r = config->path ? model_open_path(config->path, &e->model, reterr)
                             : model_open(config->model_fds, config->model_fds_count, &e->model, reterr);
        if (r < 0)
                return r;
        uint32_t ctx = config->ctx ? config->ctx : min_u32(e->model->shape.n_ctx_train, ENGINE_CTX_DEFAULT);
        e->kv_tokens = config->kv_tokens ? config->kv_tokens : 2 * ctx;
        /* A context that the pool cannot hold would be a promise to refuse. */
        request_rules_init(&e->rules, e->model, min_u32(ctx, e->kv_tokens), any_seed());
        r = threads_new(config->threads ? config->threads : processors_available(), &e->threads);
        if (r < 0)
                return say(reterr, r, "cannot start the threads");
        r = open_cache(e, config, reterr);
        return r < 0 ? r : open_scheduler(e, config, reterr);
}

void engine_close(struct engine *e) {
        scheduler_free(e->scheduler);
        forward_free(e->forward);
        kv_cache_free(e->cache);
        threads_free(e->threads);
        model_close(e->model);
        *e = (struct engine){ 0 };
}
