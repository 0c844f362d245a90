/* ladder.c - triggers, and how long a rung is held. */
#include "policy/memory/ladder.h"

#include <stddef.h>

#include "policy/base/sat.h"

/* What must be free so that exhaustion is HORIZON away again. */
static uint64_t missing(int64_t headroom, double sure_per_ms, uint64_t horizon_ms) {
        return u64_max(sat_from_double(-sure_per_ms * (double) horizon_ms - (double) headroom), 1);
}

/* A trigger of the ladder: how far up it allows acts, where it makes us stand, how far it wants exhaustion to be. */
struct trigger {
        enum rung limit, rung;
        uint64_t horizon_ms;
};

/* The trigger that reaches furthest up decides; of equals, the first. True: it does. */
static bool pull(struct trouble *t, const struct trigger *trigger, enum reason because, int64_t headroom, double sure_per_ms) {
        if (trigger->limit <= t->need.limit)
                return false;
        t->rung = trigger->rung;
        t->need.limit = trigger->limit;
        t->need.because = because;
        t->need.bytes = missing(headroom, sure_per_ms, trigger->horizon_ms);
        return true;
}

/* Twice the rung's own threshold is what its acts should buy. */
static void answer_forecast(struct trouble *t, const struct headroom *h, const struct outlook *o) {
        static const struct {
                uint32_t below_ms;
                struct trigger trigger;
        } steps[] = {
                { EXHAUSTION_TRIM_MS, { RUNG_TRIM, RUNG_TRIM, 2 * EXHAUSTION_TRIM_MS } },
                { EXHAUSTION_HOLD_MS, { RUNG_HOLD, RUNG_HOLD, 2 * EXHAUSTION_HOLD_MS } },
                { EXHAUSTION_EVICT_MS, { RUNG_EVICT, RUNG_HOLD, 2 * EXHAUSTION_EVICT_MS } },
                { EXHAUSTION_DOWNSHIFT_MS, { RUNG_SHRINK, RUNG_HOLD, 2 * EXHAUSTION_DOWNSHIFT_MS } },
        };
        if (!o->news)
                return;
        for (size_t k = 0; k < sizeof(steps) / sizeof(steps[0]); k++) {
                if (o->exhaustion_ms < steps[k].below_ms)
                        pull(t, &steps[k].trigger, REASON_FORECAST, h->bytes, o->sure_per_ms);
        }
        t->need.hurry = o->exhaustion_ms < EXHAUSTION_LAST_MS;
        if (o->cliff_ms < EXHAUSTION_LAST_MS)
                pull(t, &(struct trigger){ RUNG_LAST, RUNG_HOLD, 2 * EXHAUSTION_LAST_MS }, REASON_FORECAST, h->bytes,
                     o->sure_per_ms);
}

static bool is_eaten(const struct limits *limits, const struct headroom *h) {
        return h->bytes < -(int64_t) (limits->reserve_bytes / BREACH_PART);
}

static bool reserve_is_eaten(struct ladder *l, const struct limits *limits, const struct seen *seen, const struct headroom *h) {
        if (seen->memory_blind)
                return false;
        if (!is_eaten(limits, h)) {
                l->breach_looks = 0;
                return false;
        }
        if (l->breach_looks++ == 0)
                l->breach_ms = seen->now_ms;
        return l->breach_looks >= BREACH_LOOKS && seen->now_ms - l->breach_ms >= BREACH_MS;
}

/* Next to nothing before the cliff, for more than a blink. */
static bool is_scarce(struct ladder *l, const struct limits *limits, const struct seen *seen, const struct headroom *h) {
        if (seen->memory_blind)
                return false;
        bool scarce = h->cliff_bytes < (int64_t) u64_min(limits->reserve_bytes / SCARCE_PART, INT64_MAX);
        l->scarce_looks = scarce ? (uint32_t) sat_add(l->scarce_looks, 1) : 0;
        return l->scarce_looks >= SCARCE_LOOKS;
}

/*
 * A stall inside the limit of one engine's own group is helped by that engine alone, and nobody is ended for it: it hurts
 * only itself; what concerns the whole box goes first. One that has stood still for half a minute under a memory.high is ended: it would for ever.
 */
