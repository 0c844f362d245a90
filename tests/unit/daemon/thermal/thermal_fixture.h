/*
 * thermal_fixture.h - thermometers in the directory that plays /sys, and looks at them: a look tells the news of each once, so
 * what a whole round has told is gathered.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_THERMAL_THERMAL_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_THERMAL_THERMAL_FIXTURE_H

#include "tests/unit/daemon/sensors/sensors_fixture.h"

static inline int make_machine(void **state) {
        if (make_fixture(state) < 0)
                return -1;
        (void) make_way("class/hwmon/x");
        return 0;
}

#define with_machine(TEST) cmocka_unit_test_setup_teardown(TEST, make_machine, remove_fixture)

/* --- what is put there --- */

/* A device DEVICE below devices/, and hwmonN that stands for it. */
static inline void put_hwmon(unsigned number, const char *name, const char *device) {
        char path[256], target[256];
        (void) snprintf(path, sizeof(path), "devices/%s/power/runtime_status", device);
        put(path, "unsupported\n");
        (void) snprintf(path, sizeof(path), "class/hwmon/hwmon%u/name", number);
        (void) snprintf(target, sizeof(target), "%s\n", name);
        put(path, target);
        (void) snprintf(path, sizeof(path), "class/hwmon/hwmon%u/device", number);
        (void) snprintf(target, sizeof(target), "../../../devices/%s", device);
        put_link(path, target);
}

static inline void put_in(unsigned number, const char *file, const char *text) {
        char path[256];
        (void) snprintf(path, sizeof(path), "class/hwmon/hwmon%u/%s", number, file);
        put(path, text);
}

static inline void put_coretemp(unsigned number) {
        put_hwmon(number, "coretemp", "platform/coretemp.0");
        put_in(number, "temp1_label", "Package id 0\n");
        put_in(number, "temp1_input", "60000\n");
        put_in(number, "temp1_crit", "100000\n");
}

static inline void put_lm75(unsigned number, const char *device, const char *text) {
        put_hwmon(number, "lm75", device);
        put_in(number, "temp1_input", text);
        put_in(number, "temp1_max", "80000\n");
}

static inline void put_nvme(unsigned number) {
        put_hwmon(number, "nvme", "pci/nvme0");
        put_in(number, "temp1_label", "Composite\n");
        put_in(number, "temp1_input", "41850\n");
}

/* --- what is seen --- */

static inline unsigned in_state(const struct snapshot *snapshot, enum sensor_state state) {
        unsigned count = 0;
        for (uint32_t i = 0; i < snapshot->sensors_count; i++)
                count += snapshot->sensors[i].state == state;
        return count;
}

/* One look, of which the news goes into NEWS. */
static inline void look_once(struct snapshot *news) {
        struct snapshot snapshot;
        sensors_observe(sensors, now_ms, &snapshot);
        for (uint32_t i = 0; i < snapshot.sensors_count; i++) {
                uint32_t at = 0;
                while (at < news->sensors_count && news->sensors[at].key != snapshot.sensors[i].key)
                        at++;
                if (at == news->sensors_count || snapshot.sensors[i].state != SENSOR_OLD)
                        news->sensors[at] = snapshot.sensors[i];
                news->sensors_count += at == news->sensors_count;
        }
        news->throttles = snapshot.throttles;
}

static inline struct snapshot look_for(unsigned wait_ms) {
        struct snapshot news = { 0 };
        for (unsigned waited = 0; waited <= wait_ms; waited += 5) {
                look_once(&news);
                (void) usleep(5000);
        }
        return news;
}

/* Every thermometer of the list has news once a round. Looks until all have, however busy the box is. */
static inline struct snapshot after_a_round(void) {
        const struct sensors_source *rows;
        uint32_t count = sensors_sources(sensors, &rows), expected = 0;
        for (uint32_t i = 0; i < count; i++)
                expected += strncmp(rows[i].name, "hwmon:", 6) == 0 || strncmp(rows[i].name, "zone:", 5) == 0;
        now_ms += 1000;
        sensors_refresh_heat(sensors, now_ms, 1000);
        struct snapshot news = { 0 };
        for (int i = 0; i < 2000; i++) {
                look_once(&news);
                if (news.sensors_count - in_state(&news, SENSOR_OLD) >= expected)
                        return news;
                (void) usleep(5000);
        }
        fail_msg("%u of %u thermometers said something", news.sensors_count - in_state(&news, SENSOR_OLD), expected);
        return news;
}

/* The sensor that shows so many degrees. */
static inline struct sensor_view *showing(struct snapshot *snapshot, int32_t millidegrees) {
        for (uint32_t i = 0; i < snapshot->sensors_count; i++)
                if (snapshot->sensors[i].millidegrees == millidegrees)
                        return &snapshot->sensors[i];
        for (uint32_t i = 0; i < snapshot->sensors_count; i++)
                fprintf(stderr, "%08x state %d, %d\n", snapshot->sensors[i].key, snapshot->sensors[i].state,
                        snapshot->sensors[i].millidegrees);
        fail_msg("no sensor shows %d", millidegrees);
        return NULL;
}

#endif
