/*
 * cpu_load.h - how much of all processors' time was used, by whomever: what a thermometer has to follow.
 *
 * Told between two readings, so that it belongs to the temperatures that were read at the same times.
 */
#ifndef HEADROOM_DAEMON_SENSORS_CPU_LOAD_H
#define HEADROOM_DAEMON_SENSORS_CPU_LOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "policy/base/bounds.h"

struct cpu_load {
        bool begun;
        uint64_t busy, total; /* ticks since boot, as last read */
        uint32_t permille;    /* of the time between the last two readings; LOAD_UNKNOWN */
};

/* TEXT: the first line of /proc/stat, of which more may follow. NULL, or without that line: unknown from now on. */
void cpu_load_take(struct cpu_load *c, const char *text);

#endif
