/*
 * apply.h - the fleet as the governor sees and steers it.
 *
 * Obeying allocates nothing where the plan is an emergency: engines are told by frames made beforehand, killed by held
 * descriptors. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_MODELS_APPLY_H
#define HEADROOM_DAEMON_MODELS_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/models/models.h"
#include "daemon/state/outcome.h"
#include "policy/state/snapshot.h"

/* Carries PLAN out: holds, heat, and actions. What is already so is not done again. Each action done or failed is told by ON_ACTION. */
void fleet_obey(struct fleet *f, const struct plan *plan, fleet_action_done *on_action, void *user);

/* The governor goes: no hold and no heat stays behind, and nobody is told of actions any more. */
void fleet_govern_end(struct fleet *f);

/* Goes through all of an emergency but the effect: every buffer, page and descriptor that it needs is touched. */
void fleet_rehearse(struct fleet *f);

/* The governor's part of the fleet's own tick: what is deferred, what has ended, what is on its way to disk. */
void govern_tick(struct fleet *f);

#endif
