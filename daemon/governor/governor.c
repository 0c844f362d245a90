/*
 * governor.c - the tick: observe, decide, act, verify, record.
 *
 * Nothing on this path allocates, opens, or waits while the plan is an emergency: the snapshot, the plan, the rings and
 * the descriptors are there from the start, and what is to be said about it is said when it is done (an idle handle, in
 * the same turn of the loop). Policy says when to look again; a notice of pressure only makes that sooner.
 */
#include "daemon/governor/governor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/models/apply.h"
#include "daemon/models/snapshot.h"
#include "daemon/governor/internal.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "daemon/system/mlock.h"
#include "policy/base/sat.h"

#define GOVERNOR_HANDLES 2

/* --- events --- */

/* The outcome of an action that was planned a moment or some ticks ago. */
static void on_action(void *user, const struct action *action, int result) {
        struct governor *g = user;
        struct event *e = events_find_action(&g->events, action->kind, action->model, fleet_clock_ms(), ACTION_OUTCOME_MAX_MS);
        if (!e || e->result != EVENT_BEGUN)
                return;
        e->result = result < 0 ? EVENT_FAILED : EVENT_DONE;
        e->error = result;
        g->notes_pending = g->notes_pending || result < 0;
}

static void note_actions(struct governor *g) {
        const struct plan *p = &g->plan;
        for (uint32_t i = 0; i < p->actions_count; i++) {
                struct event *e = events_add(&g->events, EVENT_ACTION, g->snapshot.now_ms, p);
                e->action = p->actions[i];
                e->because = p->actions[i].because;
        }
        if (p->verified.kind == ACTION_NONE)
                return;
        struct event *e =
                events_find_action(&g->events, p->verified.kind, p->verified.model, g->snapshot.now_ms, ACTION_OUTCOME_MAX_MS);
        if (!e)
                return;
        e->verified = true;
        e->freed_bytes = p->verified_freed_bytes;
        g->notes_pending = true;
}

/* What is not an action and still worth knowing later. */
static void note_changes(struct governor *g) {
        const struct plan *p = &g->plan;
        uint64_t now_ms = g->snapshot.now_ms;
        if (p->rung != g->rung)
                (void) events_add(&g->events, EVENT_RUNG, now_ms, p);
        if (p->heat_level != g->heat_level)
                events_add(&g->events, EVENT_HEAT, now_ms, p)->because = p->heat_because;
        if (g->snapshot.memory_blind != g->blind)
                (void) events_add(&g->events, g->snapshot.memory_blind ? EVENT_BLIND : EVENT_SIGHT, now_ms, p);
        g->rung = p->rung;
        g->heat_level = p->heat_level;
        g->blind = g->snapshot.memory_blind;
}

/* --- the tick --- */

/* Sensors are slow and so is heat: once a second where something warms the box, else seldom. */
static uint64_t heat_period(const struct governor *g) {
        bool warm = g->plan.heat_level > 0;
        for (uint32_t i = 0; i < g->snapshot.models_count && !warm; i++)
                warm = g->snapshot.models[i].running > 0;
        return warm ? SENSORS_WARM_MS : SENSORS_IDLE_MS;
}

static void observe(struct governor *g) {
        g->snapshot.now_ms = fleet_clock_ms();
        sensors_observe(g->sensors, g->snapshot.now_ms, &g->snapshot);
        sensors_refresh_heat(g->sensors, g->snapshot.now_ms, heat_period(g));
        fleet_view(g->fleet, &g->snapshot);
}

static void on_after(uv_idle_t *idle) {
        struct governor *g = idle->data;
        (void) uv_idle_stop(idle);
        governor_log(g);
        if (!g->plan.emergency) {
                governor_log_sources(g);
                governor_tell_systemd(g);
        }
}

static void on_timer(uv_timer_t *timer);

static void tick(struct governor *g) {
        observe(g);
        policy_decide(&g->limits, &g->snapshot, &g->past, &g->plan);
        if (g->config->governor_enabled) {
                note_actions(g);
                fleet_obey(g->fleet, &g->plan, on_action, g);
        }
        note_changes(g);
        recorder_add(g->recorder, &g->snapshot, &g->plan);
        g->ticks++;
        g->last_tick_ms = fleet_clock_ms();
        uint64_t pause_ms = u64_max(sat_sub(g->plan.look_again_ms, g->last_tick_ms), TICK_PAUSE_MIN_MS);
        (void) uv_timer_start(&g->timer, on_timer, u64_min(pause_ms, TICK_PAUSE_MAX_MS), 0);
        (void) uv_idle_start(&g->after, on_after);
}

static void on_timer(uv_timer_t *timer) {
        tick(timer->data);
}

/* The sensors give notice at most every 100 ms. */
static void on_pressure(void *user) {
        struct governor *g = user;
        if (!g->closing)
                (void) uv_timer_start(&g->timer, on_timer, 0, 0);
}

