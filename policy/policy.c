/*
 * policy.c - one look, one plan.
 *
 * Look (headroom, forecast, pressure), judge what was promised, ask the ladder how far it may go and for how much, have the
 * acts chosen, and say when to look again. Each part has a file of its own; this one only puts them in order.
 */
#include "policy/policy.h"

#include <assert.h>

#include "policy/memory/choose_actions.h"
#include "policy/memory/forecast.h"
#include "policy/memory/ladder.h"
#include "policy/memory/verification.h"
#include "policy/memory/pressure.h"
#include "policy/memory/recovery.h"
#include "policy/state/remember.h"
#include "policy/base/sat.h"
#include "policy/heat/thermal.h"

/* All that is known at one look. */
struct look {
        const struct limits *limits;
        const struct seen *seen;
        struct past *past;
        struct model_past *pasts[ACCOUNTS_MAX];
        struct headroom headroom;
        struct outlook outlook;
        struct distress distress;
        struct trouble trouble;
};

/* Counters lag after a stall: acting on them again at once makes a kill storm. What H says does not lag. */
static bool stall_settles(const struct look *l) {
        bool only_stall = l->trouble.stall && !l->trouble.falls;
        return only_stall && l->seen->now_ms < l->past->settling.stall_until_ms;
}

/* The last resort waits until nothing milder is left, and nothing milder is still under way. */
static enum rung relieve(struct look *l, struct plan *plan) {
        struct need need = l->trouble.need;
        enum rung limit = need.limit;
        if (limit == RUNG_LAST)
                need.limit = stall_settles(l) ? RUNG_SHRINK : RUNG_SUSPEND;
        enum rung rung = policy_relief(l->limits, l->seen, &need, l->past, l->pasts, plan);
        bool waits = policy_is_promised(&l->past->settling, ACT_NONE, UINT32_MAX) && l->outlook.cliff_ms >= END_AT_ONCE_MS;
        if (limit != RUNG_LAST || rung > RUNG_CALM || waits || stall_settles(l))
                return rung;
        need.limit = RUNG_LAST;
        return policy_relief(l->limits, l->seen, &need, l->past, l->pasts, plan);
}

/* May another act be planned, or does the last one still have to show? */
static bool may_act(const struct look *l) {
        if (l->trouble.falls && l->outlook.exhaustion_ms < EXHAUSTION_LAST_MS)
                return true;
        if (policy_is_settling(&l->past->settling, l->seen->now_ms))
                return false;
        return l->headroom.bytes < 0 || !stall_settles(l);
}

static void act(struct look *l, struct plan *plan) {
        struct past *past = l->past;
        enum rung rung = l->trouble.rung;
        if (l->trouble.need.limit > RUNG_CALM && l->trouble.need.bytes > 0 && may_act(l)) {
                enum rung acted = relieve(l, plan);
                rung = acted > rung ? acted : rung;
                plan->emergency = l->trouble.need.hurry || acted >= RUNG_SUSPEND;
        }
        policy_climb(&past->ladder, l->limits, l->seen, &l->headroom, &l->outlook, &l->trouble, rung);
        plan->rung = past->ladder.rung;
        plan->because = past->ladder.because;
        if (plan->rung == RUNG_CALM && !policy_is_settling(&past->settling, l->seen->now_ms)) {
                bool flapping = policy_release(l->limits, l->seen, &l->headroom, past, l->pasts, plan);
                plan->because = flapping ? REASON_FLAPPING : plan->because;
        }
        policy_promise(&past->settling, l->seen, &l->headroom, l->outlook.slope_per_ms, l->pasts, plan, 0, l->trouble.stall);
}

static bool nothing_is_loaded(const struct seen *seen) {
        return seen->models_count == 0;
}

static bool nothing_runs(const struct seen *seen) {
        for (uint32_t i = 0; i < seen->models_count; i++) {
                if (seen->models[i].state != ACCOUNT_IDLE)
                        return false;
        }
        return true;
}

