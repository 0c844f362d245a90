/* view.c - the models as policy sees them: what the loaded ones hold and how they do, and who waits to be loaded. */
#include "daemon/cache/page_cache.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/engines/control.h"
#include "daemon/engines/engine.h"
#include "daemon/engines/suspend.h"
#include "daemon/models/lifecycle.h"
#include "daemon/models/view.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "policy/base/sat.h"
#include "policy/record/snapshot_lists.h"

static bool is_batch(const struct queue *requests) {
        for (struct queue_link *l = requests->first; l; l = l->next)
                if (!request_of(l)->batch)
                        return false;
        return true;
}

static enum kv_type lowest(const struct model *m) {
        int floor = (int) m->form.kv_type;
        for (int type = floor; type <= (int) m->engine.floor && type < KV_TYPE_COUNT; type++)
                if (m->inspected.kv_bytes_per_token[type] > 0)
                        floor = type;
        return (enum kv_type) floor;
}

static uint32_t per_1000_s(double per_s) {
        return per_s >= UINT32_MAX / 1000.0 ? UINT32_MAX : (uint32_t) (per_s * 1000);
}

static void view_memory(const struct model *m, struct model_view *v) {
        const struct instance *e = &m->engine;
        bool measured = e->measured_ms > 0;
        v->bytes = measured ? sat_add(e->memory.pss_bytes, e->memory.swap_bytes) : model_account_bytes(m);
        v->account_bytes = model_account_bytes(m);
        v->account_weights_bytes = m->form.predicted.weights_bytes;
        v->taken_bytes = model_taken_bytes(m);
        v->upshift_bytes = model_upshift_bytes(m);
        v->weights_bytes = sat_sub(m->form.predicted.weights_bytes, e->memory.locked_bytes);
        v->weights_resident_bytes = measured ? u64_min(e->memory.file_bytes, v->weights_bytes) : v->weights_bytes;
}

static void view_report(const struct model *m, struct model_view *v) {
        const struct instance *e = &m->engine;
        const struct engine_report *r = &e->report;
        v->prefix_bytes = r->prefix_bytes;
        for (unsigned type = 0; type < KV_TYPE_COUNT; type++)
                v->kv_bytes[type] = r->kv_bytes[type];
        v->rate = per_1000_s(r->decode_tokens_per_second);
        v->usual_rate = per_1000_s(r->decode_tokens_per_second_usual);
        v->chunk = e->chunk;
        v->chunk_full = e->chunk_full;
        v->suspendable_bytes = suspension_bytes(m);
        for (uint32_t i = 0; i < r->suspended_count; i++)
                v->suspended_bytes = sat_add(v->suspended_bytes, r->suspended[i].bytes);
}

static uint64_t oldest_request_ms(const struct model *m, uint64_t now_ms) {
        uint64_t since = now_ms;
        for (const struct queue_link *l = m->running.first; l; l = l->next)
                since = u64_min(since, ((const struct request *) l)->since_ms);
        return since;
}

static void view_pool(const struct model *m, uint64_t now_ms, struct model_view *v) {
        const struct instance *e = &m->engine;
        const struct engine_report *r = &e->report;
        if (!m->form.is_elastic || r->kv_tokens == 0)
                return;
        v->pool = e->pool;
        v->pool_asked = e->pool_asked;
        v->pool_told = control_request_is_pending(m, ACTION_POOL) || control_request_is_pending(m, ACTION_TURN_OUT);
        v->pool_floor = m->form.kv_tokens < e->n_ctx ? m->form.kv_tokens
                                                     : (e->n_ctx + POOL_LEAST_TOKENS - 1) / POOL_LEAST_TOKENS * POOL_LEAST_TOKENS;
        v->pool_full = e->pool_full;
        v->pool_held = r->kv_tokens_held;
        v->pool_needed = r->kv_tokens_needed;
        v->pool_wanted = r->kv_tokens_wanted;
        v->pool_token_bytes = m->inspected.kv_bytes_per_token[e->counted];
        v->pool_whole_bytes = policy_footprint(&m->form.facts, e->n_ctx, m->learned).total_bytes;
        v->pool_since_ms = oldest_request_ms(m, now_ms);
}

/* While it comes down there is nothing else to be had. */
static void view_precision(const struct model *m, struct model_view *v) {
        const struct instance *e = &m->engine;
        enum kv_type told = control_request_level(m, ACTION_DOWNSHIFT);
        enum kv_type to = told > e->level ? told : e->level;
        v->lower_told = to > e->counted;
        bool rises = control_request_is_pending(m, ACTION_UPSHIFT);
        for (unsigned level = 0; level <= (unsigned) v->floor && !rises && !e->keeps_precision; level++)
                if (!v->lower_told || level == (unsigned) to)
                        v->lower_bytes[level] = model_lower_bytes(m, (enum kv_type) level);
}

static void view_group(const struct model *m, struct model_view *v) {
        struct cgroup_usage usage = { 0 };
        if (!m->engine.group)
                return;
        cgroup_engine_usage(m->engine.group, &usage);
        v->stall_us = usage.stall_us;
        v->refaults = usage.refaults;
        v->swapins = usage.swapins;
        v->high_events = usage.high_events;
        v->oom_kills = usage.oom_kills;
}

static bool obeys(const struct model *m, uint64_t now_ms) {
        uint64_t oldest = control_request_oldest_ms(m);
        return (m->state == MODEL_READY || m->state == MODEL_DRAINING) && (m->engine.reported || !m->ops->can.reports) &&
               m->ops->ready(m) && (oldest == TIME_NEVER || sat_sub(now_ms, oldest) < CONTROL_ANSWER_MAX_MS);
}

