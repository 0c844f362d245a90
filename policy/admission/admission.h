/*
 * admission.h - may this model be loaded now, and if not, what must happen first?
 *
 * Three rules must hold at once, counted with everything that is loaded, loading, leaving or promised:
 *   budget      engines together <= budget_bytes
 *   weights     weights together <= weights_max_bytes (a fraction of RAM: MemAvailable counts mapped weights as free)
 *   available   MemAvailable - what engines may still take - reserve >= 0
 * What an engine may still take is its account less what already misses from MemAvailable: mapped weights are
 * cache to the kernel, the KV cache grows with use, and a load in flight has taken next to nothing yet.
 *
 * A protected model is turned out for no other, idle or not; a waiter for whom that takes too long is told at once.
 *
 * A model that leaves counts until it is gone. Idle models leave at once, except one that was just loaded and is
 * still being used. A busy model is never cut: once a foreign waiter has waited its turn, it admits nothing more
 * and leaves when its running requests have ended, so neither of two alternating models starves or thrashes. From then
 * on the room is promised to the waiter, and who comes later waits behind it.
 */
#ifndef HEADROOM_POLICY_ADMISSION_ADMISSION_H
#define HEADROOM_POLICY_ADMISSION_ADMISSION_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/account.h"
#include "policy/base/bounds.h"
#include "policy/base/sat.h"
#include "policy/base/verdict.h"

struct admission_limits {
        uint64_t budget_bytes;
        uint64_t weights_max_bytes;
        uint64_t reserve_bytes;
        uint64_t ram_bytes;
        uint64_t min_residency_ms;
        uint64_t turn_ms; /* 0: as min_residency_ms */
        uint64_t wait_ms; /* a waiter is given up after so long; 0: never */
};

struct admission_snapshot {
        uint64_t now_ms;
        uint64_t available_bytes; /* MemAvailable, or less where a limit above us is tighter */
        const struct account *accounts;
        uint32_t accounts_count; /* at most ACCOUNTS_MAX */
        bool has_place;          /* who asks is one of them and grows: all places may be taken */
};

/* The model that wants in. */
struct admission_want {
        uint64_t bytes, weights_bytes;
        int priority;
        uint64_t since_ms; /* arrival of its oldest waiter */
};

struct admission {
        enum verdict verdict;
        enum admission_rule rule;  /* the first that is broken now; RULE_NONE with VERDICT_ADMIT */
        uint64_t limit_bytes;      /* of that rule ... */
        uint64_t used_bytes;       /* ... what others hold of it ... */
        uint64_t needed_bytes;     /* ... and what this model needs of it */
        bool promised;             /* the room it needs is being made: nobody who comes later may take it */
        uint64_t guarded_until_ms; /* absolute: who stands in the way is protected from others until then; 0: none is */
        uint64_t look_again_ms;    /* absolute; UINT64_MAX: when something changes */
        uint32_t victims_count;    /* VERDICT_EVICT: ids of idle ones to stop and busy ones to drain */
        uint32_t victims[ACCOUNTS_MAX];
};

struct admission policy_admission(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                  const struct admission_want *want);

/* That another model could take now, by every rule but that of weights, without anybody leaving. */
uint64_t policy_admission_free(const struct admission_limits *limits, const struct admission_snapshot *snapshot);

/* Will there be room when all that is on its way back has come, without anybody else leaving? */
bool policy_admission_needs_nobody(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                   const struct admission_want *want);

/*
 * A model can be loaded in several forms, WANT[0] being the one that is asked for, each further one smaller (a smaller
 * KV pool, a lower precision). A smaller form is taken only where a larger one would be refused: waiting for a turn and
 * unloading idle models come first. *ret_form is the form of the answer; the smallest, where all are refused.
 */
struct admission policy_admission_of_forms(const struct admission_limits *limits, const struct admission_snapshot *snapshot,
                                           const struct admission_want want[], uint32_t count, uint32_t *ret_form);

/*
 * The engines hold more than they may (one grew past its prediction): the idle ones that must go. The
 * verdict is ADMIT (nothing to do), EVICT, or WAIT (over, but nobody idle).
 */
struct admission policy_admission_overrun(const struct admission_limits *limits, const struct admission_snapshot *snapshot);

/* How long the requests for a busy model go on after another began to wait: TURN, or where that is 0 RESIDENCY, and TURN_MIN_MS at the least. */
static inline uint64_t policy_turn_ms(uint64_t turn_ms, uint64_t residency_ms) {
        return u64_max(turn_ms > 0 ? turn_ms : residency_ms, TURN_MIN_MS);
}

/* Is account A protected from other models at NOW_MS? */
static inline bool policy_is_guarded(const struct account *a, uint64_t now_ms) {
        return a->protected_until_ms > now_ms;
}

/* May account A, idle or busy, not be turned out yet for WANT? */
bool policy_admission_protects(const struct admission_limits *limits, const struct account *a, const struct admission_want *want,
                               uint64_t now_ms);

#endif
