/*
 * temp_monitor.h - the thermometers of the machine, read in rounds by threads, with the state of each.
 *
 * A thermometer that hangs keeps the thread that reads it and is reported as missed, once a round, until it comes
 * back; another thread goes on with the rest. There is always one more thread than hangs, up to HEAT_THREADS_MAX.
 *
 * Those of the highest rank that ever gave a value that can be believed are what heat is controlled by. If one of them goes away, it
 * stays in the list as missed: the gap is reported, never forgotten, and no lesser one steps in for it. A thermometer
 * that could never be read since we began, or told nothing but nonsense, does not count as lost: a lesser one controls.
 */
#ifndef HEADROOM_DAEMON_THERMAL_TEMP_MONITOR_H
#define HEADROOM_DAEMON_THERMAL_TEMP_MONITOR_H

#include "daemon/base/sensor_keys.h"
#include "daemon/system/bg_thread.h"
#include "daemon/thermal/thermometer.h"
#include "policy/state/snapshot.h"

struct watched {
        struct thermometer thermometer;
        bool is_present;   /* the last scan has seen it */
        int input, status; /* as of a reading, while no round has them */
        bool is_out;       /* a round has them, asked for at asked_us */
        bool is_hanging;   /* ... and it has been there for longer than the deadline */
        bool is_moved;     /* ... and its path is another by now: they are closed when they come back */
        uint64_t asked_us;
        bool was_believed; /* ever gave a value that is possible */
        bool is_fresh;     /* state is news that was not told yet */
        bool has_state;    /* anything came of it yet */
        enum sensor_state state;
        int result;    /* why it was missed */
        bool is_stuck; /* policy found that it does not move while the load does */
        bool is_critical_known;
        int32_t millidegrees, critical_millidegrees;
};

struct temp_monitor {
        struct sensor_keys ignored, trusted; /* set by the owner */
        uint32_t count, left_out;
        struct watched all[SENSORS_MAX];
        bool is_scan_wanted; /* a device came or went */
        uint32_t threads;
        struct bg_thread *rounds[HEAT_THREADS_MAX];
};

/* Merges the sensors that a scan found: new ones are added, known ones keep their state under their new paths. */
void temp_monitor_merge(struct temp_monitor *w, const struct thermometers *found);

/* Starts a round of all that are not out in one. May make threads. */
void temp_monitor_ask(struct temp_monitor *w);

/* Takes what the rounds have read, and takes the rest away from one that hangs. Allocates nothing, waits for nothing. */
void temp_monitor_collect(struct temp_monitor *w);

/* Fills sensors and sensors_count. A reading is new only the first time it is given out. */
void temp_monitor_tell(struct temp_monitor *w, struct snapshot *ret);

/* Whether heat is controlled by this one. */
bool temp_monitor_is_control(const struct temp_monitor *w, const struct watched *t);

/* Hanging threads keep what they have until they come back. */
void temp_monitor_close(struct temp_monitor *w);

#endif