static void view_model(const struct model *m, uint64_t now_ms, struct model_view *v) {
        const struct instance *e = &m->engine;
        *v = (struct model_view){
                .id = m->number,
                .generation = m->generation,
                .state = model_account_state(m),
                .pinned = m->config->pinned,
                .batch = is_batch(&m->running) && is_batch(&m->waiting),
                .obeys = e->process && !e->stopped && obeys(m, now_ms),
                .lacks = engine_lacks(m),
                .priority = m->config->priority,
                .running = model_running(m),
                .waiting = m->waiting.count,
                .loaded_ms = e->ready_ms,
                .last_end_ms = e->last_end_ms,
                .load_ms = m->load_ms,
                .service_ms = m->service_ms,
                .protected_until_ms = model_protected_until_ms(m),
                .level = e->level,
                .floor = lowest(m),
                .ceiling = m->form.kv_type,
                .context = e->context_now,
                .context_full = e->n_ctx,
                .context_floor = (uint32_t) u64_min(e->n_ctx, CONTEXT_FLOOR),
                .suspended = m->running.count - model_running(m),
        };
        view_memory(m, v);
        view_report(m, v);
        view_precision(m, v);
        view_pool(m, now_ms, v);
        view_group(m, v);
}

/* Bytes that a load in flight has yet to take, its weights included: the kernel counts those as available. */
static uint64_t loading_bytes(const struct model *m) {
        return m->state == MODEL_LOADING ? sat_sub(model_account_bytes(m), model_taken_bytes(m)) : 0;
}

/* --- models that wait --- */

static struct want want_of(const struct model *m) {
        struct want want = {
                .id = m->number,
                .batch = m->loads.count == 0 && !m->preload && is_batch(&m->waiting),
                .priority = m->config->priority,
                .since_ms = model_wanted_since(m),
                .load_ms = m->load_ms,
                .context = m->context_least,
                .context_full = m->context_full,
                .forms_count = m->forms_count,
        };
        for (uint32_t i = 0; i < m->forms_count; i++) {
                want.forms[i].bytes = m->forms[i].predicted.total_bytes;
                want.forms[i].weights_bytes = m->forms[i].predicted.weights_bytes;
                want.forms[i].whole_bytes = model_whole(m, &m->forms[i]).total_bytes;
                want.forms[i].token_bytes = m->forms[i].facts.kv_bytes_per_token;
        }
        return want;
}

static uint32_t latest(const struct snapshot *snapshot) {
        uint32_t found = 0;
        for (uint32_t i = 1; i < snapshot->wants_count; i++)
                if (snapshot->wants[i].since_ms > snapshot->wants[found].since_ms)
                        found = i;
        return found;
}

static void view_wants(const struct fleet *f, struct snapshot *snapshot) {
        uint32_t place;
        bool is_new;
        snapshot->wants_count = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                if (f->models[i]->state != MODEL_WAITING)
                        continue;
                struct want want = want_of(f->models[i]);
                if (snapshot->wants_count == WANTS_MAX) {
                        uint32_t last = latest(snapshot);
                        if (want.since_ms >= snapshot->wants[last].since_ms)
                                continue;
                        (void) policy_list_remove(&policy_lists[LIST_WANTS], snapshot, snapshot->wants[last].id, &place);
                }
                struct want *w = policy_list_insert(&policy_lists[LIST_WANTS], snapshot, want.id, &place, &is_new);
                *w = want;
        }
}

bool fleet_waits(const struct fleet *f) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *m = f->models[i];
                if (m->state == MODEL_WAITING || (m->state == MODEL_STOPPING && m->engine.exited))
                        return true;
        }
        return false;
}

bool fleet_changed(const struct fleet *f) {
        return f->changed;
}

static void note_memory(struct fleet *f, struct snapshot *snapshot) {
        if (snapshot->ram_bytes == 0)
                snapshot->ram_bytes = f->config->ram_bytes; /* the kernel's figure could never be read */
        f->ram_bytes = snapshot->ram_bytes;
        f->available_bytes = snapshot->memory_blind ? 0 : snapshot->available_bytes;
        f->memory_blind = snapshot->memory_blind;
}

void fleet_view(struct fleet *f, struct snapshot *snapshot) {
        uint64_t now_ms = snapshot->now_ms, looked = page_cache_looked_ms(f->page_cache);
        note_memory(f, snapshot);
        f->changed = false;
        snapshot->models_count = 0;
        snapshot->loading_bytes = 0;
        snapshot->idle_file_bytes =
                looked > 0 && sat_sub(now_ms, looked) < FILES_AGE_MAX_MS ? page_cache_bytes(f->page_cache) : 0;
        /* In the order of numbers, as a recording is replayed: the fleet's own order changes with the configuration. */
        for (uint32_t i = 0; i < f->models_count && snapshot->models_count < ACCOUNTS_MAX; i++) {
                const struct model *m = f->models[i];
                uint32_t place;
                bool is_new;
                if (!model_has_account(m))
                        continue;
                view_model(m, now_ms, policy_list_insert(&policy_lists[LIST_MODELS], snapshot, m->number, &place, &is_new));
                snapshot->loading_bytes = sat_add(snapshot->loading_bytes, loading_bytes(m));
        }
        view_wants(f, snapshot);
}
