/* engine.c - opens the parts in order and closes them in reverse. */
#include "engine/runtime/engine.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "engine/base/bounds.h"
#include "engine/base/clock.h"
#include "engine/runtime/parts.h"
#include "engine/compute/processors.h"
#include "engine/kv/session_file.h"

struct engine_config engine_config_default(void) {
        return (struct engine_config){ .kv = KV_F16,
                                       .kv_floor = KV_Q4_0,
                                       .parallel = ENGINE_PARALLEL_DEFAULT,
                                       .prefill_chunk = ENGINE_PREFILL_CHUNK_DEFAULT,
                                       .pressure_fd = -1 };
}

static uint64_t now_us(void) {
        return clock_us(CLOCK_MONOTONIC);
}

static uint64_t any_seed(void) {
        uint64_t seed;
        return getrandom(&seed, sizeof(seed), 0) == sizeof(seed) ? seed : now_us();
}

static uint32_t min_u32(uint32_t a, uint32_t b) {
        return a < b ? a : b;
}

struct engine_config engine_config_resolve(struct engine_config c, const struct hparams *s) {
        c.ctx = hparams_context(s, c.ctx ? c.ctx : min_u32(s->n_ctx_train, ENGINE_CTX_DEFAULT));
        c.kv_tokens = c.kv_tokens ? c.kv_tokens : 2 * c.ctx;
        c.kv_tokens_max = c.kv_tokens_max > c.kv_tokens ? c.kv_tokens_max : c.kv_tokens;
        c.prefill_chunk = hparams_pass_tokens(s, c.prefill_chunk, c.ctx);
        c.threads = c.threads ? c.threads : processors_available();
        return c;
}

uint32_t engine_config_logits(const struct engine_config *c) {
        return c->parallel + (c->speculate == SPECULATE_OFF ? 0 : SPECULATION_TOKENS_MAX);
}

uint32_t engine_config_batch(const struct engine_config *c) {
        uint32_t answers = engine_config_logits(c);
        return c->prefill_chunk > answers ? c->prefill_chunk : answers;
}

static int open_scheduler(struct engine *e, const struct engine_config *config, struct gguf_error *reterr) {
        struct transformer_config transformer = {
                .model = e->model,
                .cache = e->cache,
                .threads = e->threads,
                .batch_max = engine_config_batch(config),
                .items_max = engine_config_logits(config),
        };
        int r = transformer_new(&transformer, &e->transformer);
        if (r < 0)
                return parts_failed(reterr, r, "cannot reserve the compute buffers");
        struct scheduler_config scheduler = {
                .rules = &e->rules,
                .cache = e->cache,
                .transformer = e->transformer,
                .parallel = config->parallel,
                .prefill_chunk_max = config->prefill_chunk,
                .session_model = session_model(e->model),
                .kv = config->kv,
                .lookups = config->lookups,
                .speculate = config->speculate,
                .now_us = now_us,
                .sink = config->sink,
        };
        r = scheduler_new(&scheduler, &e->scheduler);
        return r < 0 ? parts_failed(reterr, r, "cannot reserve the scheduler's tables") : 0;
}

/* The least precise type down to FLOOR that the heads can have; not above TYPE, which they can. */
static enum kv_type floor_of(const struct kv_cache *c, enum kv_type type, enum kv_type floor) {
        while (floor > type && !kv_cache_can_hold(c, floor))
                floor--;
        return floor > type ? floor : type;
}

int engine_open(struct engine *e, const struct engine_config *config, struct gguf_error *reterr) {
        *e = (struct engine){ .parallel = config->parallel };
        int r = config->path ? model_open_path(config->path, &e->model, reterr)
                             : model_open(config->model_fds, config->model_fds_count, &e->model, reterr);
        if (r < 0)
                return r;
        (void) readahead_start(e->model->gguf, config->pressure_fd, &e->readahead); /* without it, pages come as they are used */
        struct engine_config c = engine_config_resolve(*config, &e->model->hparams);
        model_set_context(e->model, c.ctx);
        /* A context that the pool cannot hold would be a promise to refuse. */
        request_rules_init(&e->rules, e->model, min_u32(c.ctx, c.kv_tokens_max), any_seed());
        r = parts_open_threads(c.threads, &e->threads, reterr);
        if (r < 0)
                return r;
        r = parts_open_cache(&e->model->hparams, c.kv_tokens_max, c.kv, &e->cache, reterr);
        if (r < 0)
                return r;
        kv_cache_set_limit(e->cache, scheduler_blocks_of(c.kv_tokens));
        e->kv_type = c.kv;
        e->kv_floor = floor_of(e->cache, c.kv, c.kv_floor);
        e->heartbeat_ms = ENGINE_HEARTBEAT_MS_DEFAULT;
        throttle_init(&e->throttle, now_us());
        return open_scheduler(e, &c, reterr);
}

void engine_downshift_now(struct engine *e) {
        scheduler_trim(e->scheduler);
        int r = scheduler_downshift_now(e->scheduler, e->kv_floor);
        assert(r == 0); /* the heads can have the floor: looked at when it was opened */
        uint32_t chunk = scheduler_prefill_chunk(e->scheduler);
        scheduler_set_prefill_chunk(e->scheduler, min_u32(chunk, PREFILL_CHUNK_LEAST));
}

void engine_close(struct engine *e) {
        scheduler_free(e->scheduler);
        transformer_free(e->transformer);
        kv_cache_free(e->cache);
        threads_free(e->threads);
        request_rules_done(&e->rules);
        readahead_stop(e->readahead);
        model_close(e->model);
        *e = (struct engine){ 0 };
}
