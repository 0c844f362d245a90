/* single.c - opens the parts in order and closes them in reverse. */
#include "engine/cli/single.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "engine/runtime/parts.h"

int single_open_model(struct single *s, const struct single_config *config, struct gguf_error *reterr) {
        *s = (struct single){ 0 };
        int r = config->for_ids ? model_open_for_ids(config->path, &s->model, reterr)
                                : model_open_path(config->path, &s->model, reterr);
        if (r == 0 && !hparams_makes_text(&s->model->hparams) && !config->vectors) {
                (void) snprintf(reterr->text, sizeof(reterr->text),
                                "a model of architecture %s makes %s and no text: use headroom-engine embed",
                                arch_name(s->model->hparams.arch),
                                s->model->hparams.pooling == POOLING_RANK ? "scores of texts" : "vectors");
                r = -ENOTSUP;
        }
        return r;
}

int single_open_rest(struct single *s, const struct single_config *config, struct gguf_error *reterr) {
        s->batch = config->batch ? config->batch : SINGLE_BATCH;
        model_set_context(s->model, config->tokens_max);
        int r = parts_open_threads(config->threads, &s->threads, reterr);
        if (r < 0)
                return r;
        r = parts_open_cache(&s->model->hparams, config->tokens_max, config->kv, &s->cache, reterr);
        if (r < 0)
                return r;
        const uint32_t items = config->logits ? config->logits : 1;
        r = transformer_new(&(struct transformer_config){ s->model, s->cache, s->threads, s->batch, items }, &s->transformer);
        return r < 0 ? parts_failed(reterr, r, "cannot reserve the compute buffers") : 0;
}

int single_open(struct single *s, const struct single_config *config, struct gguf_error *reterr) {
        int r = single_open_model(s, config, reterr);
        return r < 0 ? r : single_open_rest(s, config, reterr);
}

void single_close(struct single *s) {
        transformer_free(s->transformer);
        if (s->cache) {
                kv_sequence_done(s->cache, &s->sequence);
                kv_cache_free(s->cache);
        }
        threads_free(s->threads);
        model_close(s->model);
        *s = (struct single){ 0 };
}

int single_feed(struct single *s, const int32_t *tokens, uint32_t count, const float **ret) {
        int r = kv_sequence_grow(s->cache, &s->sequence, count);
        if (r < 0)
                return r;
        while (count) {
                uint32_t chunk = count < s->batch ? count : s->batch;
                bool wanted = ret && chunk == count;
                struct transformer_item item = {
                        .sequence = &s->sequence, .tokens = tokens, .count = chunk, .want = wanted ? WANT_LOGITS : WANT_NOTHING
                };
                transformer_run(s->transformer, &item, 1);
                if (wanted)
                        *ret = item.result;
                tokens += chunk;
                count -= chunk;
        }
        return 0;
}

int single_hidden(struct single *s, const int32_t *tokens, uint32_t count, const float **ret) {
        int r = kv_sequence_grow(s->cache, &s->sequence, count);
        if (r < 0)
                return r;
        struct transformer_item item = { .sequence = &s->sequence, .tokens = tokens, .count = count, .want = WANT_HIDDEN };
        transformer_run(s->transformer, &item, 1);
        *ret = item.result;
        return 0;
}

void single_rewind(struct single *s, uint32_t count) {
        kv_sequence_truncate(s->cache, &s->sequence, count);
}
