/* admit.h - who may be loaded now. */
#ifndef HEADROOM_DAEMON_MODELS_ADMIT_H
#define HEADROOM_DAEMON_MODELS_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

struct fleet;

void fleet_admit(struct fleet *f);
/* More bytes for one that is loaded already. */
bool fleet_has_room(struct fleet *f, uint64_t bytes);

#endif
