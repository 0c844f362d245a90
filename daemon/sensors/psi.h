/*
 * psi.h - pressure stall information: for how long tasks waited for memory, of the box and of our own control group.
 *
 * Read as the running total, never as an average: avg10 lags behind by seconds.
 */
#ifndef HEADROOM_DAEMON_SENSORS_PSI_H
#define HEADROOM_DAEMON_SENSORS_PSI_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/base/sensor_bounds.h"
#include "daemon/sensors/counter.h"

/* The total of "some" in a text of PSI, microseconds. *ret only when true. */
bool pressure_parse(const char *text, uint64_t *ret);

/*
 * The path of memory.pressure of our own group, which holds all engines. False, with a sentence in *ret_why: there is none, or
 * our group is the root, which is the whole machine.
 */
bool pressure_own_path(const char *proc, const char *sys, char ret[PLACE_MAX], const char **ret_why);

/* Reads the total of FD. 0, or -errno: then *total stays. */
int pressure_read(int fd, struct counter *total);

#endif