/* --- life --- */

/*
 * Goes through an emergency on paper: a box whose memory falls to nothing within a few looks, a past of its own. What this
 * touches (code, stack, tables) is in memory afterwards, and stays there.
 */
static void rehearse(struct governor *g) {
        struct past *past = calloc(1, sizeof(*past));
        struct plan *plan = calloc(1, sizeof(*plan));
        struct snapshot *snapshot = calloc(1, sizeof(*snapshot));
        if (past && plan && snapshot) {
                *snapshot = g->snapshot;
                snapshot->models_count = 1;
                snapshot->models[0] = (struct model_view){ .state = ACCOUNT_IDLE, .obeys = true, .bytes = 1 << 30 };
                for (uint64_t i = 0; i < REHEARSAL_LOOKS; i++) {
                        snapshot->now_ms += LOOK_MIN_MS;
                        snapshot->available_bytes = snapshot->ram_bytes / (i + 2);
                        policy_decide(&g->limits, snapshot, past, plan);
                }
        }
        free(past);
        free(plan);
        free(snapshot);
        fleet_rehearse(g->fleet);
}

static void lock_memory(struct governor *g) {
        if (!mlock_oom_protect())
                log_info("oom_score", LOG_TEXT("because", "lowering it is not allowed"),
                         LOG_TEXT("effect", "the kernel may choose the daemon before its engines have made room"));
        g->is_mlocked = mlock_all(g->mlock_error, sizeof(g->mlock_error));
        if (!g->is_mlocked)
                log_warning("not_resident", LOG_TEXT("because", g->mlock_error),
                            LOG_TEXT("effect", "where memory is gone the daemon itself may be slow to act"),
                            LOG_TEXT("hint", "LimitMEMLOCK=infinity"));
}

static void on_handle_closed(uv_handle_t *handle) {
        struct governor *g = handle->data;
        if (--g->handles_open > 0)
                return;
        void (*on_closed)(void *user) = g->on_closed;
        void *user = g->on_closed_user;
        recorder_free(g->recorder);
        free(g);
        if (on_closed)
                on_closed(user);
}

static void close_handles(void *user) {
        struct governor *g = user;
        uv_close((uv_handle_t *) &g->timer, on_handle_closed);
        uv_close((uv_handle_t *) &g->after, on_handle_closed);
}

void governor_close(struct governor *g, void (*on_closed)(void *user), void *user) {
        g->closing = true;
        g->on_closed = on_closed;
        g->on_closed_user = user;
        (void) uv_timer_stop(&g->timer);
        (void) uv_idle_stop(&g->after);
        fleet_govern_end(g->fleet);
        sensors_close(g->sensors, close_handles, g);
}

static int open_parts(struct governor *g) {
        const struct config *c = g->config;
        const struct sensors_config sensors = { .proc = c->proc_root ? c->proc_root : "/proc",
                                                .sys = c->sys_root ? c->sys_root : "/sys",
                                                .on_pressure = on_pressure,
                                                .user = g };
        g->limits = (struct limits){
                .reserve_bytes = c->reserve_bytes,
                .min_residency_ms = c->min_residency_ms,
                .heat_ignored = !c->heat_enabled,
                .margin_target_millidegrees = c->margin_target_millidegrees,
                .critical_default_millidegrees = c->critical_millidegrees,
        };
        int r = recorder_new(&g->limits, &g->recorder);
        if (r == 0)
                r = sensors_new(g->loop, &sensors, &g->sensors);
        if (r < 0)
                recorder_free(g->recorder);
        return r;
}

int governor_new(uv_loop_t *loop, const struct config *config, struct fleet *fleet, struct governor **ret) {
        struct governor *g = calloc(1, sizeof(*g));
        if (!g)
                return -ENOMEM;
        g->loop = loop;
        g->config = config;
        g->fleet = fleet;
        int r = open_parts(g);
        if (r < 0) {
                free(g);
                return r;
        }
        (void) uv_timer_init(loop, &g->timer);
        (void) uv_idle_init(loop, &g->after);
        g->timer.data = g->after.data = g;
        g->handles_open = GOVERNOR_HANDLES;
        g->plan.exhaustion_ms = UINT64_MAX;
        memset(&g->events, 0, sizeof(g->events)); /* its pages are there */
        observe(g);
        rehearse(g);
        lock_memory(g);
        tick(g);
        *ret = g;
        return 0;
}

const struct plan *governor_plan(const struct governor *g) {
        return &g->plan;
}

const struct snapshot *governor_snapshot(const struct governor *g) {
        return &g->snapshot;
}

uint64_t governor_tick_age_ms(const struct governor *g) {
        return sat_sub(fleet_clock_ms(), g->last_tick_ms);
}

struct recorder *governor_record(const struct governor *g) {
        return recorder_copy(g->recorder);
}
