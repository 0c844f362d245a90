/* account.c - see account.h. */
#include "daemon/state/account.h"

#include "daemon/state/fleet.h"
#include "policy/admission/loads.h"
#include "policy/base/sat.h"

/* The newest tokens of each sequence keep the precision that it was loaded with. */
static struct footprint footprint_at(const struct model *m, enum kv_type level) {
        struct footprint p = m->form.predicted;
        uint64_t high = m->inspected.kv_bytes_per_token[m->form.kv_type], low = m->inspected.kv_bytes_per_token[level];
        if (!m->engine.was_ready)
                return p;
        bool lowered = level > m->form.kv_type && low > 0;
        uint64_t precise = lowered ? u64_min(m->engine.pool, (uint64_t) m->engine.parallel * KV_WINDOW_TOKENS) : m->engine.pool;
        uint64_t kv_bytes = sat_add(sat_mul(low, m->engine.pool - precise), sat_mul(high, precise));
        p.total_bytes = sat_add(sat_sub(p.total_bytes, p.kv_bytes), kv_bytes);
        p.kv_bytes = kv_bytes;
        return p;
}

struct footprint model_whole(const struct model *m, const struct form *form) {
        uint64_t tokens = form->is_elastic ? u64_max(form->kv_tokens, m->context_least) : form->kv_tokens;
        return policy_footprint(&form->facts, tokens, m->learned);
}

uint32_t model_context(const struct model *m) {
        const struct form *form = &m->forms[0];
        if (model_has_account(m) || m->forms_count == 0)
                return m->context;
        const struct context_range range = { .least = m->context_least,
                                             .full = m->context_full,
                                             .whole_bytes = model_whole(m, form).total_bytes,
                                             .token_bytes = form->facts.kv_bytes_per_token };
        return policy_context(&range, m->fleet->free_bytes);
}

uint32_t model_pool_full(const struct model *m) {
        uint64_t per_token = m->inspected.kv_bytes_per_token[m->form.kv_type];
        uint64_t all = sat_mul(m->context, m->config->parallel);
        if (!m->form.is_elastic || per_token == 0)
                return m->form.kv_tokens;
        /* No more addresses than there could ever be memory for; one context in any case, for which the load was admitted. */
        uint64_t most = u64_max(m->fleet->config->budget_bytes / per_token, m->context);
        return (uint32_t) u64_max(u64_min(u64_min(all, most), KV_POOL_TOKENS_MAX), m->form.kv_tokens);
}

struct footprint model_footprint(const struct model *m) {
        return footprint_at(m, m->engine.counted);
}

/* The memory that the engine holds or may still take: predicted until it turns out to be more. */
static uint64_t account_at(const struct model *m, enum kv_type level) {
        const struct process_memory *seen = &m->engine.memory;
        return u64_max(footprint_at(m, level).total_bytes, sat_add(seen->pss_bytes, seen->swap_bytes));
}

uint64_t model_account_bytes(const struct model *m) {
        return account_at(m, m->engine.counted);
}

uint64_t model_upshift_bytes(const struct model *m) {
        enum kv_type level = m->engine.level;
        return level > m->form.kv_type ? sat_sub(account_at(m, (enum kv_type)(level - 1)), model_account_bytes(m)) : 0;
}

uint64_t model_lower_bytes(const struct model *m, enum kv_type level) {
        return level > m->engine.counted ? sat_sub(model_footprint(m).total_bytes, footprint_at(m, level).total_bytes) : 0;
}

uint64_t model_taken_bytes(const struct model *m) {
        const struct process_memory *seen = &m->engine.memory;
        return sat_sub(seen->pss_bytes, sat_sub(seen->file_bytes, seen->locked_bytes));
}

/* Of use by the configuration, of a time that somebody asked for until that. */
uint64_t model_protected_until_ms(const struct model *m) {
        const struct instance *e = &m->engine;
        uint64_t used_ms = m->running.count > 0 ? m->fleet->now_ms : u64_max(e->ready_ms, e->last_end_ms);
        uint64_t own_ms = m->config->protect_ms > 0 ? sat_add(used_ms, m->config->protect_ms) : 0;
        return u64_max(own_ms, m->protected_until_ms);
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

struct limits fleet_limits(const struct config *c) {
        uint32_t from = 0, until = 0;
        (void) value_hours(c->batch_hours ? c->batch_hours : "", &from, &until);
        return (struct limits){
                .budget_bytes = c->budget_bytes,
                .weights_permille = (uint32_t) u64_max(sat_from_double(c->weights_fraction * 1000), 1),
                .reserve_bytes = c->reserve_bytes,
                .min_residency_ms = c->min_residency_ms,
                .turn_ms = u64_min(c->turn_ms, INT64_MAX),
                .batch_from_minute = from,
                .batch_until_minute = until,
                .wait_ms = c->wait_timeout_ms,
                .passive = !c->governor_enabled,
                .heat_ignored = !c->heat_enabled,
                .margin_target_millidegrees = c->margin_target_millidegrees,
                .critical_default_millidegrees = c->critical_millidegrees,
        };
}

uint64_t fleet_weights_max(const struct fleet *f) {
        struct limits limits = fleet_limits(f->config);
        return policy_weights_max(&limits, f->ram_bytes);
}
