/*
 * apply.c - carries the governor's plans out.
 *
 * An emergency comes first and takes no memory: engines are downshifted by frames made beforehand, ended by held descriptors.
 * Steps that need memory (control frames, files) and the consequences of an end (log, requests, accounts) come with the
 * fleet's own tick, right after. An action is reported when its outcome is known: at once, when the engine has answered, or
 * never done.
 */
#include "daemon/models/apply.h"

#include <errno.h>

#include "daemon/cache/page_cache.h"
#include "daemon/engines/control.h"
#include "daemon/engines/engine.h"
#include "daemon/engines/kill.h"
#include "daemon/engines/suspend.h"
#include "daemon/engines/throttle.h"
#include "daemon/models/lifecycle.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

static struct model *model_of(struct fleet *f, const struct action *action) {
        return fleet_model(f, action->model);
}

/* --- actions that an engine is told of --- */

/* More precise needs more room, which policy has found; it is taken before the engine takes it. */
static void take_room(struct model *m, enum kv_type level) {
        m->engine.counted = level;
        engine_group_follow(m);
}

/* What it may hold more is counted before it hears of it; what it is to give back, when it has said so. */
static int request_pool(struct model *m, const struct action *action) {
        struct instance *e = &m->engine;
        uint32_t before = e->pool;
        e->pool = (uint32_t) u64_max(before, action->value);
        engine_group_follow(m);
        int r = control_request_send(m, action);
        if (r < 0)
                e->pool = before;
        else
                e->pool_asked = action->value;
        return r;
}

static bool is_so_already(const struct model *m, const struct action *action) {
        const struct instance *e = &m->engine;
        return ((action->kind == ACTION_DOWNSHIFT || action->kind == ACTION_UPSHIFT) && e->level == action->level) ||
               (action->kind == ACTION_CHUNK && e->chunk == action->value) ||
               (action->kind == ACTION_CONTEXT && e->context_now == action->value);
}

/* 0: the engine has been told, and its answer is the outcome. */
static int request_control(struct model *m, const struct action *action) {
        if (control_request_is_pending(m, action->kind) || is_so_already(m, action))
                return -EALREADY;
        if (action->kind == ACTION_POOL || action->kind == ACTION_TURN_OUT)
                return request_pool(m, action);
        if (action->kind == ACTION_UPSHIFT)
                take_room(m, action->level);
        return control_request_send(m, action);
}

/* --- actions that end an engine --- */

static int end_gently(struct model *m, const struct action *action) {
        if (m->state == MODEL_DRAINING || m->state == MODEL_STOPPING)
                return -EALREADY;
        if (m->state == MODEL_READY && m->running.count > 0)
                return -EBUSY; /* the model has become busy since the look */
        model_leave(m, action->because, NULL);
        return 0;
}

static int end_at_once(struct model *m, const struct action *action) {
        if (m->engine.ended || !m->engine.process)
                return -EALREADY;
        engine_end_now(m);
        m->engine.ended = true;
        m->engine.ended_because = action->because;
        fleet_poke(m->fleet);
        return 0;
}

/* --- files --- */

static void collect_files(const struct fleet *f, struct page_cache_models *ret) {
        ret->count = 0;
        for (uint32_t i = 0; i < f->models_count; i++) {
                ret->all[ret->count].path = f->models[i]->config->path;
                ret->all[ret->count++].loaded = f->models[i]->state != MODEL_ABSENT;
        }
}

static void on_files(void *user, int result, uint64_t freed_bytes) {
        struct fleet *f = user;
        struct action action = f->dropping;
        f->dropping = (struct action){ 0 };
        fleet_poke(f);
        if (action.kind == ACTION_NONE)
                return;
        log_info("files_dropped", LOG_NUMBER("freed_mib", freed_bytes >> 20), LOG_NUMBER("result", result));
        govern_tell(f, &action, result);
}

static int look_at_files(struct fleet *f, const struct action *drop) {
        static struct page_cache_models models; /* too large for the stack; copied */
        if (f->stopping)
                return -ESHUTDOWN;
        collect_files(f, &models);
        int r = page_cache_look(f->page_cache, &models, drop != NULL, on_files, f);
        if (r == 0 && drop)
                f->dropping = *drop;
        return r;
}

/* --- one action --- */

/* True when the outcome comes later. */
static bool is_told_later(enum action_kind kind) {
        return kind != ACTION_EVICT && kind != ACTION_END;
}

static int carry_out(struct fleet *f, const struct action *action) {
        struct model *m = model_of(f, action);
        if (action->kind == ACTION_DROP_FILES)
                return look_at_files(f, action);
        if (!m || !model_has_account(m))
                return -ESRCH;
        if (engine_lacks(m) & ACTION_BIT(action->kind))
                return -EOPNOTSUPP;
        if (action->kind == ACTION_EVICT)
                return end_gently(m, action);
        if (action->kind == ACTION_END)
                return end_at_once(m, action);
        if (!m->engine.process || (m->state != MODEL_READY && m->state != MODEL_DRAINING))
                return -ESRCH;
        if (action->kind == ACTION_SUSPEND)
                return suspension_begin(m, action);
        if (action->kind == ACTION_RESUME)
                return suspension_resume(m, action);
        return request_control(m, action);
}

