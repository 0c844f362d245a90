/* solo.c - opens the parts in order and closes them in reverse. */
#include "engine/solo.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

uint32_t processors_available(void) {
        cpu_set_t set;
        if (sched_getaffinity(0, sizeof(set), &set) < 0)
                return 1;
        int count = CPU_COUNT(&set);
        return count > 0 ? (uint32_t) count : 1;
}

static int say(struct gguf_error *reterr, int error, const char *what) {
        (void) snprintf(reterr->text, sizeof(reterr->text), "%s: %s", what, strerror(-error));
        return error;
}

static int open_cache(struct solo *s, const struct solo_config *config, struct gguf_error *reterr) {
        int r = kv_cache_new(&(struct kv_config){ &s->model->shape, config->tokens_max, config->kv, config->kv }, &s->cache);
        if (r == -EINVAL) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "heads of %u and %u values cannot be kept as %s (32 must divide them)", s->model->shape.d_head_k,
                                s->model->shape.d_head_v, kv_type_name(config->kv));
                return r;
        }
        return r < 0 ? say(reterr, r, "cannot reserve the KV cache") : 0;
}

int solo_open(struct solo *s, const struct solo_config *config, struct gguf_error *reterr) {
        *s = (struct solo){ .batch = config->batch ? config->batch : SOLO_BATCH };
        int r = model_open_path(config->path, &s->model, reterr);
        if (r < 0)
                return r;
        r = threads_new(config->threads ? config->threads : processors_available(), &s->threads);
        if (r < 0)
                return say(reterr, r, "cannot start the threads");
        r = open_cache(s, config, reterr);
        if (r < 0)
                return r;
        r = forward_new(&(struct forward_config){ s->model, s->cache, s->threads, s->batch, 1 }, &s->forward);
        return r < 0 ? say(reterr, r, "cannot reserve the compute buffers") : 0;
}

void solo_close(struct solo *s) {
        forward_free(s->forward);
        if (s->cache) {
                kv_sequence_done(s->cache, &s->sequence);
                kv_cache_free(s->cache);
        }
        threads_free(s->threads);
        model_close(s->model);
        *s = (struct solo){ 0 };
}

int solo_feed(struct solo *s, const int32_t *tokens, uint32_t count, const float **ret) {
        int r = kv_sequence_grow(s->cache, &s->sequence, count);
        if (r < 0)
                return r;
        while (count) {
                uint32_t chunk = count < s->batch ? count : s->batch;
                bool wanted = ret && chunk == count;
                struct forward_item item = {
                        .sequence = &s->sequence, .tokens = tokens, .count = chunk, .want = wanted ? WANT_LOGITS : WANT_NOTHING
                };
                forward_run(s->forward, &item, 1);
                if (wanted)
                        *ret = item.result;
                tokens += chunk;
                count -= chunk;
        }
        return 0;
}

void solo_rewind(struct solo *s, uint32_t count) {
        kv_sequence_truncate(s->cache, &s->sequence, count);
}
