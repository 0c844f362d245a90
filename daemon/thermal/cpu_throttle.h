/*
 * cpu_throttle.h - how often the processor has slowed itself down because of heat, as Intel's drivers count it.
 *
 * AMD and ARM have no such files; there the sum is unknown. One processor of each core and of each package is asked,
 * since the others count the same events again.
 */
#ifndef HEADROOM_DAEMON_THERMAL_CPU_THROTTLE_H
#define HEADROOM_DAEMON_THERMAL_CPU_THROTTLE_H

#include <stdint.h>

#include "daemon/base/sensor_bounds.h"

struct throttle {
        uint32_t count;
        int files[THROTTLE_FILES_MAX];
};

void throttle_open(const char *sys, struct throttle *ret);
void throttle_close(struct throttle *t);
/* The sum since boot. 0, or -errno and *ret as it was: there are none, or one could not be read. Opens and allocates nothing. */
int throttle_read(const struct throttle *t, uint64_t *ret);

#endif
