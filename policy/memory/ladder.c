/* ladder.c - triggers, and how long a rung is held. */
#include "policy/memory/ladder.h"

#include <stddef.h>

#include "policy/base/sat.h"

/* Bytes to free so that exhaustion is HORIZON away again. */
static uint64_t missing(int64_t headroom, double sure_per_ms, uint64_t horizon_ms) {
        return u64_max(sat_from_double(-sure_per_ms * (double) horizon_ms - (double) headroom), 1);
}

/* A trigger of the ladder: how far up it allows actions, where it makes us stand, how far it wants exhaustion to be. */
struct trigger {
        enum rung limit, rung;
        uint64_t horizon_ms;
};

/* The trigger that reaches furthest up decides; of equals, the first. True: it does. */
static bool pull(struct demand *d, const struct trigger *trigger, enum reason because, int64_t headroom, double sure_per_ms) {
        if (trigger->limit <= d->need.limit)
                return false;
        d->rung = trigger->rung;
        d->need.limit = trigger->limit;
        d->need.because = because;
        d->need.bytes = missing(headroom, sure_per_ms, trigger->horizon_ms);
        return true;
}

/* Twice the rung's own threshold is what its actions should buy. */
static void answer_forecast(struct demand *d, const struct headroom *h, const struct forecast *f, const struct lead *lead) {
        const struct {
                uint64_t below_ms;
                struct trigger trigger;
        } steps[] = {
                { EXHAUSTION_TRIM_MS, { RUNG_TRIM, RUNG_TRIM, 2 * EXHAUSTION_TRIM_MS } },
                { EXHAUSTION_HOLD_MS, { RUNG_HOLD, RUNG_HOLD, 2 * EXHAUSTION_HOLD_MS } },
                { EXHAUSTION_EVICT_MS, { RUNG_EVICT, RUNG_HOLD, 2 * EXHAUSTION_EVICT_MS } },
                { u64_max(EXHAUSTION_DOWNSHIFT_MS, lead->gently_ms), { RUNG_SHRINK, RUNG_HOLD, 2 * EXHAUSTION_DOWNSHIFT_MS } },
        };
        if (!f->news)
                return;
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
                if (f->exhaustion_ms < steps[k].below_ms)
                        pull(d, &steps[k].trigger, REASON_FORECAST, h->bytes, f->sure_per_ms);
        }
        d->need.hurry = f->goes_on && f->exhaustion_ms < u64_max(EXHAUSTION_LAST_MS, lead->at_once_ms);
        if (f->cliff_ms < EXHAUSTION_LAST_MS && f->goes_on)
                pull(d, &(struct trigger){ RUNG_LAST, RUNG_HOLD, 2 * EXHAUSTION_LAST_MS }, REASON_FORECAST, h->bytes,
                     f->sure_per_ms);
}

static bool is_eaten(const struct limits *limits, const struct headroom *h) {
        return h->bytes < -(int64_t) (limits->reserve_bytes / BREACH_PART);
}

static bool reserve_is_eaten(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot,
                             const struct headroom *h) {
        if (snapshot->memory_blind)
                return false;
        if (!is_eaten(limits, h)) {
                l->breach_looks = 0;
                return false;
        }
        if (l->breach_looks++ == 0)
                l->breach_ms = snapshot->now_ms;
        return l->breach_looks >= BREACH_LOOKS && snapshot->now_ms - l->breach_ms >= BREACH_MS;
}

/* Next to nothing before the cliff, for more than a blink. */
static bool is_scarce(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot, const struct headroom *h) {
        if (snapshot->memory_blind)
                return false;
        if (h->cliff_bytes >= (int64_t) u64_min(limits->reserve_bytes / SCARCE_PART, INT64_MAX)) {
                l->scarce_looks = 0;
                return false;
        }
        if (l->scarce_looks == 0 || snapshot->now_ms - l->scarce_ms >= LOOK_LEAST_MS) {
                l->scarce_looks = (uint32_t) sat_add(l->scarce_looks, 1);
                l->scarce_ms = snapshot->now_ms;
        }
        return l->scarce_looks >= SCARCE_LOOKS;
}

/*
 * A stall inside the limit of one engine's own group is helped by that engine alone, and no engine is ended for it: it hurts only
 * itself; trouble of the whole machine goes first. One that has stood still for half a minute under a memory.high is ended: it
 * would for ever.
 */
static void answer_pressure(struct demand *d, const struct headroom *h, const struct forecast *f, const struct pressure *p) {
        static const struct trigger mild = { RUNG_SHRINK, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS },
                                    own = { RUNG_SUSPEND, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS },
                                    cliff = { RUNG_LAST, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS };
        d->stall = p->stall || p->livelock;
        bool pulled = false, alone = p->livelock || p->own_only;
        if (alone && d->need.limit >= RUNG_EVICT)
                return;
        if (p->livelock)
                pulled = pull(d, p->hopeless ? &cliff : &own, REASON_LIVELOCK, h->bytes, f->sure_per_ms);
        else if (p->thrash)
                pulled = pull(d, p->own_only ? &own : &cliff, REASON_THRASH, h->bytes, f->sure_per_ms);
        else if (p->stall)
                pulled = pull(d, &mild, REASON_STALL, h->bytes, f->sure_per_ms);
        if (!pulled)
                return;
        d->need.bytes = u64_max(d->need.bytes,
                                sat_mul(sat_mul(sat_add(p->refaults_per_s, p->swapins_per_s), PAGE_BYTES), STALL_HORIZON_S));
        if (alone)
                d->need.only = p->livelock ? p->model : p->stalled;
}

