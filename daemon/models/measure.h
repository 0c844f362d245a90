/* measure.h - looking at the engines' memory on a thread of the pool. */
#ifndef HEADROOM_DAEMON_MODELS_MEASURE_H
#define HEADROOM_DAEMON_MODELS_MEASURE_H

struct fleet;

void fleet_measure(struct fleet *f);

#endif
