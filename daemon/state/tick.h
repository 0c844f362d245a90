/* tick.h - what anybody may ask of the fleet's tick: the time, a tick soon or later, memory as it is now. */
#ifndef HEADROOM_DAEMON_STATE_TICK_H
#define HEADROOM_DAEMON_STATE_TICK_H

#include <stdint.h>

struct fleet;
struct model;

#define TIME_NEVER UINT64_MAX

uint64_t fleet_clock_ms(void);
void fleet_poke(struct fleet *f);                /* tick before the loop sleeps */
void fleet_due(struct fleet *f, uint64_t at_ms); /* tick at that time, or earlier */
/* Reads MemAvailable and the limits above us, unless that was done within the last AGE_MAX_MS. */
void fleet_observe_memory(struct fleet *f, uint64_t age_max_ms);
/* The engine may have grown: it is measured soon. */
void fleet_measure_want(struct model *m);

#endif
