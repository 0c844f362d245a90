/* internal.h - shared by sensors.c and sources.c. */
#ifndef HEADROOM_DAEMON_SENSORS_INTERNAL_H
#define HEADROOM_DAEMON_SENSORS_INTERNAL_H

#include "daemon/system/bg_thread.h"
#include "daemon/thermal/temp_monitor.h"
#include "daemon/base/meminfo.h"
#include "daemon/sensors/cpu_load.h"
#include "daemon/sensors/psi.h"
#include "daemon/sensors/psi_notify.h"
#include "daemon/sensors/scan.h"
#include "daemon/sensors/sensors.h"
#include "daemon/sensors/vmstat.h"

struct sources_text {
        char names[SOURCES_MAX][SOURCE_NAME_MAX], details[SOURCES_MAX][SOURCE_DETAIL_MAX];
        struct sensors_source rows[SOURCES_MAX];
        uint32_t count;
};

struct sensors {
        uv_loop_t *loop;
        void (*on_pressure)(void *user);
        void *user;
        void (*on_closed)(void *user);
        void *on_closed_user;
        unsigned alarms_open;

        struct pressure_watch watch;
        struct pressure_alarm alarms[ALARM_COUNT];
        const char *alarm_words[ALARM_COUNT];
        int alarm_results[ALARM_COUNT]; /* 0, or why it is silent */
        bool is_pressed;                /* one rang since the last look */
        uint64_t pressed_ms;            /* on_pressure was called */

        struct scan files;      /* the files in use */
        struct bg_thread *scan; /* makes the next set; NULL: there was no thread for it */
        uint64_t scanned_ms;
        bool is_scan_asked;  /* a scan is on its way, or done and not yet taken */
        bool is_scan_wanted; /* a read said that something is gone or new */

        /* The last that was read, for the look that reads nothing, and how that reading went: 0 or -errno. */
        struct memory_seen memory;
        struct vmstat_seen vmstat;
        struct swap_seen swap;
        struct counter pressure, own_pressure; /* microseconds */
        struct counter throttles;
        struct cpu_load load;
        struct cgroup_tightest tightest;
        int memory_result, vmstat_result, swap_result, pressure_result, own_pressure_result, throttle_result;

        struct temp_monitor heat;
        uint64_t refreshed_ms; /* begin of the last round */
        bool was_refreshed;

        struct sources_text sources;
};

#endif
