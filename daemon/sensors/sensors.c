/*
 * sensors.c - one look at the machine, from descriptors that are held open.
 *
 * What a look finds broken it only notes; the scan thread then opens everything anew and a later look takes the new set.
 * A counter that cannot be read keeps its last value: falling to 0 and back would be told as a flood.
 */
#include "daemon/sensors/sensors.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/base/proc_file.h"
#include "daemon/sensors/internal.h"
#include "policy/base/sat.h"

/* --- the scan --- */

static void run_scan(void *data) {
        scan_open(data);
}

static void drop_scan(void *data) {
        scan_close(data);
}

static const struct bg_thread_kind scan_kind = { sizeof(struct scan), run_scan, drop_scan };

/* A scan that never ran holds nothing: 0 would be standard input. */
static void scan_nothing(struct scan *s, const struct scan *like) {
        *s = (struct scan){
                .meminfo = -EBADF, .vmstat = -EBADF, .swaps = -EBADF, .cpu = -EBADF, .pressure = -EBADF, .own_pressure = -EBADF
        };
        for (int i = 0; i < ALARM_COUNT; i++)
                s->alarms[i].fd = -EBADF;
        (void) strcpy(s->proc, like->proc);
        (void) strcpy(s->sys, like->sys);
        s->watch = like->watch;
}

/* Arms what the scan has opened, and notes why the rest is silent. */
static void take_alarms(struct sensors *s, struct scan *made) {
        for (int i = 0; i < ALARM_COUNT; i++) {
                struct scan_alarm *a = &made->alarms[i];
                if (!made->wants_alarm[i] || s->alarms[i].state != ALARM_SILENT)
                        continue;
                s->alarm_words[i] = a->words;
                s->alarm_results[i] = a->fd < 0 ? a->fd : pressure_alarm_arm(&s->alarms[i], a->fd, a->is_stream);
                a->fd = -EBADF;
        }
}

/* Marks the alarms that the next scan should open. */
static void want_alarms(const struct sensors *s, struct scan *next) {
        bool is_watched = s->alarms[ALARM_WATCH].state != ALARM_SILENT;
        for (int i = 0; i < ALARM_COUNT; i++)
                next->wants_alarm[i] = s->alarms[i].state == ALARM_SILENT && !(i == ALARM_OWN && is_watched);
}

static void take_set(struct sensors *s, struct scan *made) {
        bool is_moved = strcmp(made->own_path, s->files.own_path) != 0;
        if (is_moved) {
                counter_restart(&s->own_pressure);
                pressure_alarm_disarm(&s->alarms[ALARM_OWN]);
        }
        if (made->throttle.count != s->files.throttle.count)
                counter_restart(&s->throttles);
        take_alarms(s, made);
        scan_close(&s->files);
        s->files = *made;
        scan_nothing(made, &s->files);
        temp_monitor_merge(&s->heat, &s->files.thermometers);
        s->heat.is_scan_wanted = false;
        s->is_scan_wanted = is_moved;
}

static void take_scan(struct sensors *s, uint64_t now_ms) {
        if (!s->is_scan_asked || bg_thread_is_running(s->scan))
                return;
        s->is_scan_asked = false;
        s->scanned_ms = now_ms;
        struct scan *made = bg_thread_data(s->scan);
        if (made->is_short)
                scan_close(made);
        else
                take_set(s, made);
}

static void ask_scan(struct sensors *s, uint64_t now_ms) {
        uint64_t age_ms = sat_sub(now_ms, s->scanned_ms);
        if (!s->scan || s->is_scan_asked || age_ms < (s->is_scan_wanted ? SCAN_EAGER_MS : SCAN_MS))
                return;
        s->is_scan_asked = true;
        want_alarms(s, bg_thread_data(s->scan));
        bg_thread_start(s->scan);
}

/* --- looking --- */

/* Notes what became of a source: one that worked and does not any more may be there again under the same name. */
static int note(struct sensors *s, int before, int now) {
        s->is_scan_wanted = s->is_scan_wanted || (before == 0 && now < 0) || now == -ENODEV;
        return now < 0 ? now : 0;
}

static void observe_memory(struct sensors *s, struct snapshot *ret) {
        char text[FILE_TEXT_MAX];
        struct memory_seen memory;
        int r = proc_file_read(s->files.meminfo, text, sizeof(text));
        r = r < 0 ? r : memory_parse(text, &memory);
        s->memory_result = note(s, s->memory_result, r);
        if (r == 0) {
                s->tightest = cgroup_limits_lower(&s->files.limits, &memory);
                s->is_scan_wanted = s->is_scan_wanted || s->tightest.is_gone;
                s->memory = memory;
        }
        ret->memory_blind = r < 0;
        ret->ram_bytes = s->memory.total_bytes;
        ret->available_bytes = s->memory.available_bytes;
        ret->swap_total_bytes = s->memory.swap_total_bytes;
        ret->swap_free_bytes = s->memory.swap_free_bytes;
}

static void observe_paging(struct sensors *s, struct snapshot *ret) {
        char text[FILE_TEXT_MAX];
        int r = proc_file_read(s->files.vmstat, text, sizeof(text));
        r = r < 0 ? r : vmstat_parse(text, &s->vmstat);
        s->vmstat_result = note(s, s->vmstat_result, r);
        ret->swapins = s->vmstat.swapins;
        ret->swapouts = s->vmstat.swapouts;
        ret->refaults = s->vmstat.refaults;

        r = proc_file_read(s->files.swaps, text, sizeof(text));
        r = r < 0 ? r : swap_parse(text, &s->files.zrams, &s->swap);
        s->swap_result = note(s, s->swap_result, r);
        s->is_scan_wanted = s->is_scan_wanted || (r == 0 && s->swap.is_zram_unknown);
        ret->zram_bytes = s->swap.zram_bytes;
}

