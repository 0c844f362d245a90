/* view.h - the models as policy sees them. */
#ifndef HEADROOM_DAEMON_MODELS_VIEW_H
#define HEADROOM_DAEMON_MODELS_VIEW_H

#include <stdbool.h>

#include "policy/state/snapshot.h"

struct fleet;

/* Fills models, wants, loading_bytes and idle_file_bytes of SNAPSHOT, and remembers its memory for callers of the fleet. */
void fleet_view(struct fleet *f, struct snapshot *snapshot);
/* Is a model in another state than when it was last viewed? */
bool fleet_changed(const struct fleet *f);
/* Does a model wait for memory, its own that comes back or that of others? */
bool fleet_waits(const struct fleet *f);

#endif
