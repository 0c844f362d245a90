/* round.h - the accounts as they will be when the plan so far has been carried out: for the parts of loads.c alone. */
#ifndef HEADROOM_POLICY_ADMISSION_ROUND_H
#define HEADROOM_POLICY_ADMISSION_ROUND_H

#include "policy/admission/admission.h"
#include "policy/admission/pool.h"
#include "policy/state/limits.h"
#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

struct round {
        const struct limits *limits;
        const struct snapshot *snapshot;
        struct plan *plan; /* NULL: only asked, nothing is planned */
        uint64_t later_ms; /* before then, those who were answered are expected to need their room */
        uint32_t count;
        struct account accounts[ACCOUNTS_MAX]; /* the first are those of the snapshot's models, in its order */
};

struct admission_limits round_limits(const struct round *r);
struct admission_snapshot round_now(const struct round *r);
/* That another model could take now, when the plan so far has been carried out. */
uint64_t round_free_bytes(const struct round *r);
void round_unload(struct round *r, uint32_t model, enum reason because, uint32_t for_model);

/* growth.c: pools that must grow are answered, the one whose request is oldest first. */
void round_grow_pools(struct round *r);
/*
 * WANT has room now: may it be loaded beside the others? Only if each of all these, which may be any, could have a whole context
 * while the others have their smallest pools. The answer is that to who wants so much more.
 */
struct admission round_ask_beside(const struct round *r, struct admission_want want, uint64_t whole_bytes);
/*
 * So much is taken of the pools of all models but FOR_MODEL, of as few as suffice, if that makes room for WANT without anybody
 * leaving; else nothing is. True: it is planned, or under way.
 */
bool round_cut_pools(struct round *r, enum pool_cut cut, const struct admission_want *want, uint32_t for_model,
                     uint64_t since_ms);
/* Who came at SINCE_MS has waited so long that requests which came later wait for it (POOL_RUNNING). */
bool round_turn_has_come(const struct round *r, uint64_t since_ms);
/* precision.c: the same with the precision of KV caches, of no more and no lower than suffices, and only if they do beside each other then. */
bool round_lower_precision(struct round *r, const struct want *want, const struct admission_want *asked, uint64_t whole_bytes);
/* Whether WANT has room when the plan so far has been carried out, and nobody else leaves. */
bool round_suffices(const struct round *r, const struct admission_want *want);

#endif
