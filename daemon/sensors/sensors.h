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

#include "policy/state/snapshot.h"

struct sensors;

struct sensors_config {
        const char *proc, *sys;
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

/* For people: one row per source, borrowed until the next call. */
struct sensors_source {
        const char *name; /* "meminfo", "psi", "own psi", "swap", "hwmon: coretemp Package id 0" ... */
        bool works;
        const char *detail; /* "trigger some 150 ms of 2 s", "polled: no CAP_SYS_RESOURCE", "no such file" */
};
uint32_t sensors_sources(struct sensors *s, const struct sensors_source **ret);

#endif
