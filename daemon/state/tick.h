/* tick.h - requests to the one tick (daemon/governor/tick.c): the time, a tick soon or later. */
#ifndef HEADROOM_DAEMON_STATE_TICK_H
#define HEADROOM_DAEMON_STATE_TICK_H

#include <stdint.h>

struct fleet;
struct model;

#define TIME_NEVER UINT64_MAX

/* The clock is read once for a tick, which passes it on; callbacks of processes and sockets read it themselves. */
typedef void fleet_ticked(void *user, uint64_t now_ms);

uint64_t fleet_clock_ms(void);
void fleet_poke(struct fleet *f);                /* tick before the loop sleeps */
void fleet_due(struct fleet *f, uint64_t at_ms); /* tick at that time, or earlier */
/* The engine may have grown: it is measured soon. */
void fleet_measure_want(struct model *m);

#endif
