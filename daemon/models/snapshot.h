/* snapshot.h - the loaded models as policy sees them. */
#ifndef HEADROOM_DAEMON_MODELS_SNAPSHOT_H
#define HEADROOM_DAEMON_MODELS_SNAPSHOT_H

#include "policy/state/snapshot.h"

struct fleet;

/* Fills models, models_count, loading_bytes and idle_file_bytes of SNAPSHOT. */
void fleet_view(struct fleet *f, struct snapshot *snapshot);

#endif
