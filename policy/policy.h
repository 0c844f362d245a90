/*
 * policy.h - decides the next steps about memory, heat and the models that wait to be loaded, given a snapshot.
 *
 * One function. It reads limits, a snapshot and its own memory of the past, and says what should be done now, who is loaded and
 * unloaded or refused, and when to look again. No I/O, no clock, no allocation, no log, no global: all it knows is in its arguments, so that last night's
 * incident can be replayed (headroomctl simulate). The daemon carries plans out (daemon/governor/governor.c).
 *
 * Two distances are measured, in bytes:
 *   headroom     H = available - mapped weights - loads in flight - reserve: what may still be used; negative when the
 *                reserve is being eaten. MemAvailable counts mapped weights as free, and is wrong by exactly that.
 *   to the cliff H + reserve: where the kernel begins to drop the weights, to swap, or to kill.
 * The reserve is defended with mild actions (up to downshift and a smaller context); the violent ones (suspend, end)
 * answer only to the cliff: a forecast under 3 s, or stall with thrash.
 *
 * Invariants: a plan never names a model that is not in the snapshot; never evicts a pinned one; never touches a busy
 * one while a milder action is left; actions of memory are not stacked within the settle time unless exhaustion is nearer
 * than EXHAUSTION_LAST_MS; pressure alone, swap in use, and percentages never act.
 */
#ifndef HEADROOM_POLICY_POLICY_H
#define HEADROOM_POLICY_POLICY_H

#include "policy/state/past.h"
#include "policy/state/limits.h"
#include "policy/state/plan.h"
#include "policy/state/snapshot.h"

/* PAST: all zero at first; read and changed. */
void policy_decide(const struct limits *limits, const struct snapshot *snapshot, struct past *past, struct plan *ret);

#endif