static void hold(const struct look *l, struct plan *plan) {
        bool held = plan->rung >= RUNG_HOLD;
        if (!held && l->outlook.jump) {
                /* Until the next look knows more. */
                plan->rung = RUNG_HOLD;
                plan->because = REASON_JUMP;
                held = true;
        }
        /* Where nothing runs, one model may be loaded: admission still asks for room, and somebody must be served. */
        bool first = nothing_runs(l->seen) && l->headroom.bytes > 0 &&
                     l->seen->now_ms - l->past->ladder.trouble_ms >= RELEASE_LOADS_MS;
        plan->hold_loads = held && !first;
        plan->hold_growth = held;
        plan->hold_batch = held;
}

static void cool(const struct look *l, struct plan *plan) {
        struct heat heat = policy_thermal(&l->past->thermal, l->limits, l->seen);
        plan->heat_level = heat.level;
        plan->duty_permille = heat.duty_permille;
        plan->threads_permille = heat.threads_permille;
        plan->heat_because = heat.because;
        plan->hold_batch = plan->hold_batch || heat.hold_batch;
        plan->margin_millidegrees = heat.margin_millidegrees;
        plan->millidegrees = heat.millidegrees;
}

static uint64_t look_again_after(const struct look *l, const struct plan *plan) {
        uint64_t have = l->headroom.bytes > 0 ? (uint64_t) l->headroom.bytes : 0;
        uint64_t ms = have / LOOK_BYTES_PER_MS;
        ms = ms < LOOK_MIN_MS ? LOOK_MIN_MS : u64_min(ms, LOOK_MAX_MS);
        if (l->outlook.flat_ms >= STILL_MS)
                ms = u64_max(ms, LOOK_STILL_MS);
        else if (l->outlook.flat_ms >= FLAT_MS)
                ms = u64_max(ms, LOOK_FLAT_MS);
        if (plan->rung == RUNG_CALM && l->outlook.flat_ms >= FLAT_MS && ms == LOOK_MAX_MS)
                ms = nothing_is_loaded(l->seen) ? LOOK_EMPTY_MS : LOOK_CALM_MS;
        /* It looks like a decline, though that is not sure yet. */
        bool suspicious = (double) have < -l->outlook.slope_per_ms * EXHAUSTION_EVICT_MS && l->outlook.flat_ms < FLAT_MS;
        if (policy_is_promised(&l->past->settling, ACT_NONE, UINT32_MAX) || l->trouble.need.worsens || suspicious)
                ms = u64_min(ms, LOOK_ACTING_MS);
        if (l->outlook.unconfirmed || l->seen->pressure_event)
                ms = u64_min(ms, LOOK_SOON_MS);
        return ms;
}

static void tell_numbers(const struct look *l, struct plan *plan) {
        plan->headroom_bytes = l->headroom.bytes;
        double slope_per_s = l->outlook.slope_per_ms * 1000;
        plan->slope_bytes_per_s =
                slope_per_s < 0 ? -(int64_t) sat_from_double(-slope_per_s) : (int64_t) sat_from_double(slope_per_s);
        plan->exhaustion_ms = l->outlook.exhaustion_ms;
        plan->cliff_ms = l->outlook.cliff_ms;
        plan->stall_permille = l->distress.stall_permille;
        plan->refaults_per_s = l->distress.refaults_per_s;
        plan->swapins_per_s = l->distress.swapins_per_s;
}

void policy_decide(const struct limits *limits, const struct seen *seen, struct past *past, struct plan *ret) {
        struct look l = { .limits = limits, .seen = seen, .past = past };
        assert(seen->now_ms >= past->last_ms);
        *ret = (struct plan){ 0 };
        policy_remember(past, seen, l.pasts);
        l.headroom = policy_headroom(limits, seen);
        l.outlook = policy_forecast(&past->forecast, seen, &l.headroom);
        l.distress = policy_pressure(&past->pressure, seen, &l.headroom, l.pasts);
        policy_judge(&past->settling, seen, &l.headroom, l.pasts, ret);
        uint64_t returning = policy_returning_bytes(&past->settling, seen, l.pasts);
        l.trouble = policy_trouble(&past->ladder, limits, seen, &l.headroom, &l.outlook, &l.distress, returning);
        act(&l, ret);
        hold(&l, ret);
        cool(&l, ret);
        tell_numbers(&l, ret);
        ret->look_again_ms = sat_add(seen->now_ms, look_again_after(&l, ret));
        past->looks++;
        past->last_ms = seen->now_ms;
}
