/*
 * check.h - what must never happen, by somebody who knows the world and nothing of the policy.
 *
 * It sees what really is, what was planned, and what came of it. The first thing that may not be is kept as a sentence.
 */
#ifndef HEADROOM_TESTS_SIMULATOR_CHECK_H
#define HEADROOM_TESTS_SIMULATOR_CHECK_H

#include "tests/simulator/world.h"

#define HISTORY_STEPS   100u /* 5 s of true headroom */
#define LOADS_KEPT      32u
#define ORDERS_A_MINUTE 60u /* about one pool */

/* An action that has not shown yet. */
struct ordered {
        enum action_kind kind;
        uint32_t model, generation;
        uint64_t at_ms;
        enum kv_type level;
        double before; /* bytes that it is to reduce */
        bool shown;    /* it did, if only for a moment: the next request fills them again */
};

struct check {
        const char *who; /* the checker that fired; NULL: none */
        char what[256];
        uint64_t history_count;
        int64_t history[HISTORY_STEPS];
        uint64_t below_zero_ms;                           /* since when true headroom is gone; 0: it is not */
        uint64_t tried_ms[WORLD_MODELS][ACTION_COUNT];    /* when last; 0: never */
        uint64_t shifted_ms[WORLD_MODELS][KV_TYPE_COUNT]; /* likewise, of a downshift to that level */
        uint32_t generations[WORLD_MODELS];
        uint64_t loads_ms[WORLD_MODELS][LOADS_KEPT]; /* a ring of the last loads */
        uint64_t evictions_ms[WORLD_MODELS][LOADS_KEPT];
        uint32_t loads_count[WORLD_MODELS], evictions_count[WORLD_MODELS];
        uint32_t ordered_count;
        struct ordered ordered[PLAN_ACTIONS_MAX]; /* of the last plan that freed anything */
        uint64_t ordered_ms, stall_ms, ended_ms, near_ms;
        uint64_t starved_since_ms, taken_since_ms;
        uint64_t answers;
        uint64_t pool_orders_ms[WORLD_MODELS][ORDERS_A_MINUTE]; /* a ring of the last orders about a pool */
        uint32_t pool_orders[WORLD_MODELS];
        uint32_t pool_oldest;                   /* the model with the oldest request of all, ... */
        uint64_t pool_oldest_ms, pool_short_ms; /* ... when that came, and since when it lacks room that there could be */
        bool squeezed;
        uint64_t oom_kills, cliffs;
        uint64_t hot_since_ms, seen_blind_ms;
        double hottest, busy; /* part of the last minute that engines computed */
        uint32_t told_misses[WORLD_SENSORS];
        uint64_t missed_ms[WORLD_SENSORS];
        bool fault_seen;
        bool works;        /* whether engines do, for some seconds now ... */
        uint64_t works_ms; /* ... and when that was last so */
        uint32_t changes;  /* of that */
        uint32_t heat_level, heat_changes, heat_allowed;
};

/* After the plan was made and before it is carried out. */
void check_plan(struct check *c, const struct world *w, const struct snapshot *snapshot, const struct plan *plan);
/* After each step. */
void check_step(struct check *c, const struct world *w);

#endif
