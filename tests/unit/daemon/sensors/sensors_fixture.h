/*
 * sensors_fixture.h - the sensors of the daemon, running over a directory that plays /proc and /sys: opened, looked at and closed
 * in a loop of the test's, with all descriptors given back.
 *
 * For tests that include cmocka first.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSORS_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_SENSORS_SENSORS_FIXTURE_H

#include <uv.h>

#include "daemon/base/sensor_bounds.h"
#include "daemon/sensors/sensors.h"
#include "tests/unit/daemon/sensors/sensor_fixture.h"

#define PSI(TOTAL) "some avg10=0.00 avg60=0.00 avg300=0.00 total=" TOTAL "\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"

static uv_loop_t loop;
static struct sensors *sensors;
static uint64_t now_ms;
static unsigned descriptors_before;
static bool is_closed;

static inline int make_fixture(void **state) {
        return make_root(state) < 0 || uv_loop_init(&loop) < 0 ? -1 : 0;
}

static inline int remove_fixture(void **state) {
        return uv_loop_close(&loop) | remove_root(state);
}

static inline void start_with(const struct sensors_config *config) {
        /* Descriptors that the first look at the loop and at a stream opens for good are not ours. */
        (void) uv_run(&loop, UV_RUN_NOWAIT);
        descriptors_before = open_descriptors();
        assert_int_equal(sensors_new(&loop, config, &sensors), 0);
        now_ms = uv_hrtime() / 1000000;
}

static inline void start(void) {
        start_with(&(struct sensors_config){ .proc = root, .sys = root });
}

static inline void on_sensors_closed(void *user) {
        *(bool *) user = true;
}

static inline void close_sensors(void) {
        is_closed = false;
        sensors_close(sensors, on_sensors_closed, &is_closed);
        assert_false(is_closed);
        (void) uv_run(&loop, UV_RUN_DEFAULT);
        assert_true(is_closed);
}

/* A thread that was left at its work closes what it has when it is done. */
static inline void wait_for_descriptors(void) {
        for (int i = 0; i < 2000 && open_descriptors() != descriptors_before; i++)
                (void) usleep(5000);
        assert_int_equal(open_descriptors(), descriptors_before);
}

static inline void stop(void) {
        close_sensors();
        wait_for_descriptors();
}

static inline struct snapshot look(void) {
        struct snapshot snapshot;
        memset(&snapshot, 0xee, sizeof(snapshot));
        sensors_observe(sensors, now_ms, &snapshot);
        return snapshot;
}

/* NULL: there is none. */
static inline const struct sensors_source *find_source(const char *name) {
        const struct sensors_source *rows;
        uint32_t count = sensors_sources(sensors, &rows);
        for (uint32_t i = 0; i < count; i++)
                if (strcmp(rows[i].name, name) == 0)
                        return &rows[i];
        return NULL;
}

static inline const struct sensors_source *source(const char *name) {
        const struct sensors_source *found = find_source(name);
        if (!found)
                fail_msg("no source %s", name);
        return found;
}

/* Looks until the scan thread has come round, which is seen by a frequency of our own, however busy the box is. */
static inline struct snapshot after_a_scan(void) {
        static unsigned mhz = 1000;
        char text[32], expected[32];
        struct snapshot snapshot = { 0 };
        (void) snprintf(text, sizeof(text), "%u000\n", ++mhz);
        (void) snprintf(expected, sizeof(expected), "%u MHz", mhz);
        put("devices/system/cpu/cpu0/cpufreq/scaling_cur_freq", text);
        for (int i = 0; i < 2000; i++) {
                now_ms += SCAN_MS;
                snapshot = look();
                if (strcmp(source("frequency")->detail, expected) == 0)
                        return snapshot;
                (void) usleep(5000);
        }
        fail_msg("no scan came round");
        return snapshot;
}

#endif