static void obey_action(struct fleet *f, const struct action *action) {
        int r = carry_out(f, action);
        if (r < 0 || !is_told_later(action->kind))
                govern_tell(f, action, r);
}

/* --- an emergency --- */

/* 1: it needs memory, and has to wait for the others. */
static int obey_at_once(struct fleet *f, const struct action *action) {
        struct model *m = model_of(f, action);
        if (!m || !m->engine.process)
                return action->kind == ACTION_DROP_FILES ? 1 : -ESRCH;
        if (action->kind == ACTION_END || action->kind == ACTION_EVICT)
                return m->running.count > 0 && action->kind == ACTION_EVICT ? -EBUSY : end_at_once(m, action);
        if (engine_lacks(m) & ACTION_BIT(action->kind))
                return -EOPNOTSUPP;
        if (action->kind != ACTION_DOWNSHIFT)
                return 1;
        if (m->engine.frozen)
                throttle_release(m);
        int r = m->ops->downshift_now(m);
        return r == -EALREADY ? 0 : r;
}

static void obey_emergency(struct fleet *f, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count; i++) {
                int r = obey_at_once(f, &plan->actions[i]);
                if (r <= 0)
                        govern_tell(f, &plan->actions[i], r);
                else if (f->deferred_count < PLAN_ACTIONS_MAX)
                        f->deferred[f->deferred_count++] = plan->actions[i];
        }
        fleet_poke(f);
}

void fleet_rehearse(struct fleet *f) {
        static const struct plan nothing = { .emergency = true };
        obey_emergency(f, &nothing);
        for (uint32_t i = 0; i < f->models_count; i++)
                engine_rehearse_end(f->models[i]);
}

/* --- the whole plan --- */

static void hold(struct fleet *f, const struct plan *plan) {
        struct gate now = {
                .loads = plan->hold_loads,
                .growth = plan->hold_growth,
                .batch = plan->hold_batch,
                .batch_because = plan->batch_because,
                .batch_opens_ms = plan->batch_opens_ms,
                .headroom_bytes = plan->headroom_bytes,
                .exhaustion_ms = plan->exhaustion_ms,
        };
        const struct gate *before = &f->gate;
        if (now.loads != before->loads || now.growth != before->growth || now.batch != before->batch)
                fleet_poke(f);
        f->gate = now;
}

void fleet_tell_heat(struct fleet *f, const char *text) {
        (void) snprintf(f->heat, sizeof(f->heat), "%s", text);
}

void fleet_obey(struct fleet *f, const struct plan *plan) {
        if (f->stopping)
                return;
        hold(f, plan);
        if (plan->emergency) {
                obey_emergency(f, plan);
                return;
        }
        uint32_t heartbeat_ms = plan->rung > RUNG_CALM || plan->actions_count > 0 ? HEARTBEAT_ACTING_MS : HEARTBEAT_CALM_MS;
        if (heartbeat_ms != f->heartbeat_ms)
                fleet_poke(f);
        f->heartbeat_ms = heartbeat_ms;
        throttle_set(f, plan->duty_permille, plan->threads_permille);
        for (uint32_t i = 0; i < plan->actions_count; i++)
                obey_action(f, &plan->actions[i]);
        uint64_t looked = page_cache_looked_ms(f->page_cache);
        if (plan->rung > RUNG_CALM && !page_cache_busy(f->page_cache) && f->now_ms - looked >= FILES_AGE_MAX_MS / 2)
                (void) look_at_files(f, NULL);
}

void fleet_obey_pools(struct fleet *f, const struct plan *plan) {
        for (uint32_t i = 0; i < plan->actions_count && !f->stopping; i++)
                if (plan->actions[i].kind == ACTION_POOL || plan->actions[i].kind == ACTION_TURN_OUT)
                        obey_action(f, &plan->actions[i]);
}

void fleet_govern(struct fleet *f, const struct governed *governor, void *user) {
        f->on_tick = governor->on_tick;
        f->on_action = governor->on_action;
        f->on_note = governor->on_note;
        f->on_action_user = f->on_tick_user = user;
        fleet_poke(f);
}

void fleet_govern_end(struct fleet *f) {
        static const struct governed nobody;
        fleet_govern(f, &nobody, NULL);
        f->gate = (struct gate){ 0 };
        throttle_set(f, 1000, 1000);
        fleet_poke(f);
}

/* --- the fleet's own tick --- */

static void see_to_ended(struct model *m) {
        struct instance *e = &m->engine;
        if (!e->ended || e->ended_seen)
                return;
        e->ended_seen = true;
        log_warning("ended", LOG_TEXT("model", m->config->id), LOG_TEXT("reason", reason_info(e->ended_because)->word),
                    LOG_NUMBER("running", m->running.count), LOG_NUMBER("waiting", m->waiting.count));
        if (m->state != MODEL_STOPPING)
                model_event(m, MODEL_EVENT_END);
}

void govern_tick(struct fleet *f) {
        for (uint32_t i = 0; i < f->models_count; i++) {
                see_to_ended(f->models[i]);
                suspension_tick(f->models[i]);
        }
        for (uint32_t i = 0; i < f->deferred_count; i++)
                obey_action(f, &f->deferred[i]);
        f->deferred_count = 0;
        throttle_tick(f);
}
