/*
 * control.c - control requests to a running engine, and their answers.
 *
 * A control request is in force when the engine has said so; then its report is asked for, since actions are judged by the memory
 * that comes back. The report is the truth: an engine that downshifted at once, or was restarted, is where it says it is.
 */
#include "daemon/engines/control.h"

#include <errno.h>

#include "daemon/engines/kill.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

static struct control_request *find(struct model *m, uint64_t id) {
        for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
                if (m->engine.control_requests[i].id == id)
                        return &m->engine.control_requests[i];
        return NULL;
}

/* A free entry for the next request; NULL: it must wait. */
static struct control_request *free_place(struct model *m) {
        return m->ops->ready(m) ? find(m, 0) : NULL;
}

static void note(struct model *m, struct control_request *place, uint64_t id, const struct action *action) {
        *place = (struct control_request){ .id = id, .action = *action, .sent_ms = fleet_clock_ms() };
        if (m->running.count == 0)
                m->engine.heard_ms = place->sent_ms;
}

int control_request_send(struct model *m, const struct action *action) {
        struct control_request *place = free_place(m);
        uint64_t id;
        int r = place ? m->ops->make_smaller(m, action, &id) : -EBUSY;
        if (r == 0)
                note(m, place, id, action);
        return r;
}

int order_pace(struct model *m, const struct engine_pace *pace) {
        struct control_request *place = free_place(m);
        uint64_t id;
        int r = place ? m->ops->slow_down(m, pace, &id) : -EBUSY;
        if (r == 0)
                note(m, place, id, &(struct action){ .kind = ACTION_NONE, .model = m->number });
        return r;
}

bool control_request_is_pending(const struct model *m, enum action_kind kind) {
        for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
                if (m->engine.control_requests[i].id != 0 && m->engine.control_requests[i].action.kind == kind)
                        return true;
        return false;
}

enum kv_type control_request_level(const struct model *m, enum action_kind kind) {
        for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
                if (m->engine.control_requests[i].id != 0 && m->engine.control_requests[i].action.kind == kind)
                        return m->engine.control_requests[i].action.level;
        return KV_F16;
}

uint64_t control_request_oldest_ms(const struct model *m) {
        uint64_t oldest = TIME_NEVER;
        for (uint32_t i = 0; i < CONTROL_REQUESTS_MAX; i++)
                if (m->engine.control_requests[i].id != 0)
                        oldest = u64_min(oldest, m->engine.control_requests[i].sent_ms);
        return oldest;
}

/* In force from now on. */
static void settle(struct instance *e, const struct action *action) {
        switch (action->kind) {
        case ACTION_DOWNSHIFT:
        case ACTION_UPSHIFT: e->level = action->level; break;
        case ACTION_CHUNK: e->chunk = action->value; break;
        case ACTION_CONTEXT: e->context_now = action->value; break;
        default: break;
        }
}

bool control_request_answered(struct model *m, uint64_t id, bool good) {
        struct instance *e = &m->engine;
        struct control_request *request = find(m, id);
        if (!request)
                return false;
        struct action action = request->action;
        *request = (struct control_request){ 0 };
        if (good)
                settle(e, &action);
        else
                log_warning("order_refused", LOG_TEXT("model", m->config->id),
                            LOG_TEXT("act", action.kind == ACTION_NONE ? "heat" : policy_action_word(action.kind)));
        e->keeps_precision = e->keeps_precision || (action.kind == ACTION_DOWNSHIFT && !good);
        if (action.kind == ACTION_NONE) {
                e->no_heat = e->no_heat || !good;
                return true;
        }
        engine_measure(m);
        govern_tell(m->fleet, &action, good ? 0 : -EREMOTEIO);
        return true;
}

/* A smaller account once everything has come down; a larger one was asked for before the request went out. */
static void count_precision(struct model *m) {
        struct instance *e = &m->engine;
        if (e->report.converting || control_request_is_pending(m, ACTION_UPSHIFT) ||
            control_request_is_pending(m, ACTION_DOWNSHIFT))
                return;
        enum kv_type before = e->counted;
        uint64_t bytes = model_account_bytes(m);
        e->counted = e->report.kv;
        if (e->counted == before)
                return;
        log_info("account", LOG_TEXT("model", m->config->id), LOG_TEXT("kv", kv_type_name(e->counted)),
                 LOG_NUMBER("before_mib", bytes >> 20), LOG_NUMBER("now_mib", model_account_bytes(m) >> 20));
        fleet_measure_want(m);
        fleet_poke(m->fleet);
}

static void compare_precision(struct model *m) {
        if (!control_request_is_pending(m, ACTION_UPSHIFT) && !control_request_is_pending(m, ACTION_DOWNSHIFT))
                m->engine.level = m->engine.report.kv;
        count_precision(m);
}

/* What was given back counts as gone from here on; what was to grow was counted before the engine heard of it. */
static void compare_pool(struct model *m) {
        struct instance *e = &m->engine;
        if (!m->form.is_elastic || e->report.kv_tokens == 0 || control_request_is_pending(m, ACTION_POOL) ||
            control_request_is_pending(m, ACTION_TURN_OUT))
                return;
        uint64_t bytes = model_account_bytes(m);
        uint32_t before = e->pool;
        m->fleet->changed = m->fleet->changed || e->report.kv_tokens_needed > before || e->report.kv_tokens < before;
        e->pool = e->pool_asked = (uint32_t) u64_min(e->report.kv_tokens, e->pool_full);
        if (e->pool >= before)
                return;
        log_info("account", LOG_TEXT("model", m->config->id), LOG_NUMBER("kv_tokens", e->pool),
                 LOG_NUMBER("before_mib", bytes >> 20), LOG_NUMBER("now_mib", model_account_bytes(m) >> 20));
        fleet_measure_want(m);
}

void control_compare_report(struct model *m) {
        struct instance *e = &m->engine;
        const struct engine_report *r = &e->report;
        e->reported = true;
        if (e->chunk_full == 0)
                e->chunk_full = r->prefill_chunk;
        if (e->threads_full == 0)
                e->threads_full = r->threads;
        if (r->prefill_chunk > 0 && !control_request_is_pending(m, ACTION_CHUNK))
                e->chunk = r->prefill_chunk;
        if (r->context > 0 && !control_request_is_pending(m, ACTION_CONTEXT))
                e->context_now = r->context;
        compare_pool(m);
        if (r->kv_told)
                compare_precision(m);
        engine_group_lower(m);
}