static void answer_distress(struct trouble *t, const struct headroom *h, const struct outlook *o, const struct distress *d) {
        static const struct trigger mild = { RUNG_SHRINK, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS },
                                    own = { RUNG_SUSPEND, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS },
                                    cliff = { RUNG_LAST, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS };
        t->stall = d->stall || d->livelock;
        bool pulled = false, alone = d->livelock || d->own_only;
        if (alone && t->need.limit >= RUNG_EVICT)
                return;
        if (d->livelock)
                pulled = pull(t, d->hopeless ? &cliff : &own, REASON_LIVELOCK, h->bytes, o->sure_per_ms);
        else if (d->thrash)
                pulled = pull(t, d->own_only ? &own : &cliff, REASON_THRASH, h->bytes, o->sure_per_ms);
        else if (d->stall)
                pulled = pull(t, &mild, REASON_STALL, h->bytes, o->sure_per_ms);
        if (!pulled)
                return;
        t->need.bytes = u64_max(t->need.bytes,
                                sat_mul(sat_mul(sat_add(d->refaults_per_s, d->swapins_per_s), PAGE_BYTES), STALL_HORIZON_S));
        if (alone)
                t->need.only = d->livelock ? d->model : d->stalled;
}

struct trouble policy_trouble(struct ladder *l, const struct limits *limits, const struct seen *seen,
                              const struct headroom *headroom, const struct outlook *outlook, const struct distress *distress,
                              uint64_t returning_bytes) {
        struct trouble t = { .need.only = UINT32_MAX, .falls = outlook->news };
        bool scarce = is_scarce(l, limits, seen, headroom), eaten = reserve_is_eaten(l, limits, seen, headroom);
        answer_forecast(&t, headroom, outlook);
        if (scarce && (distress->stall || outlook->news)) {
                static const struct trigger nothing_left = { RUNG_LAST, RUNG_HOLD, EXHAUSTION_LAST_MS };
                pull(&t, &nothing_left, REASON_RESERVE, headroom->bytes, outlook->sure_per_ms);
        }
        if (eaten) {
                static const struct trigger defend = { RUNG_DOWNSHIFT, RUNG_HOLD, EXHAUSTION_DOWNSHIFT_MS };
                pull(&t, &defend, REASON_RESERVE, headroom->bytes, outlook->sure_per_ms);
        }
        answer_distress(&t, headroom, outlook, distress);
        t.need.worsens = t.falls || t.stall;
        t.need.beyond = eaten && headroom->cliff_bytes < 0;
        t.need.bytes = sat_sub(t.need.bytes, returning_bytes);
        return t;
}

uint64_t policy_room_to_spare(const struct limits *limits, const struct seen *seen) {
        return 2 * u64_min(limits->reserve_bytes, seen->ram_bytes / ROOMY_RAM_PART);
}

void policy_climb(struct ladder *l, const struct limits *limits, const struct seen *seen, const struct headroom *headroom,
                  const struct outlook *outlook, const struct trouble *trouble, enum rung rung) {
        bool stays = trouble->rung > RUNG_CALM || seen->memory_blind ||
                     (outlook->news && outlook->exhaustion_ms < EXHAUSTION_CALM_MS) || is_eaten(limits, headroom);
        if (l->trouble_ms == 0)
                l->calm_ms = l->trouble_ms = seen->now_ms;
        if (stays)
                l->trouble_ms = seen->now_ms;
        if (rung > l->rung) {
                l->rung = rung;
                l->because = trouble->need.because;
                l->trouble_ms = seen->now_ms;
        }
        if (l->rung == RUNG_CALM)
                return;
        uint64_t quiet_ms = seen->now_ms - l->trouble_ms;
        bool roomy = headroom->bytes >= (int64_t) u64_min(policy_room_to_spare(limits, seen), INT64_MAX);
        if (quiet_ms >= (roomy ? RELEASE_MS : RELEASE_TIGHT_MS)) {
                l->rung = RUNG_CALM;
                l->because = REASON_CALM;
                l->calm_ms = seen->now_ms;
        }
}
