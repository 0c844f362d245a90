/*
 * policy.c - one look, one plan.
 *
 * Assess (headroom, forecast, pressure), judge what was promised, ask the ladder how far it may go and for how much, have the
 * actions chosen, then answer those who wait to be loaded, and say when to look again. Each part has a file of its own; this one only puts them in order.
 */
#include "policy/policy.h"

#include <assert.h>
#include <string.h>

#include "policy/admission/hours.h"
#include "policy/admission/loads.h"
#include "policy/memory/choose_actions.h"
#include "policy/memory/forecast.h"
#include "policy/memory/hold.h"
#include "policy/memory/ladder.h"
#include "policy/memory/verification.h"
#include "policy/memory/pressure.h"
#include "policy/memory/recovery.h"
#include "policy/state/remember.h"
#include "policy/base/sat.h"
#include "policy/heat/thermal.h"

/* The situation at one look, as far as it has been assessed. */
struct assessment {
        const struct limits *limits;
        const struct snapshot *snapshot;
        struct past *past;
        struct model_past *pasts[ACCOUNTS_MAX];
        struct headroom headroom;
        struct forecast forecast;
        struct pressure pressure;
        struct demand demand;
};

/* Counters lag after a stall: acting on them again at once makes a kill storm. Headroom, H, does not lag. */
static bool stall_settles(const struct assessment *a) {
        bool only_stall = a->demand.stall && !a->demand.falls;
        return only_stall && a->snapshot->now_ms < a->past->settling.stall_until_ms;
}

/* The last resort waits until nothing milder is left, and nothing milder is still under way. */
static enum rung choose_actions(struct assessment *a, struct plan *plan) {
        struct need need = a->demand.need;
        enum rung limit = need.limit;
        if (limit == RUNG_LAST)
                need.limit = stall_settles(a) ? RUNG_SHRINK : RUNG_SUSPEND;
        enum rung rung = policy_choose_actions(a->limits, a->snapshot, &need, a->past, a->pasts, plan);
        bool waits = policy_is_expected(&a->past->settling, ACTION_NONE, UINT32_MAX) && a->forecast.cliff_ms >= END_AT_ONCE_MS;
        if (limit != RUNG_LAST || rung > RUNG_CALM || waits || stall_settles(a))
                return rung;
        need.limit = RUNG_LAST;
        return policy_choose_actions(a->limits, a->snapshot, &need, a->past, a->pasts, plan);
}

/* May another action be planned, or does the last one still have to show? */
static bool may_act(const struct assessment *a) {
        if (a->demand.falls && a->forecast.goes_on && a->forecast.exhaustion_ms < EXHAUSTION_LAST_MS)
                return true;
        if (policy_is_settling(&a->past->settling, a->snapshot->now_ms))
                return false;
        return a->headroom.bytes < 0 || !stall_settles(a);
}

static void expect(struct assessment *a, const struct plan *plan, uint32_t first) {
        policy_expect(&a->past->settling, a->snapshot, &a->headroom, a->forecast.slope_per_ms, a->pasts, plan, first,
                      a->demand.stall);
}

static void act(struct assessment *a, struct plan *plan) {
        struct past *past = a->past;
        enum rung rung = a->demand.rung;
        if (a->demand.need.limit > RUNG_CALM && a->demand.need.bytes > 0 && may_act(a)) {
                enum rung acted = choose_actions(a, plan);
                rung = acted > rung ? acted : rung;
                plan->emergency = a->demand.need.hurry || acted >= RUNG_SUSPEND;
        }
        policy_climb(&past->ladder, a->limits, a->snapshot, &a->headroom, &a->forecast, &a->demand, rung);
        plan->rung = past->ladder.rung;
        plan->because = past->ladder.because;
        if (plan->rung == RUNG_CALM && !policy_is_settling(&past->settling, a->snapshot->now_ms)) {
                bool flapping = policy_recover(a->limits, a->snapshot, &a->headroom, past, a->pasts, plan);
                plan->because = flapping ? REASON_FLAPPING : plan->because;
        }
        expect(a, plan, 0);
}

static bool nothing_is_loaded(const struct snapshot *snapshot) {
        return snapshot->models_count == 0;
}

static bool somebody_runs(const struct snapshot *snapshot) {
        for (uint32_t i = 0; i < snapshot->models_count; i++) {
                if (snapshot->models[i].running > 0)
                        return true;
        }
        return false;
}

/* So often that fast growth is seen before it is over. */
static uint64_t look_while_running_after(const struct headroom *headroom) {
        uint64_t way = headroom->cliff_bytes > 0 ? (uint64_t) headroom->cliff_bytes : 0;
        return u64_max(LOOK_RUNNING_MS, way / (LOOKS_TO_CLIFF * LOOK_GROWTH_PER_MS));
}

/* The first reason is the one that is told. */
static void hold_batch(struct plan *plan, bool held, enum reason because) {
        if (!held || plan->hold_batch)
                return;
        plan->hold_batch = true;
        plan->batch_because = because;
}

static void keep_hours(const struct assessment *a, struct plan *plan) {
        uint64_t open_in_ms = policy_hours_open_in_ms(a->limits, a->snapshot->day_minute);
        hold_batch(plan, open_in_ms > 0, REASON_BATCH_HOURS);
        plan->batch_opens_ms = plan->batch_because == REASON_BATCH_HOURS ? sat_add(a->snapshot->now_ms, open_in_ms) : UINT64_MAX;
}

