/*
 * governor.c - the governor's life: its sensors, its rings, its rehearsal of an emergency, and that it stays in memory.
 */
#include "daemon/governor/governor.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/models/apply.h"
#include "daemon/models/tracing.h"
#include "daemon/governor/internal.h"
#include "daemon/state/account.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "daemon/system/mlock.h"
#include "policy/base/sat.h"

#define GOVERNOR_HANDLES 1

void governor_on_after(uv_idle_t *idle) {
        struct governor *g = idle->data;
        (void) uv_idle_stop(idle);
        governor_log(g);
        if (!g->plan.emergency) {
                governor_log_sources(g);
                governor_tell_systemd(g);
        }
}

/* The sensors give notice at most every 100 ms. */
static void on_pressure(void *user) {
        struct governor *g = user;
        if (g->closing)
                return;
        g->pressure = true;
        fleet_poke(g->fleet);
}

/* --- life --- */

/*
 * Goes through an emergency on paper: a box whose memory falls to nothing within a few looks, a past of its own. The pages
 * that this touches (code, stack, tables) are in memory afterwards, and stay there.
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
                            LOG_TEXT("effect", "the daemon itself may be slow to act when memory is gone"),
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
        uv_close((uv_handle_t *) &g->after, on_handle_closed);
}

void governor_close(struct governor *g, void (*on_closed)(void *user), void *user) {
        g->closing = true;
        g->on_closed = on_closed;
        g->on_closed_user = user;
        (void) uv_idle_stop(&g->after);
        fleet_govern_end(g->fleet);
        fleet_on_trace(g->fleet, NULL, NULL);
        sensors_close(g->sensors, close_handles, g);
}

void governor_reconfigure(struct governor *g) {
        struct limits limits = fleet_limits(g->config);
        struct recorder *recorder;
        if (!memcmp(&limits, &g->limits, sizeof(limits)) || recorder_new(&limits, &recorder) < 0)
                return;
        recorder_free(g->recorder);
        g->recorder = recorder;
        g->limits = limits;
        fleet_poke(g->fleet);
}

static int open_parts(struct governor *g) {
        const struct config *c = g->config;
        const struct sensors_config sensors = { .proc = c->proc_root ? c->proc_root : "/proc",
                                                .sys = c->sys_root ? c->sys_root : "/sys",
                                                .ignored = c->ignored_sensors,
                                                .trusted = c->trusted_sensors,
                                                .on_pressure = on_pressure,
                                                .user = g };
        g->limits = fleet_limits(c);
        int r = recorder_new(&g->limits, &g->recorder);
        if (r == 0)
                r = sensors_new(g->loop, &sensors, &g->sensors);
        if (r < 0)
                recorder_free(g->recorder);
        return r;
}

static const struct governed governed = { .on_tick = governor_tick,
                                          .on_action = governor_on_action,
                                          .on_note = governor_on_note };

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
        (void) uv_idle_init(loop, &g->after);
        g->after.data = g;
        g->handles_open = GOVERNOR_HANDLES;
        fleet_on_trace(fleet, governor_on_trace, g);
        g->plan.exhaustion_ms = UINT64_MAX;
        memset(&g->events, 0, sizeof(g->events)); /* their pages are there */
        memset(g->candidates, 0, sizeof(g->candidates));
        governor_observe(g, fleet_clock_ms());
        rehearse(g);
        lock_memory(g);
        fleet_govern(fleet, &governed, g);
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
        return sat_sub(fleet_clock_ms(), g->looked_ms);
}

struct recorder *governor_record(const struct governor *g) {
        return recorder_copy(g->recorder);
}
