/*
 * verification.h - did an action free what was expected of it?
 *
 * Every planned action is remembered with the effect that is expected of it until it is judged: as soon as enough has
 * come, or when its time is up and it makes no more progress. Effects that an engine can measure are taken from its own
 * numbers (prefix bytes; KV bytes per token, so that growth meanwhile does not count against a downshift); the others are
 * taken from headroom, less the change that the slope of that time explains. An action that freed less than a quarter
 * rests on that model for a minute, so that the next rung gets its turn instead of the same dead target for ever.
 *
 * While effects are still awaited no further action is planned (settling), unless exhaustion is too near.
 */
#ifndef HEADROOM_POLICY_MEMORY_VERIFICATION_H
#define HEADROOM_POLICY_MEMORY_VERIFICATION_H

#include "policy/memory/headroom.h"
#include "policy/state/past.h"

/* Remembers the actions of PLAN from FIRST on. STALL: they answer to a stall, whose counters lag. */
void policy_expect(struct settling *s, const struct snapshot *snapshot, const struct headroom *headroom, double slope_per_ms,
                   struct model_past *const pasts[], const struct plan *plan, uint32_t first, bool stall);

/* Judges the effects that are due; PLAN reports one of them, the next looks the others. */
void policy_verify(struct settling *s, const struct snapshot *snapshot, const struct headroom *headroom,
                   struct model_past *const pasts[], struct plan *plan);

/* The last actions may still show: no further one yet. */
bool policy_is_settling(const struct settling *s, uint64_t now_ms);
/* An action of this kind (ACTION_NONE: of any) on this model (UINT32_MAX: on any) waits to be judged. */
bool policy_is_expected(const struct settling *s, enum action_kind kind, uint32_t model);
/* Bytes on their way back: from actions that have not freed all yet, and from engines that are leaving. */
uint64_t policy_returning_bytes(const struct settling *s, const struct snapshot *snapshot, struct model_past *const pasts[]);
/* The headroom gained when M is gone: its anonymous memory, and mapped weights that need not stay resident any more. */
uint64_t policy_leaving_frees(const struct model_view *m);

#endif