static void cool(const struct assessment *a, struct plan *plan) {
        struct heat heat = policy_thermal(&a->past->thermal, a->limits, a->snapshot);
        plan->heat_level = heat.level;
        plan->duty_permille = heat.duty_permille;
        plan->threads_permille = heat.threads_permille;
        plan->heat_because = heat.because;
        plan->heat_sensor = heat.sensor;
        plan->stuck_count = heat.stuck_count;
        memcpy(plan->stuck, heat.stuck, heat.stuck_count * sizeof(*plan->stuck));
        hold_batch(plan, heat.hold_batch, REASON_TOO_HOT);
        plan->margin_millidegrees = heat.margin_millidegrees;
        plan->millidegrees = heat.millidegrees;
}

static uint64_t look_again_after(const struct assessment *a, const struct plan *plan) {
        uint64_t have = a->headroom.bytes > 0 ? (uint64_t) a->headroom.bytes : 0;
        uint64_t ms = have / LOOK_BYTES_PER_MS;
        ms = ms < LOOK_MIN_MS ? LOOK_MIN_MS : u64_min(ms, LOOK_MAX_MS);
        if (a->forecast.flat_ms >= STILL_MS)
                ms = u64_max(ms, LOOK_STILL_MS);
        else if (a->forecast.flat_ms >= FLAT_MS)
                ms = u64_max(ms, LOOK_FLAT_MS);
        if (plan->rung == RUNG_CALM && a->forecast.flat_ms >= FLAT_MS && ms == LOOK_MAX_MS)
                ms = nothing_is_loaded(a->snapshot) ? LOOK_EMPTY_MS : LOOK_CALM_MS;
        if (somebody_runs(a->snapshot))
                ms = u64_min(ms, look_while_running_after(&a->headroom));
        /* Headroom seems to decline, though that is not sure yet. */
        bool suspicious = (double) have < -a->forecast.slope_per_ms * EXHAUSTION_EVICT_MS && a->forecast.flat_ms < FLAT_MS;
        if (policy_is_expected(&a->past->settling, ACTION_NONE, UINT32_MAX) || a->demand.need.worsens || suspicious)
                ms = u64_min(ms, LOOK_ACTING_MS);
        if (a->snapshot->pressure_event)
                ms = u64_min(ms, LOOK_SOON_MS);
        if (a->forecast.unconfirmed)
                ms = u64_min(ms, a->forecast.confirm_ms);
        return ms;
}

/* A look that was no sample does not put the next one off. */
static uint64_t look_again(const struct assessment *a, const struct plan *plan) {
        struct forecast_past *f = &a->past->forecast;
        uint64_t at_ms = sat_add(a->snapshot->now_ms, look_again_after(a, plan));
        if (f->at_ms != a->snapshot->now_ms && f->asked_ms > a->snapshot->now_ms)
                at_ms = u64_min(at_ms, f->asked_ms);
        f->asked_ms = at_ms;
        for (uint32_t i = 0; i < plan->loads_count; i++)
                at_ms = u64_min(at_ms, plan->loads[i].look_again_ms);
        return at_ms;
}

static void tell_numbers(const struct assessment *a, struct plan *plan) {
        plan->headroom_bytes = a->headroom.bytes;
        double slope_per_s = a->forecast.slope_per_ms * 1000;
        plan->slope_bytes_per_s =
                slope_per_s < 0 ? -(int64_t) sat_from_double(-slope_per_s) : (int64_t) sat_from_double(slope_per_s);
        plan->exhaustion_ms = a->forecast.exhaustion_ms;
        plan->cliff_ms = a->forecast.cliff_ms;
        plan->stall_permille = a->pressure.stall_permille;
        plan->refaults_per_s = a->pressure.refaults_per_s;
        plan->swapins_per_s = a->pressure.swapins_per_s;
}

void policy_decide(const struct limits *limits, const struct snapshot *snapshot, struct past *past, struct plan *ret) {
        struct assessment a = { .limits = limits, .snapshot = snapshot, .past = past };
        assert(snapshot->now_ms >= past->last_ms);
        *ret = (struct plan){ 0 };
        policy_remember(past, snapshot, a.pasts);
        a.headroom = policy_headroom(limits, snapshot);
        a.forecast = policy_forecast(&past->forecast, snapshot, &a.headroom);
        a.pressure = policy_pressure(&past->pressure, snapshot, &a.headroom, a.pasts);
        policy_verify(&past->settling, snapshot, &a.headroom, a.pasts, ret);
        uint64_t returning = policy_returning_bytes(&past->settling, snapshot, a.pasts);
        a.demand = policy_demand(&past->ladder, limits, snapshot, &a.headroom, &a.forecast, &a.pressure, returning);
        act(&a, ret);
        policy_hold(snapshot, &a.headroom, &a.forecast, &past->ladder, ret);
        cool(&a, ret);
        keep_hours(&a, ret);
        uint32_t acts = ret->actions_count;
        policy_loads(limits, snapshot, &past->loads, ret);
        expect(&a, ret, acts);
        tell_numbers(&a, ret);
        ret->look_again_ms = look_again(&a, ret);
        past->looks++;
        past->last_ms = snapshot->now_ms;
}
