/*
 * tick.c - the one tick of the daemon: observe, decide, act, record; then the models' own part.
 *
 * The box is looked at when policy said so, when the kernel tells of pressure, when a model changed its state, and while one
 * waits for memory; any other tick (a request, a frame, a deadline) is the models' part alone. The clock is read once, before.
 *
 * Nothing up to the record allocates, opens, or waits while the plan is an emergency: the snapshot, the plan, the rings and
 * the descriptors are there from the start, and what is to be said about it is said when it is done (an idle handle, in
 * the same turn of the loop).
 */
#include <time.h>

#include "daemon/base/bounds.h"
#include "daemon/governor/internal.h"
#include "daemon/models/admit.h"
#include "daemon/models/apply.h"
#include "daemon/models/view.h"
#include "daemon/state/tick.h"
#include "policy/base/bounds.h"
#include "policy/base/sat.h"

/* --- observe --- */

/* Now, or within the last second: between two requests of one client there is no rest. */
static bool anything_ran(const struct governor *g) {
        for (uint32_t i = 0; i < g->snapshot.models_count; i++)
                if (g->snapshot.models[i].running > 0 || g->snapshot.models[i].rate > 0)
                        return true;
        return false;
}

/* Sensors are slow and so is heat: once a second where something warms the box, else seldom. */
static uint64_t heat_period(const struct governor *g) {
        return g->plan.heat_level > 0 || anything_ran(g) ? SENSORS_WARM_MS : SENSORS_IDLE_MS;
}

/* Where the kernel does not tell how busy the box is, what our engines may do of it. */
static uint32_t own_pace(const struct governor *g) {
        return anything_ran(g) ? g->plan.duty_permille * g->plan.threads_permille / 1000 : 0;
}

/* Asked for where it counts alone. */
static uint32_t minute_of_day(const struct limits *l) {
        time_t now = time(NULL);
        struct tm local;
        if (l->batch_from_minute == l->batch_until_minute || !localtime_r(&now, &local))
                return MINUTES_OF_DAY;
        return (uint32_t) (local.tm_hour * 60 + local.tm_min);
}

void governor_observe(struct governor *g, uint64_t now_ms) {
        g->snapshot.now_ms = now_ms;
        g->snapshot.day_minute = minute_of_day(&g->limits);
        sensors_observe(g->sensors, now_ms, &g->snapshot);
        fleet_view(g->fleet, &g->snapshot);
        sensors_refresh_heat(g->sensors, now_ms, heat_period(g));
        if (g->snapshot.load_permille == LOAD_UNKNOWN && !sensors_tell_load(g->sensors))
                g->snapshot.load_permille = own_pace(g);
}

/* --- act --- */

/* In an emergency nothing but its actions, and where there are none (it is switched off) the loads as ever. */
static void act(struct governor *g) {
        if (g->config->governor_enabled) {
                governor_note_actions(g);
                fleet_tell_heat(g->fleet, governor_heat(g).text);
                fleet_obey(g->fleet, &g->plan);
        } else {
                fleet_obey_pools(g->fleet, &g->plan);
        }
        if (!g->plan.emergency || !g->config->governor_enabled)
                fleet_admit(g->fleet, &g->plan);
        governor_note_changes(g);
}

/* --- the tick --- */

void governor_look(struct governor *g, uint64_t now_ms, bool for_loads) {
        g->pressure = false;
        governor_observe(g, now_ms);
        g->snapshot.for_loads = for_loads;
        policy_decide(&g->limits, &g->snapshot, &g->past, &g->plan);
        act(g);
        recorder_add(g->recorder, &g->snapshot, &g->plan);
        g->looks++;
        g->looked_ms = now_ms;
        (void) uv_idle_start(&g->after, governor_on_after);
}

static bool is_due(const struct governor *g, uint64_t now_ms) {
        return g->pressure || now_ms >= g->plan.look_again_ms;
}

static bool refused_a_load(const struct plan *p) {
        for (uint32_t i = 0; i < p->loads_count; i++)
                if (p->loads[i].refused)
                        return true;
        return false;
}

/*
 * Looks closer together than policy can tell apart are made only for a change, and not right after a refusal: a client that asks over
 * and over for a model that never fits would push the night's incident out of the recorder in seconds.
 */
static bool is_due_for_loads(const struct governor *g, uint64_t now_ms) {
        if (now_ms >= g->looked_ms + LOOK_LEAST_MS)
                return fleet_changed(g->fleet) || fleet_waits(g->fleet);
        return fleet_changed(g->fleet) && !refused_a_load(&g->plan);
}

void governor_tick(void *user, uint64_t now_ms) {
        struct governor *g = user;
        bool is_asked_for = is_due(g, now_ms);
        if (is_asked_for || is_due_for_loads(g, now_ms))
                governor_look(g, now_ms, !is_asked_for);
        else if (fleet_waits(g->fleet) || fleet_changed(g->fleet))
                fleet_due(g->fleet, g->looked_ms + LOOK_LEAST_MS);
        fleet_tick(g->fleet);
        fleet_due(g->fleet, g->plan.look_again_ms);
}
