/*
 * loads.h - the part of a plan that is about loading: which of the models that wait come in, who is unloaded for them, who
 * is refused. The first waiter is answered first, and later ones may not take the room promised to it.
 *
 * A load that only other programs stand in the way of waits a while (SHORT_GRACE_MS) before it is refused: their
 * memory, or that of an engine of ours that has just ended, may come back at once.
 */
#ifndef HEADROOM_POLICY_ADMISSION_LOADS_H
#define HEADROOM_POLICY_ADMISSION_LOADS_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/state/past.h"
#include "policy/state/limits.h"
#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

/*
 * Fills the loads, the unloads and the overrun of PLAN, whose holds and actions stand already: a model that an action
 * ends counts as leaving. PAST: all zero at first.
 */
void policy_loads(const struct limits *limits, const struct snapshot *snapshot, struct loads_past *past, struct plan *plan);

/* Would BYTES more fit for a model that is loaded already? */
bool policy_has_room(const struct limits *limits, const struct snapshot *snapshot, uint64_t bytes);

/* Weights together may fill this many bytes; UINT64_MAX where nothing limits them. */
uint64_t policy_weights_max(const struct limits *limits, uint64_t ram_bytes);

/* The fate of a model that might have made room. */
enum candidate_fate {
        CANDIDATE_LEAVES, /* chosen */
        CANDIDATE_SPARED, /* idle, and worth more than those that were chosen, or not enough */
        CANDIDATE_IN_USE, /* idle since a moment ago, or just loaded: it may stay a while */
        CANDIDATE_BUSY,   /* answers requests */
        CANDIDATE_LOADING,
        CANDIDATE_LEAVING, /* on its way out already */
        CANDIDATE_PINNED,
        CANDIDATE_PROTECTED, /* from others, for a time that somebody asked for */
        CANDIDATE_FATES,
};

struct candidate {
        uint32_t model;
        enum candidate_fate fate;
        uint64_t bytes;
        uint64_t idle_ms; /* since its last request ended, or since it was loaded; 0 where it is not idle */
};

/*
 * The models considered for LOAD of PLAN (NULL: for those that the plan ends and unloads for no load), leaving ones first.
 * Returns their number.
 */
uint32_t policy_candidates(const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan,
                           const struct load *load, struct candidate ret[ACCOUNTS_MAX]);

/* "leaves", "spared", ...: for logs, JSON and people. */
const char *policy_fate_word(enum candidate_fate fate);

#endif