static void observe_pressure(struct sensors *s, struct snapshot *ret) {
        s->pressure_result = note(s, s->pressure_result, pressure_read(s->files.pressure, &s->pressure));
        s->own_pressure_result = note(s, s->own_pressure_result, pressure_read(s->files.own_pressure, &s->own_pressure));
        ret->stall_us = s->pressure.sum;
        ret->own_stall_us = s->own_pressure.sum;
        ret->pressure_event = s->is_pressed;
        s->is_pressed = false;
}

void sensors_observe(struct sensors *s, uint64_t now_ms, struct snapshot *ret) {
        take_scan(s, now_ms);
        observe_memory(s, ret);
        observe_paging(s, ret);
        observe_pressure(s, ret);
        temp_monitor_collect(&s->heat);
        temp_monitor_tell(&s->heat, ret);
        s->is_scan_wanted = s->is_scan_wanted || s->heat.is_scan_wanted;
        ret->throttles = s->throttles.sum;
        ret->load_permille = s->load.permille;
        ask_scan(s, now_ms);
}

/* Counters in memory: read here, but only as often as temperatures are looked at. */
static void refresh_throttles(struct sensors *s) {
        uint64_t throttles;
        int r = throttle_read(&s->files.throttle, &throttles);
        if (r == 0)
                counter_take(&s->throttles, throttles);
        s->throttle_result = note(s, s->throttle_result, r);
}

/* The first line is all that is wanted of a file that is long on a large box. */
static void refresh_load(struct sensors *s) {
        char text[NUMBER_TEXT_MAX];
        cpu_load_take(&s->load, proc_file_read_once(s->files.cpu, text, sizeof(text)) < 0 ? NULL : text);
}

void sensors_refresh_heat(struct sensors *s, uint64_t now_ms, uint64_t period_ms) {
        temp_monitor_collect(&s->heat);
        if (s->was_refreshed && sat_sub(now_ms, s->refreshed_ms) < period_ms)
                return;
        s->was_refreshed = true;
        s->refreshed_ms = now_ms;
        temp_monitor_ask(&s->heat);
        refresh_throttles(s);
        refresh_load(s);
}

bool sensors_tell_load(const struct sensors *s) {
        return s->load.begun;
}

/* --- alarms --- */

static void on_alarm(void *user) {
        struct sensors *s = user;
        uint64_t now_ms = uv_now(s->loop);
        s->is_pressed = true;
        if (!s->on_pressure || (s->pressed_ms != 0 && now_ms < s->pressed_ms + ALARM_PAUSE_MS))
                return;
        s->pressed_ms = now_ms;
        s->on_pressure(s->user);
}

/* The lost alarm is known by its state; the next scan tries them all again. */
static void on_alarm_lost(void *user) {
        struct sensors *s = user;
        for (int i = 0; i < ALARM_COUNT; i++)
                if (s->alarm_results[i] == 0 && s->alarms[i].state == ALARM_CLOSING)
                        s->alarm_results[i] = -ENODEV;
        s->is_scan_wanted = true;
}

/* --- life --- */

static void on_alarm_closed(void *user) {
        struct sensors *s = user;
        if (--s->alarms_open > 0)
                return;
        void (*on_closed)(void *user) = s->on_closed;
        void *on_closed_user = s->on_closed_user;
        free(s);
        if (on_closed)
                on_closed(on_closed_user);
}

/* The first scan is made here, so that the first look sees everything. */
static void scan_first(struct sensors *s) {
        want_alarms(s, &s->files);
        scan_open(&s->files);
        take_alarms(s, &s->files);
        temp_monitor_merge(&s->heat, &s->files.thermometers);
        s->scanned_ms = uv_hrtime() / 1000000;
        if (bg_thread_new(&scan_kind, &s->scan) == 0)
                scan_nothing(bg_thread_data(s->scan), &s->files);
}

int sensors_new(uv_loop_t *loop, const struct sensors_config *config, struct sensors **ret) {
        if (strlen(config->proc) >= PLACE_MAX || strlen(config->sys) >= PLACE_MAX)
                return -ENAMETOOLONG;
        struct sensors *s = calloc(1, sizeof(*s));
        if (!s)
                return -ENOMEM;
        s->loop = loop;
        s->on_pressure = config->on_pressure;
        s->user = config->user;
        s->load.permille = LOAD_UNKNOWN;
        s->heat.ignored = config->ignored;
        s->heat.trusted = config->trusted;
        (void) strcpy(s->files.proc, config->proc);
        (void) strcpy(s->files.sys, config->sys);
        s->watch = s->files.watch = pressure_watch_parse(getenv("MEMORY_PRESSURE_WATCH"), getenv("MEMORY_PRESSURE_WRITE"));
        for (; s->alarms_open < ALARM_COUNT; s->alarms_open++) {
                struct pressure_alarm *a = &s->alarms[s->alarms_open];
                *a = (struct pressure_alarm){ .on_event = on_alarm, .on_lost = on_alarm_lost, .user = s };
                pressure_alarm_init(a, loop);
        }
        scan_first(s);
        *ret = s;
        return 0;
}

void sensors_close(struct sensors *s, void (*on_closed)(void *user), void *user) {
        s->on_closed = on_closed;
        s->on_closed_user = user;
        bg_thread_leave(s->scan);
        temp_monitor_close(&s->heat);
        scan_close(&s->files);
        for (int i = 0; i < ALARM_COUNT; i++)
                pressure_alarm_close(&s->alarms[i], on_alarm_closed);
}
