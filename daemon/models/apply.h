/*
 * apply.h - the fleet as the governor sees and steers it.
 *
 * An emergency plan is carried out without allocating: with frames made beforehand, and kills through held
 * descriptors. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_MODELS_APPLY_H
#define HEADROOM_DAEMON_MODELS_APPLY_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/models/fleet.h"
#include "daemon/state/outcome.h"
#include "daemon/state/tick.h"
#include "policy/state/plan.h"

/*
 * The governor's side: it owns the whole tick (fleet_tick is a part of it) and hears of actions carried out and of other changes.
 */
struct governed {
        fleet_ticked *on_tick;
        fleet_action_done *on_action;
        fleet_noted *on_note;
};
void fleet_govern(struct fleet *f, const struct governed *governor, void *user);

/* How hot it is and by which thermometer, for those whom heat has wait. */
void fleet_tell_heat(struct fleet *f, const char *text);

/* Carries out PLAN's holds, heat and actions, and no loads (admit.h). Settings already in force are not sent again. */
void fleet_obey(struct fleet *f, const struct plan *plan);

/* Of PLAN's actions those on KV pools alone: they belong to loads, and are carried out where the governor only looks. */
void fleet_obey_pools(struct fleet *f, const struct plan *plan);

/* Detaches the governor: no hold and no heat stays behind, and no callback follows. */
void fleet_govern_end(struct fleet *f);

/* Goes through all of an emergency but the effect: every buffer, page and descriptor that it needs is touched. */
void fleet_rehearse(struct fleet *f);

/* The governor's part of the fleet's own tick: what is deferred, what has ended, what is on its way to disk. */
void govern_tick(struct fleet *f);

#endif
