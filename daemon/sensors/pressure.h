/*
 * pressure.h - pressure stall information: for how long tasks waited for memory, of the box and of our own control group.
 *
 * Read as the running total, never as an average: avg10 lags behind by seconds. The total of our group goes on rising
 * for whoever reads it, though the group behind it may have been made anew.
 */
#ifndef HEADROOM_DAEMON_SENSORS_PRESSURE_H
#define HEADROOM_DAEMON_SENSORS_PRESSURE_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/sensors/bounds.h"

/* The total of "some" in a text of PSI, microseconds. *ret only when true. */
bool pressure_parse(const char *text, uint64_t *ret);

/*
 * Where memory.pressure of our own group is, with all engines in it. False, and one sentence in *ret_why: there is none, or
 * our group is the root, which is the box.
 */
bool pressure_own_path(const char *proc, const char *sys, char ret[PLACE_MAX], const char **ret_why);

/* A total that only rises. All zero at first. */
struct pressure_total {
        uint64_t last_us, sum_us;
        bool is_known;
};

/* What FD shows is added. 0, or -errno: then sum_us stays. */
int pressure_read(int fd, struct pressure_total *total);
/* FD is another file from now on: its total begins anew. */
void pressure_restart(struct pressure_total *total);

#endif
