/*
 * engine.h - a model and all that it runs on: threads, KV cache, compute buffers, scheduler.
 *
 * The two that serve requests, `worker` and `run`, are this and a way to put requests in and take text out.
 */
#ifndef HEADROOM_ENGINE_RUNTIME_ENGINE_H
#define HEADROOM_ENGINE_RUNTIME_ENGINE_H

#include "engine/compute/transformer.h"
#include "engine/kv/cache.h"
#include "engine/model/model.h"
#include "engine/scheduler/throttle.h"
#include "engine/request/request.h"
#include "engine/runtime/readahead.h"
#include "engine/scheduler/scheduler.h"
#include "engine/compute/threads.h"

#define ENGINE_CTX_DEFAULT           4096u /* or what the model was trained on, if less */
#define ENGINE_PARALLEL_DEFAULT      4u
#define ENGINE_PREFILL_CHUNK_DEFAULT 256u
#define ENGINE_HEARTBEAT_MS_DEFAULT  1000u

struct engine_config {    /* start from engine_config_default */
        const char *path; /* the model's file, or NULL: these descriptors */
        const int *model_fds;
        uint32_t model_fds_count;
        uint32_t ctx;           /* ceiling of one sequence; 0: the default */
        uint32_t kv_tokens;     /* the KV pool; 0: twice the ceiling */
        uint32_t kv_tokens_max; /* that it can grow to; 0: it does not */
        enum kv_type kv;
        enum kv_type kv_floor; /* the least precision it may be taken down to; raised to one that the heads can have */
        uint32_t threads;      /* 0: as many as there are cores for us */
        uint32_t parallel;
        uint32_t prefill_chunk;
        bool lookups; /* scheduler/scheduler.h: prefixes in files */
        enum speculate speculate;
        int pressure_fd; /* runtime/readahead.h */
        struct scheduler_sink sink;
};
struct engine_config engine_config_default(void);
/* C with the defaults that depend on the model and the machine in the place of zeros: what engine_open would open. */
struct engine_config engine_config_resolve(struct engine_config c, const struct hparams *s);
/* Tokens of one pass of such an engine, as its compute buffers are sized. */
uint32_t engine_config_batch(const struct engine_config *c);
/* Vectors of logits that such a pass is asked for, guesses included. */
uint32_t engine_config_logits(const struct engine_config *c);

struct engine {
        struct model *model;
        struct readahead *readahead; /* NULL: not begun */
        struct threads *threads;
        struct kv_cache *cache;
        struct transformer *transformer;
        struct request_rules rules;
        struct scheduler *scheduler;
        uint32_t parallel;
        enum kv_type kv_type, kv_floor; /* it was opened with; the KV cache never goes below the floor */
        struct throttle throttle;
        uint32_t heartbeat_ms; /* statistics are told unasked so often; 0: never */
};

/* 0, or -errno and one sentence. E is released with engine_close either way. */
int engine_open(struct engine *e, const struct engine_config *config, struct gguf_error *reterr);
/*
 * The emergency: all that can be given back between two steps is, at once. Prefix caches are dropped, the KV cache goes down to
 * the floor, the newest tokens included, and the prefill chunk to its least.
 */
void engine_downshift_now(struct engine *e);
void engine_close(struct engine *e);

#endif
