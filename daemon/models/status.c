/* status.c - what the API and the control socket may see. Reads only: looking wakes and resets nothing. */
#include "daemon/cache/prefix_cache.h"
#include "daemon/cgroup/cgroup.h"
#include "daemon/engines/engine.h"
#include "daemon/models/fleet.h"
#include "daemon/models/lifecycle.h"
#include "daemon/requests/outlook.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "policy/admission/backoff.h"
#include "policy/base/sat.h"

uint32_t fleet_models_count(const struct fleet *f) {
        return f->models_count;
}

static int64_t expires_in_ms(const struct model *m, uint64_t now) {
        uint64_t keep = model_keep_alive_ms(m);
        if (m->state != MODEL_READY || m->config->pinned || keep == CONFIG_FOREVER)
                return -1;
        if (m->running.count > 0)
                return (int64_t) u64_min(keep, INT64_MAX);
        uint64_t at = u64_max(sat_add(u64_max(m->engine.ready_ms, m->engine.last_end_ms), keep), model_protected_until_ms(m));
        return (int64_t) u64_min(sat_sub(at, now), INT64_MAX);
}

void fleet_model_status(struct fleet *f, uint32_t index, struct model_status *ret) {
        const struct model *m = f->models[index];
        const struct instance *e = &m->engine;
        uint64_t now = fleet_clock_ms();
        bool loaded = m->state == MODEL_READY || m->state == MODEL_DRAINING;
        struct footprint p = model_footprint(m);
        *ret = (struct model_status){
                .id = m->config->id,
                .path = m->config->path,
                .inspected = m->inspected_well ? &m->inspected : NULL,
                .file_bytes = m->files.bytes,
                .file_key = m->files.key,
                .state = m->state,
                .offered = model_is_offered(m),
                .retired = m->is_retired,
                .no_model = m->is_no_model ? m->inspect_sentence : NULL,
                .pinned = m->config->pinned,
                .priority = m->config->priority,
                .pid = e->process ? e->pid : 0,
                .stopped = e->stopped,
                .running = model_running(m),
                .waiting = m->waiting.count,
                .predicted_bytes = p.total_bytes,
                .weights_bytes = p.weights_bytes,
                .kv_bytes = p.kv_bytes,
                .scratch_bytes = p.scratch_bytes,
                .overhead_bytes = p.overhead_bytes,
                .measured_bytes = e->process ? sat_add(e->memory.pss_bytes, e->memory.swap_bytes) : 0,
                .peak_bytes = e->peak_bytes,
                .n_ctx = loaded ? e->n_ctx : model_context(m),
                .kv_tokens = loaded ? e->pool : m->form.kv_tokens,
                .parallel = loaded ? e->parallel : m->config->parallel,
                .kv_type = kv_type_name(m->form.kv_type),
                .kv_now = loaded ? kv_type_name(e->level) : NULL,
                .kv_used_bytes = e->process ? e->report.kv_bytes_used : 0,
                .tokens_proposed = e->process ? e->report.tokens_proposed : 0,
                .tokens_accepted = e->process ? e->report.tokens_accepted : 0,
                .made_room = e->process ? e->report.made_room : 0,
                .context_now = loaded ? e->context_now : 0,
                .suspended = m->running.count - model_running(m),
                .duty_permille = loaded ? e->duty_told : 1000,
                .created_s = m->files.modified_s,
                .loaded_ms_ago = loaded ? (int64_t) sat_sub(now, e->ready_ms) : -1,
                .idle_ms = loaded && m->running.count == 0 ? (int64_t) sat_sub(now, u64_max(e->ready_ms, e->last_end_ms)) : -1,
                .expires_in_ms = expires_in_ms(m, now),
                .loads = m->loads_count,
                .deaths = m->deaths_count,
                .requests = m->requests_count,
                .last_error = m->last_error[0] ? m->last_error : m->inspect_sentence,
                .last_exit = m->last_exit,
                .last_stderr = e->process && m->ops->last_words(m)[0] ? m->ops->last_words(m) : m->last_words,
                .protected_ms = sat_sub(model_protected_until_ms(m), now),
                .service_ms = m->service_ms,
                .load_ms = m->load_ms,
                .expected_ms = model_outlook_ms(m, m->waiting.count),
                .cooldown_ms = (int64_t) u64_min(policy_backoff_left(m->backoff, now), INT64_MAX),
                .trace = m->trace ? trace_info(m->trace) : (struct trace_info){ 0 },
        };
}

uint32_t fleet_model_queue(const struct fleet *f, uint32_t index, struct waiting_status ret[QUEUE_SHOWN_MAX]) {
        const struct model *m = f->models[index];
        uint64_t now_ms = fleet_clock_ms();
        uint32_t count = 0;
        for (struct queue_link *l = m->waiting.first; l && count < QUEUE_SHOWN_MAX; l = l->next) {
                const struct request *request = request_of(l);
                ret[count++] = (struct waiting_status){ .batch = request->batch,
                                                        .waited_ms = sat_sub(now_ms, request->since_ms),
                                                        .outlook = request_outlook(request),
                                                        .why = requests_why(m, request) };
        }
        return count;
}

void fleet_status(struct fleet *f, struct fleet_status *ret) {
        *ret = (struct fleet_status){
                .budget_bytes = f->config->budget_bytes,
                .weights_limit_bytes = fleet_weights_max(f),
                .reserve_bytes = f->config->reserve_bytes,
                .available_bytes = f->available_bytes,
                .ram_bytes = f->ram_bytes,
                .groups = f->tree ? cgroup_tree_words(f->tree) : f->tree_sentence,
                .requests_waiting = f->waiting_count,
                .tick_count = f->tick_count,
                .last_tick_ms_ago = (int64_t) sat_sub(fleet_clock_ms(), f->last_tick_ms),
        };
        for (uint32_t i = 0; i < f->models_count; i++) {
                const struct model *m = f->models[i];
                const struct instance *e = &m->engine;
                ret->requests_running += model_running(m);
                ret->models_known += model_is_offered(m);
                if (m->state != MODEL_LOADING && m->state != MODEL_READY && m->state != MODEL_DRAINING &&
                    m->state != MODEL_STOPPING)
                        continue;
                uint64_t measured = sat_add(e->memory.pss_bytes, e->memory.swap_bytes);
                ret->models_loaded += m->state == MODEL_READY || m->state == MODEL_DRAINING;
                ret->measured_bytes = sat_add(ret->measured_bytes, measured);
                ret->weights_bytes = sat_add(ret->weights_bytes, m->form.predicted.weights_bytes);
                ret->reserved_bytes = sat_add(ret->reserved_bytes, model_account_bytes(m));
        }
}

void fleet_prefix_cache(const struct fleet *f, struct prefix_cache_figures *ret) {
        prefix_cache_figures(f->prefix_cache, ret);
}
