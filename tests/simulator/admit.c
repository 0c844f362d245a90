/* admit.c - who is loaded when: the real policy_admission, asked and followed as the daemon's fleet does. */
#include <assert.h>
#include <string.h>

#include "tests/simulator/parts.h"

#define SHORT_GRACE_MS 5000u /* as in daemon/base/bounds.h */

uint32_t model_unfinished(const struct model *m) {
        return model_running(m) + model_suspended(m) + m->waiting_count;
}

bool model_is_loaded(const struct model *m) {
        return m->life == LIFE_LOADING || m->life == LIFE_READY || m->life == LIFE_DRAINING || m->life == LIFE_STOPPING;
}

static uint64_t pool_bytes(const struct model *m) {
        return (uint64_t) (m->pool_tokens * m->token_bytes * kv_type_block_bytes(m->ceiling) / 64.0);
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
        return m->weights_bytes + m->overhead_bytes + pool_bytes(m);
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

static struct account account_of(const struct model *m, uint32_t id, bool promised) {
        static const enum account_state states[] = { [LIFE_LOADING] = ACCOUNT_LOADING,
                                                     [LIFE_READY] = ACCOUNT_IDLE,
                                                     [LIFE_DRAINING] = ACCOUNT_DRAINING,
                                                     [LIFE_STOPPING] = ACCOUNT_STOPPING };
        struct account a = { .id = id,
                             .state = promised ? ACCOUNT_PROMISED : states[m->life],
                             .pinned = m->pinned,
                             .asked = m->asked,
                             .priority = m->priority,
                             .bytes = model_account(m),
                             .weights_bytes = m->weights_bytes,
                             .taken_bytes = model_bytes(m) - model_mapped(m),
                             .loaded_ms = m->loaded_ms,
                             .last_end_ms = m->last_end_ms,
                             .load_ms = m->load_ms };
        if (m->life == LIFE_READY && model_unfinished(m) > 0)
                a.state = ACCOUNT_BUSY;
        return a;
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

static void follow(struct world *w, struct model *m, const struct admission *a) {
        if (a->verdict != VERDICT_SHORT)
                m->short_since_ms = 0;
        switch (a->verdict) {
        case VERDICT_ADMIT: load(w, m); break;
        case VERDICT_EVICT:
                for (uint32_t i = 0; i < a->victims_count; i++) {
                        struct model *v = &w->models[a->victims[i]];
                        assert(v->life == LIFE_READY && !v->pinned);
                        v->life = LIFE_DRAINING;
                }
                break;
        case VERDICT_BLOCKED: requests_refuse_all(w, m, REASON_INSUFFICIENT_MEMORY); break;
        case VERDICT_NEVER: requests_refuse_all(w, m, REASON_NEVER_FITS); break;
        case VERDICT_SHORT:
                if (m->short_since_ms == 0)
                        m->short_since_ms = w->now_ms;
                else if (w->now_ms - m->short_since_ms >= SHORT_GRACE_MS)
                        requests_refuse_all(w, m, REASON_INSUFFICIENT_MEMORY);
                break;
        default: break;
        }
}

static struct model *next_waiting(struct world *w, const bool seen[]) {
        struct model *next = NULL;
        for (uint32_t i = 0; i < w->models_count; i++) {
                struct model *m = &w->models[i];
                if (m->life == LIFE_WAITING && m->waiting_count > 0 && !seen[i] && w->now_ms >= m->rest_until_ms &&
                    (!next || m->waiting[0].asked_ms < next->waiting[0].asked_ms))
                        next = m;
        }
        return next;
}

static struct admission ask(struct world *w, const struct model *m, const bool promised[]) {
        struct account accounts[2 * WORLD_MODELS];
        uint32_t count = 0;
        for (uint32_t i = 0; i < w->models_count; i++) {
                if (model_is_loaded(&w->models[i]))
                        accounts[count++] = account_of(&w->models[i], i, false);
                else if (promised[i])
                        accounts[count++] = account_of(&w->models[i], i, true);
        }
        struct admission_snapshot snapshot = { w->now_ms, w->memory.available_bytes, accounts, count };
        struct admission_want want = { predicted(m), m->weights_bytes, m->priority, m->waiting[0].asked_ms };
        return policy_admission(&w->admission, &snapshot, &want);
}

/* The engines hold more than they may: idle ones go. */
static void see_to_overrun(struct world *w) {
        struct account accounts[WORLD_MODELS];
        uint32_t count = 0;
        for (uint32_t i = 0; i < w->models_count; i++)
                if (model_is_loaded(&w->models[i]))
                        accounts[count++] = account_of(&w->models[i], i, false);
        struct admission_snapshot snapshot = { w->now_ms, w->memory.available_bytes, accounts, count };
        struct admission a = policy_admission_overrun(&w->admission, &snapshot);
        for (uint32_t i = 0; i < a.victims_count; i++) {
                assert(!w->models[a.victims[i]].pinned);
                if (w->models[a.victims[i]].life == LIFE_READY)
                        w->models[a.victims[i]].life = LIFE_DRAINING;
        }
}

void admit_step(struct world *w) {
        bool seen[WORLD_MODELS] = { false }, promised[WORLD_MODELS] = { false };
        struct model *m;
        see_to_overrun(w);
        while (!w->hold_loads && (m = next_waiting(w, seen)) != NULL) {
                uint32_t i = (uint32_t) (m - w->models);
                seen[i] = true;
                struct admission a = ask(w, m, promised);
                follow(w, m, &a);
                promised[i] = a.promised && m->life == LIFE_WAITING;
        }
}
