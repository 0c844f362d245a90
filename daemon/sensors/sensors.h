/*
 * sensors.h - the machine as the governor sees it, in one observation.
 *
 * Descriptors are opened once and read again with pread into fixed buffers: observing allocates and opens nothing, so
 * it works when memory is gone. Files that have to be reopened (swap was added, a device came or went) are noted and
 * opened on a thread. Sensors that may be slow (hwmon on a bus) are read on a thread with a deadline, each on its own:
 * a hanging one never delays another, nor the loop.
 *
 * A source that is missing or lies is degraded: sensors_sources says so, and the observation has 0 or MISSED. Paths are
 * made from PROC and SYS ("/proc", "/sys", or directories of fixtures). Loop thread only.
 */
#ifndef HEADROOM_DAEMON_SENSORS_SENSORS_H
#define HEADROOM_DAEMON_SENSORS_SENSORS_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/base/sensor_bounds.h"
#include "daemon/base/sensor_keys.h"
#include "policy/state/snapshot.h"

struct sensors;

struct sensors_config {
        const char *proc, *sys;
        struct sensor_keys ignored, trusted; /* thermometers of which the operator knows better */
        /* A PSI trigger or MEMORY_PRESSURE_WATCH fired: a reason to look sooner. At most once per 100 ms. */
        void (*on_pressure)(void *user);
        void *user;
};

/* 0, -ENOMEM, or the error of the loop. Missing sources are no error. */
int sensors_new(uv_loop_t *loop, const struct sensors_config *config, struct sensors **ret);
/* ON_CLOSED when the last handle and thread has let go; then S is gone too. */
void sensors_close(struct sensors *s, void (*on_closed)(void *user), void *user);

/*
 * Fills everything of RET but now_ms, loading_bytes, idle_file_bytes and the models. pressure_event is cleared by it.
 * NOW_MS: readings of slow sensors that are older than they may be count as MISSED.
 */
void sensors_observe(struct sensors *s, uint64_t now_ms, struct snapshot *ret);
/* Reads the slow sensors again (in the background) unless that was done less than PERIOD_MS ago. */
void sensors_refresh_heat(struct sensors *s, uint64_t now_ms, uint64_t period_ms);

/* Whether the kernel tells how busy the box is; else load_permille is LOAD_UNKNOWN for ever, and not only before the second reading. */
bool sensors_tell_load(const struct sensors *s);

/* What policy found: the thermometers with these keys are stuck, and no others. */
void sensors_note_stuck(struct sensors *s, const uint32_t *keys, uint32_t count);

/* "coretemp Package id 0 (sensor 1a2b3c4d)": the name of a thermometer for sentences, of which the key stands in the configuration. */
struct sensor_name {
        char text[SENSOR_NAME_MAX];
};
struct sensor_name sensors_name(const struct sensors *s, uint32_t key);

/* For people: one row per source, borrowed until the next call. */
struct sensors_source {
        const char *name; /* "meminfo", "psi", "own psi", "swap", "hwmon: coretemp Package id 0" ... */
        bool works;
        const char *detail; /* "trigger some 150 ms of 2 s", "polled: no CAP_SYS_RESOURCE", "no such file" */
};
/* The one that stands there where the machine has no thermometer at all. */
#define SOURCE_NO_THERMOMETER "temperature"
uint32_t sensors_sources(struct sensors *s, const struct sensors_source **ret);

#endif
