/* scan.c - the order is that of importance: memory first, should descriptors run out on the way. */
#include "daemon/sensors/scan.h"

#include <errno.h>
#include <stdio.h>

#include "daemon/thermal/frequency.h"
#include "daemon/base/proc_file.h"
#include "daemon/thermal/temp_sources.h"
#include "daemon/sensors/psi.h"

static int take(struct scan *s, int fd) {
        s->is_short = s->is_short || proc_file_is_want(fd);
        return fd;
}

static void open_pressure(struct scan *s) {
        s->pressure = take(s, proc_file_open(s->proc, "/pressure/memory"));
        s->own_why = NULL;
        s->own_pressure = -ENOENT;
        if (pressure_own_path(s->proc, s->sys, s->own_path, &s->own_why))
                s->own_pressure = take(s, proc_file_open(s->own_path, ""));
        else
                s->own_path[0] = '\0';
}

/* A pressure file named by the service manager stands for the trigger on our own group: as a rule it is that group's. */
static void open_alarms(struct scan *s) {
        struct scan_alarm *a = s->alarms;
        for (int i = 0; i < ALARM_COUNT; i++)
                a[i] = (struct scan_alarm){ .fd = -ENOENT, .words = "" };
        if (s->wants_alarm[ALARM_WATCH] && s->watch.is_set) {
                a[ALARM_WATCH].fd = take(s, pressure_watch_open(&s->watch, &a[ALARM_WATCH].is_stream));
                a[ALARM_WATCH].words = "listens";
        }
        if (s->wants_alarm[ALARM_BOX] && !s->watch.is_off) {
                char path[PLACE_MAX + 32];
                (void) snprintf(path, sizeof(path), "%s/pressure/memory", s->proc);
                a[ALARM_BOX].fd = take(s, pressure_trigger_open(path, &a[ALARM_BOX].words));
        }
        if (s->wants_alarm[ALARM_OWN] && !s->watch.is_off && a[ALARM_WATCH].fd < 0 && *s->own_path)
                a[ALARM_OWN].fd = take(s, pressure_trigger_open(s->own_path, &a[ALARM_OWN].words));
}

void scan_open(struct scan *s) {
        s->is_short = false;
        s->meminfo = take(s, proc_file_open(s->proc, "/meminfo"));
        cgroup_limits_open(s->proc, s->sys, &s->limits);
        for (uint32_t i = 0; i < s->limits.count; i++) {
                (void) take(s, s->limits.levels[i].limit);
                (void) take(s, s->limits.levels[i].stat);
        }
        s->vmstat = take(s, proc_file_open(s->proc, "/vmstat"));
        s->swaps = take(s, proc_file_open(s->proc, "/swaps"));
        s->cpu = take(s, proc_file_open(s->proc, "/stat"));
        zrams_open(s->sys, &s->zrams);
        for (uint32_t i = 0; i < s->zrams.count; i++)
                (void) take(s, s->zrams.all[i].fd);
        open_pressure(s);
        open_alarms(s);
        throttle_open(s->sys, &s->throttle);
        s->frequency_mhz = frequency_read(s->sys);
        temp_sources_find(s->sys, &s->thermometers);
        /* What was closed again on the way, or opened by others, may have failed unseen: is there room now? */
        proc_file_close(take(s, proc_file_open(s->proc, "/meminfo")));
}

void scan_close(struct scan *s) {
        proc_file_close(s->meminfo);
        proc_file_close(s->vmstat);
        proc_file_close(s->swaps);
        proc_file_close(s->cpu);
        proc_file_close(s->pressure);
        proc_file_close(s->own_pressure);
        s->meminfo = s->vmstat = s->swaps = s->cpu = s->pressure = s->own_pressure = -EBADF;
        for (int i = 0; i < ALARM_COUNT; i++) {
                proc_file_close(s->alarms[i].fd);
                s->alarms[i].fd = -EBADF;
        }
        zrams_close(&s->zrams);
        cgroup_limits_close(&s->limits);
        throttle_close(&s->throttle);
}
