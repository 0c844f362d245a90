/* fleet_obey.h - the plan, carried out as engines and a daemon would: with delays, by halves, or not at all. */
#ifndef HEADROOM_TESTS_SIMULATOR_FLEET_OBEY_H
#define HEADROOM_TESTS_SIMULATOR_FLEET_OBEY_H

#include "tests/simulator/world.h"

void fleet_obey(struct world *w, const struct plan *plan);

#endif
