/* admit.c - what a model counts for, what it wants, and the loads of a plan carried out as the daemon's fleet does. */
#include <assert.h>
#include <string.h>

#include "tests/simulator/parts.h"

uint32_t model_unfinished(const struct model *m) {
        return model_running(m) + model_suspended(m) + m->waiting_count;
}

bool model_is_loaded(const struct model *m) {
        return m->life == LIFE_LOADING || m->life == LIFE_READY || m->life == LIFE_DRAINING || m->life == LIFE_STOPPING;
}

static uint64_t with_pool(const struct model *m, uint32_t tokens) {
        return m->weights_bytes + m->overhead_bytes + (uint64_t) (tokens * model_pool_token_bytes(m));
}

uint64_t model_whole_bytes(const struct model *m) {
        return with_pool(m, m->context_full);
}

uint64_t model_least_bytes(const struct model *m) {
        return with_pool(m, m->pool.elastic ? m->pool.floor : m->pool_tokens);
}

uint64_t model_mapped(const struct model *m) {
        return !model_is_loaded(m) ? 0 : m->life == LIFE_LOADING ? m->loaded_bytes : m->weights_bytes;
}

uint64_t model_bytes(const struct model *m) {
        if (!model_is_loaded(m))
                return 0;
        if (m->life == LIFE_LOADING)
                return m->loaded_bytes +
                       (uint64_t) ((double) m->overhead_bytes * (double) m->loaded_bytes / (double) m->weights_bytes);
        double kv = model_prefix_bytes(m);
        for (unsigned l = 0; l < KV_TYPE_COUNT; l++)
                kv += model_kv_bytes(m, (enum kv_type) l);
        return m->weights_bytes + m->overhead_bytes + m->blown_bytes + (uint64_t) kv;
}

static uint64_t predicted(const struct model *m) {
        return with_pool(m, m->pool.elastic ? m->pool.counted : m->pool_tokens);
}

uint64_t model_account(const struct model *m) {
        uint64_t holds = model_bytes(m);
        return holds > predicted(m) ? holds : predicted(m);
}

uint64_t world_loading_bytes(const struct world *w) {
        uint64_t sum = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                const struct model *m = &w->models[i];
                if (m->life == LIFE_LOADING)
                        sum += model_account(m) - (model_bytes(m) - model_mapped(m));
        }
        return sum;
}

bool model_wants(const struct world *w, const struct model *m) {
        return m->life == LIFE_WAITING && m->waiting_count > 0 && w->now_ms >= m->rest_until_ms;
}

struct want model_want(const struct model *m, uint32_t id) {
        bool batch = true;
        for (uint32_t i = 0; i < m->waiting_count; i++)
                batch = batch && m->waiting[i].batch;
        return (struct want){ .id = id,
                              .batch = batch,
                              .priority = m->priority,
                              .since_ms = m->waiting[0].asked_ms,
                              .forms_count = 1,
                              .forms = { { model_least_bytes(m), m->weights_bytes, m->pool.elastic ? model_whole_bytes(m) : 0,
                                           0 } } };
}

void model_stop(struct world *w, struct model *m) {
        for (uint32_t i = 0; i < RUNNING_PLACES; i++)
                if (m->running[i].state == REQUEST_SUSPENDED)
                        request_refuse(w, &m->running[i], REASON_MEMORY_HELD);
        assert(model_running(m) == 0);
        m->life = LIFE_STOPPING;
        m->until_ms = w->now_ms + m->stop_ms;
}

static void load(struct world *w, struct model *m) {
        uint32_t generation = m->generation + 1;
        m->generation = generation;
        m->life = LIFE_LOADING;
        m->since_ms = w->now_ms;
        m->until_ms = w->now_ms + m->load_ms;
        m->loaded_bytes = m->blown_bytes = 0;
        m->level = m->ceiling;
        pool_load(m);
        m->context = m->context_full;
        m->chunk = m->chunk_full;
        m->asked = false;
        m->last_end_ms = 0;
        m->rate = m->usual_rate = 0;
        m->stall_us = m->refaults = 0;
        m->high_events = 0;
        memset(m->prefix, 0, sizeof(m->prefix));
        memset(m->orders, 0, sizeof(m->orders));
        w->loads++;
}

static void follow(struct world *w, const struct load *answer) {
        struct model *m = &w->models[answer->model];
        assert(m->life == LIFE_WAITING);
        if (answer->refused)
                requests_refuse_all(w, m, answer->because);
        else if (answer->verdict == VERDICT_ADMIT)
                load(w, m);
}

/* A mutant may have held the loads after they were decided. */
void admit(struct world *w, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->unloads_count; i++) {
                struct model *m = &w->models[plan->unloads[i].model];
                assert(!m->pinned);
                if (m->life == LIFE_READY)
                        m->life = LIFE_DRAINING;
        }
        for (uint32_t i = 0; i < plan->loads_count && !w->hold_loads; i++)
                follow(w, &plan->loads[i]);
}