/*
 * Bytes that an engine with requests must give to be ended. A growth that has taken much will take more, and one that has just begun may
 * be over at once. An engine that stands still in its own group is ended for itself.
 */
static uint64_t worth_an_end(const struct need *need, const struct snapshot *snapshot, const struct forecast *forecast) {
        if (need->only != UINT32_MAX)
                return 0;
        uint64_t lasting = sat_from_double(-forecast->sure_per_ms * END_LASTS_MS);
        return u64_max(policy_material_bytes(snapshot), u64_min(lasting, forecast->fallen_bytes / END_FALLEN_PART));
}

/* Until nothing is left but what the box needs itself, what is on its way back included. */
static uint64_t relieved_ms(const struct limits *limits, const struct snapshot *snapshot, const struct headroom *headroom,
                            double sure_per_ms, uint64_t returning_bytes) {
        uint64_t kept =
                u64_max(limits->reserve_bytes / SCARCE_PART, u64_min(snapshot->ram_bytes / END_KEPT_PART, END_KEPT_BYTES));
        int64_t relieved = headroom->cliff_bytes + (int64_t) u64_min(returning_bytes, INT64_MAX / 4) -
                           (int64_t) u64_min(kept, INT64_MAX / 4);
        return policy_time_left(relieved, sure_per_ms);
}

struct demand policy_demand(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot,
                            const struct headroom *headroom, const struct forecast *forecast, const struct pressure *pressure,
                            uint64_t returning_bytes) {
        struct demand d = { .need.only = UINT32_MAX, .falls = forecast->news };
        bool scarce = is_scarce(l, limits, snapshot, headroom), eaten = reserve_is_eaten(l, limits, snapshot, headroom);
        struct lead lead = policy_lead(snapshot);
        answer_forecast(&d, headroom, forecast, &lead);
        bool near = forecast->news && forecast->goes_on && forecast->cliff_ms < 2 * EXHAUSTION_LAST_MS;
        if (scarce && (pressure->stall || near)) {
                static const struct trigger nothing_left = { RUNG_LAST, RUNG_HOLD, EXHAUSTION_LAST_MS };
                pull(&d, &nothing_left, REASON_RESERVE, headroom->bytes, forecast->sure_per_ms);
        }
        if (eaten) {
                static const struct trigger defend = { RUNG_DOWNSHIFT, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS };
                pull(&d, &defend, REASON_RESERVE, headroom->bytes, forecast->sure_per_ms);
        }
        answer_pressure(&d, headroom, forecast, pressure);
        d.need.worsens = d.falls || d.stall;
        d.need.beyond = eaten && headroom->cliff_bytes < 0;
        d.need.end_bytes_least = worth_an_end(&d.need, snapshot, forecast);
        d.need.bytes = sat_sub(d.need.bytes, returning_bytes);
        if (d.need.because == REASON_FORECAST)
                d.need.relieved_ms = relieved_ms(limits, snapshot, headroom, forecast->sure_per_ms, returning_bytes);
        return d;
}

uint64_t policy_room_to_spare(const struct limits *limits, const struct snapshot *snapshot) {
        return 2 * u64_min(limits->reserve_bytes, snapshot->ram_bytes / ROOMY_RAM_PART);
}

void policy_climb(struct ladder *l, const struct limits *limits, const struct snapshot *snapshot, const struct headroom *headroom,
                  const struct forecast *forecast, const struct demand *demand, enum rung rung) {
        bool stays = demand->rung > RUNG_CALM || snapshot->memory_blind ||
                     (forecast->news && forecast->exhaustion_ms < EXHAUSTION_CALM_MS) || is_eaten(limits, headroom);
        if (l->demand_ms == 0)
                l->calm_ms = l->demand_ms = snapshot->now_ms;
        if (stays)
                l->demand_ms = snapshot->now_ms;
        if (rung > l->rung) {
                l->rung = rung;
                l->because = demand->need.because;
                l->demand_ms = snapshot->now_ms;
        }
        if (l->rung == RUNG_CALM)
                return;
        uint64_t quiet_ms = snapshot->now_ms - l->demand_ms;
        bool roomy = headroom->bytes >= (int64_t) u64_min(policy_room_to_spare(limits, snapshot), INT64_MAX);
        if (quiet_ms >= (roomy ? RECOVERY_MS : RECOVERY_TIGHT_MS)) {
                l->rung = RUNG_CALM;
                l->because = REASON_CALM;
                l->calm_ms = snapshot->now_ms;
        }
}
