/*
 * choose_actions.h - the choice of actions that free enough, mildest first.
 *
 * Of each rung the actions that free something are listed with the bytes that they should free, cheapest loss first, and as
 * many are taken as cover what is missing. Without hurry one rung is taken at a time: the mildest that has anything to give.
 * In a hurry the rungs are taken together, up to the limit. Nothing is planned that frees nothing, that is under way
 * already, or that did not work on that model within the last minute. Pinned models are never evicted and never ended, and no
 * answer is cut for less than changes the outcome.
 */
#ifndef HEADROOM_POLICY_MEMORY_CHOOSE_ACTIONS_H
#define HEADROOM_POLICY_MEMORY_CHOOSE_ACTIONS_H

#include "policy/state/limits.h"
#include "policy/state/past.h"

struct need {
        uint64_t bytes;  /* to be freed */
        enum rung limit; /* no action of a higher rung */
        enum reason because;
        bool worsens;         /* or it stalls already: what keeps new requests from growing helps too */
        bool beyond;          /* the cliff: what was just loaded or in use is not spared */
        bool hurry;           /* take the rungs together, KV down to the floor, and do not spare what was just loaded */
        uint64_t relieved_ms; /* until an answer must be cut, what is on its way back included; 0: now, or no question of time */
        uint64_t end_bytes_least; /* an engine with requests that would give less is not ended */
        uint32_t only;            /* index of the one model that it is about; UINT32_MAX: all */
};

/* Adds actions to PLAN. The highest rung of what was added, RUNG_CALM for nothing. */
enum rung policy_choose_actions(const struct limits *limits, const struct snapshot *snapshot, const struct need *need,
                                struct past *past, struct model_past *const pasts[], struct plan *plan);

/* The rung that an action belongs to; RUNG_CALM for those that give something back. */
enum rung policy_rung_of(enum action_kind kind);
/* How much KV is stored, in units that do not depend on its precision. */
uint64_t policy_kv_units(const struct model_view *m);

#endif
