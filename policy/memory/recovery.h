/*
 * recovery.h - giving back what was taken, one piece at a time, when there has been room for a while.
 *
 * In this order: prefill chunks, sequences that wait on disk, context, precision. Each only if what it costs leaves room to
 * spare. Precision comes back after five minutes of calm, and a model whose precision changed four times in an hour stays low.
 */
#ifndef HEADROOM_POLICY_MEMORY_RECOVERY_H
#define HEADROOM_POLICY_MEMORY_RECOVERY_H

#include "policy/memory/headroom.h"
#include "policy/state/limits.h"
#include "policy/state/past.h"

/* To be called when the ladder is calm and nothing settles. Adds at most one piece to PLAN, or the chunks of all models. True: a
 * model stays low because it was changed too often. */
bool policy_recover(const struct limits *limits, const struct snapshot *snapshot, const struct headroom *headroom,
                    struct past *past, struct model_past *const pasts[], struct plan *plan);

#endif
