/* account.c - see account.h. */
#include "daemon/state/account.h"

#include "daemon/state/fleet.h"
#include "policy/base/sat.h"

/* The newest tokens of each sequence keep the precision that it was loaded with. */
struct footprint model_footprint(const struct model *m) {
        struct footprint p = m->form.predicted;
        uint64_t high = m->inspected.kv_bytes_per_token[m->form.kv_type],
                 low = m->inspected.kv_bytes_per_token[m->engine.counted];
        if (!m->engine.was_ready || m->engine.counted <= m->form.kv_type || low == 0)
                return p;
        uint64_t precise = u64_min(m->form.kv_tokens, (uint64_t) m->engine.parallel * KV_WINDOW_TOKENS);
        uint64_t kv_bytes = sat_add(sat_mul(low, m->form.kv_tokens - precise), sat_mul(high, precise));
        p.total_bytes = sat_add(sat_sub(p.total_bytes, p.kv_bytes), kv_bytes);
        p.kv_bytes = kv_bytes;
        return p;
}

/* What the engine holds or may still take: predicted until it turns out to be more. */
uint64_t model_account_bytes(const struct model *m) {
        const struct process_memory *seen = &m->engine.memory;
        return u64_max(model_footprint(m).total_bytes, sat_add(seen->pss_bytes, seen->swap_bytes));
}

uint32_t model_running(const struct model *m) {
        uint32_t running = 0;
        for (const struct queue_link *l = m->running.first; l; l = l->next)
                running += !((const struct request *) l)->suspended;
        return running;
}

enum account_state model_account_state(const struct model *m) {
        switch (m->state) {
        case MODEL_LOADING: return ACCOUNT_LOADING;
        case MODEL_READY: return m->running.count > 0 || m->waiting.count > 0 ? ACCOUNT_BUSY : ACCOUNT_IDLE;
        case MODEL_DRAINING: return ACCOUNT_DRAINING;
        default: return ACCOUNT_STOPPING;
        }
}

bool model_has_account(const struct model *m) {
        return m->state == MODEL_LOADING || m->state == MODEL_READY || m->state == MODEL_DRAINING || m->state == MODEL_STOPPING;
}

uint64_t fleet_weights_max(const struct fleet *f) {
        double limit = f->config->weights_fraction * (double) f->memory.total_bytes;
        return limit <= 0 ? 0 : limit >= 0x1p63 ? UINT64_MAX : (uint64_t) limit;
}
