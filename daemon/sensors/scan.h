/*
 * scan.h - all files that are read of the machine, opened afresh.
 *
 * One pass makes the whole set: so a control group that we were moved to, swap on a new zram, a file that was removed and
 * made again need no case of their own. It is done on a thread and the loop then takes the new set for the old one.
 * Nothing is read that could ask a device on a bus and hang: thermometers are only found here.
 */
#ifndef HEADROOM_DAEMON_SENSORS_SCAN_H
#define HEADROOM_DAEMON_SENSORS_SCAN_H

#include <stdbool.h>

#include "daemon/base/cgroup_limits.h"
#include "daemon/sensors/psi_trigger.h"
#include "daemon/sensors/swap.h"
#include "daemon/thermal/thermometer.h"
#include "daemon/thermal/cpu_throttle.h"

enum alarm { ALARM_BOX, ALARM_OWN, ALARM_WATCH, ALARM_COUNT };

struct scan {
        /* asked */
        char proc[PLACE_MAX], sys[PLACE_MAX];
        struct pressure_watch watch;
        bool wants_alarm[ALARM_COUNT]; /* alarms that are armed already are not opened again */
        /* found */
        bool is_short; /* opening failed for want of memory or descriptors: the old set is better */
        /* descriptors, or -errno */
        int meminfo, vmstat, swaps, cpu, pressure, own_pressure;
        char own_path[PLACE_MAX];
        const char *own_why; /* why there is no pressure of our own group; NULL */
        struct scan_alarm {
                int fd; /* or -errno: why there is none */
                bool is_stream;
                const char *words;
        } alarms[ALARM_COUNT];
        struct zrams zrams;
        struct cgroup_limits limits;
        struct throttle throttle;
        uint32_t frequency_mhz; /* 0: unknown */
        struct thermometers thermometers;
};

/* Reads the questions set in S and fills in the findings. */
void scan_open(struct scan *s);
void scan_close(struct scan *s);

#endif
