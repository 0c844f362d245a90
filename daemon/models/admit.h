/* admit.h - carrying out the part of a plan that is about loading. */
#ifndef HEADROOM_DAEMON_MODELS_ADMIT_H
#define HEADROOM_DAEMON_MODELS_ADMIT_H

#include "policy/state/plan.h"

struct fleet;

/* May call owners of requests (a load is refused), and allocates: not for an emergency. */
void fleet_admit(struct fleet *f, const struct plan *plan);

#endif
