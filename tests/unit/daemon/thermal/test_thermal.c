/*
 * test_thermal.c - temperatures over a directory that plays /sys: which are found and which control, what is said of
 * one that lies or sleeps, and what the processor says of its own throttling.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/thermal/hwmon.h"
#include "tests/unit/daemon/thermal/thermal_fixture.h"

/* --- what is found --- */

static const struct {
        const char *chip, *label;
        enum thermometer_rank rank;
} ranks[] = {
        { "coretemp", "Package id 0", THERMOMETER_PACKAGE },
        { "coretemp", "Physical id 1", THERMOMETER_PACKAGE },
        { "coretemp", "Core 0", THERMOMETER_PART },
        { "k10temp", "Tctl", THERMOMETER_PART }, /* with an offset on some models */
        { "k10temp", "Tdie", THERMOMETER_PACKAGE },
        { "k10temp", "Tccd1", THERMOMETER_PACKAGE },
        { "k10temp", "", THERMOMETER_PACKAGE },
        { "zenpower", "Tdie", THERMOMETER_PACKAGE },
        { "cpu_thermal", "", THERMOMETER_PACKAGE },
        { "soc_thermal", "", THERMOMETER_PACKAGE },
        { "via_cputemp", "", THERMOMETER_PACKAGE },
        { "thinkpad", "CPU", THERMOMETER_PART },
        { "nct6775", "PECI Agent 0", THERMOMETER_PART },
        { "nct6775", "SYSTIN", THERMOMETER_BOARD },
        { "lm75", "", THERMOMETER_BOARD },
        { "jc42", "", THERMOMETER_BOARD },
        { "nvme", "Composite", THERMOMETER_OTHER },
        { "amdgpu", "edge", THERMOMETER_OTHER },
        { "acpitz", "", THERMOMETER_OTHER },
        { "iwlwifi_1", "", THERMOMETER_OTHER },
        { "drivetemp", "", THERMOMETER_OTHER },
};

static void what_a_thermometer_is_worth(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(ranks) / sizeof(ranks[0]); i++)
                if (hwmon_rank(ranks[i].chip, ranks[i].label) != ranks[i].rank)
                        fail_msg("%s %s: %d", ranks[i].chip, ranks[i].label, hwmon_rank(ranks[i].chip, ranks[i].label));
}

static void the_package_controls_and_the_rest_is_shown(void **state) {
        (void) state;
        put_coretemp(3);
        put_in(3, "temp2_label", "Core 0\n");
        put_in(3, "temp2_input", "58000\n");
        put_in(3, "temp17_label", "Core 15\n");
        put_in(3, "temp17_input", "57000\n");
        put_in(3, "temp_input", "1\n");
        put_in(3, "tempx_input", "2\n");
        put_nvme(0);
        put_lm75(1, "i2c-0/0-0048", "45500\n");
        start();
        struct snapshot snapshot;
        sensors_observe(sensors, now_ms, &snapshot);
        assert_int_equal(snapshot.sensors_count, 0); /* nothing is known of them yet */
        snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, 5);
        assert_int_equal(in_state(&snapshot, SENSOR_READ), 5);
        assert_true(showing(&snapshot, 60000)->control);
        assert_int_equal(showing(&snapshot, 60000)->critical_millidegrees, 100000);
        assert_false(showing(&snapshot, 58000)->control);
        assert_false(showing(&snapshot, 41850)->control);
        assert_false(showing(&snapshot, 45500)->control);
        assert_int_equal(showing(&snapshot, 45500)->critical_millidegrees, 80000);
        char expected[96];
        (void) snprintf(expected, sizeof(expected), "60.0 of 100.0 degrees, controls, sensor %08x",
                        showing(&snapshot, 60000)->key);
        assert_string_equal(source("hwmon: coretemp Package id 0")->detail, expected);
        (void) snprintf(expected, sizeof(expected), "coretemp Package id 0 (sensor %08x)", showing(&snapshot, 60000)->key);
        assert_string_equal(sensors_name(sensors, showing(&snapshot, 60000)->key).text, expected);
        /* News is told once. */
        sensors_observe(sensors, now_ms, &snapshot);
        assert_int_equal(in_state(&snapshot, SENSOR_OLD), 5);
        put_in(3, "temp1_input", "61000\n");
        /* Too soon for another round. */
        sensors_refresh_heat(sensors, now_ms + 999, 1000);
        snapshot = look_for(50);
        assert_int_equal(in_state(&snapshot, SENSOR_OLD), 5);
        snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 61000)->state, SENSOR_READ);
        stop();
}

/* A die that is not there tells -49 degrees for ever: it controls nothing, and what is beside it does. */
static void one_that_never_tells_what_can_be(void **state) {
        (void) state;
        put_hwmon(0, "k10temp", "pci/k10temp");
        put_in(0, "temp1_label", "Tctl\n");
        put_in(0, "temp1_input", "45000\n");
        put_in(0, "temp3_label", "Tccd1\n");
        put_in(0, "temp3_input", "-49000\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_false(showing(&snapshot, -49000)->control);
        assert_true(showing(&snapshot, 45000)->control); /* a part, where no whole ever told anything */
        assert_false(source("hwmon: k10temp Tccd1")->works);
        assert_non_null(strstr(source("hwmon: k10temp Tccd1")->detail, "-49.0 degrees, and never a value that can be: unknown"));
        put_in(0, "temp3_input", "44000\n");
        snapshot = after_a_round();
        assert_true(showing(&snapshot, 44000)->control);
        put_in(0, "temp3_input", "0\n"); /* now it counts, whatever it tells */
        snapshot = after_a_round();
        assert_true(showing(&snapshot, 0)->control);
        stop();
}

/* The operator knows better: one is left out, so that a lesser one controls, and another is trusted. */
static void what_the_operator_says_of_them(void **state) {
        (void) state;
        put_coretemp(0);
        put_lm75(1, "i2c-0/0-0048", "45500\n");
        start();
        struct snapshot snapshot = after_a_round();
        uint32_t package = showing(&snapshot, 60000)->key, board = showing(&snapshot, 45500)->key;
        assert_false(showing(&snapshot, 60000)->trusted);
        sensors_note_stuck(sensors, &package, 1);
        char expected[256];
        (void) snprintf(
                expected, sizeof(expected),
                "stuck at 60.0 degrees whatever the load is, so not obeyed; in [governor], trust_sensors = %08x has it obeyed, "
                "ignore_sensors = %08x leaves it out",
                package, package);
        assert_string_equal(source("hwmon: coretemp Package id 0")->detail, expected);
        assert_false(source("hwmon: coretemp Package id 0")->works);
        stop();
        start_with(&(struct sensors_config){
                .proc = root, .sys = root, .ignored = { 1, { package } }, .trusted = { 2, { 7, board } } });
        snapshot = after_a_round();
        assert_false(showing(&snapshot, 60000)->control);
        assert_true(showing(&snapshot, 45500)->control);
        assert_true(showing(&snapshot, 45500)->trusted);
        assert_non_null(strstr(source("hwmon: coretemp Package id 0")->detail, "left out by ignore_sensors"));
        stop();
}

static void a_box_with_board_sensors_only(void **state) {
        (void) state;
        put_lm75(0, "i2c-0/0-0048", "45500\n");
        put_lm75(1, "i2c-0/0-0049", "46500\n");
        put_nvme(2);
        start();
        struct snapshot snapshot = after_a_round();
        assert_true(showing(&snapshot, 45500)->control);
        assert_true(showing(&snapshot, 46500)->control);
        assert_true(showing(&snapshot, 45500)->key != showing(&snapshot, 46500)->key);
        assert_false(showing(&snapshot, 41850)->control);
        /* The processor's driver is loaded: from then on the board is only shown. */
        put_coretemp(3);
        after_a_scan();
        snapshot = after_a_round();
        assert_true(showing(&snapshot, 60000)->control);
        assert_false(showing(&snapshot, 45500)->control);
        stop();
}

static void nothing_but_a_disk_controls_nothing(void **state) {
        (void) state;
        put_nvme(0);
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, 1);
        assert_false(snapshot.sensors[0].control);
        stop();
}

/* A processor that never told its temperature has not lost it: the board takes its place. */
static void a_package_that_never_worked(void **state) {
        (void) state;
        put_coretemp(0);
        put_in(0, "temp1_input", "");
        put_lm75(1, "i2c-0/0-0048", "45500\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(in_state(&snapshot, SENSOR_MISSED), 1);
        assert_true(showing(&snapshot, 45500)->control);
        assert_false(showing(&snapshot, 0)->control);
        stop();
}

static void parts_stand_for_a_whole_that_is_not_told(void **state) {
        (void) state;
        put_hwmon(0, "coretemp", "platform/coretemp.0");
        put_in(0, "temp2_label", "Core 0\n");
        put_in(0, "temp2_input", "58000\n");
        put_hwmon(1, "k10temp", "pci/0000:00:18.3");
        put_in(1, "temp1_label", "Tctl\n");
        put_in(1, "temp1_input", "70000\n");
        put_hwmon(2, "k10temp", "pci/0000:00:19.3");
        put_in(2, "temp1_label", "Tctl\n");
        put_in(2, "temp1_input", "97000\n");
        put_in(2, "temp2_label", "Tdie\n");
        put_in(2, "temp2_input", "71000\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_true(showing(&snapshot, 58000)->control);
        assert_true(showing(&snapshot, 70000)->control);
        assert_false(showing(&snapshot, 97000)->control);
        assert_true(showing(&snapshot, 71000)->control);
        stop();
}

static void put_zone(unsigned number, const char *type, const char *text) {
        char path[128];
        (void) snprintf(path, sizeof(path), "class/thermal/thermal_zone%u/type", number);
        put(path, type);
        (void) snprintf(path, sizeof(path), "class/thermal/thermal_zone%u/temp", number);
        put(path, text);
}

static void zones_that_can_be_believed(void **state) {
        (void) state;
        put_zone(0, "acpitz\n", "16800\n");
        put_zone(1, "cpu0-thermal\n", "50000\n");
        put_zone(2, "cpu0-thermal\n", "51000\n");
        put_zone(10, "soc-thermal\n", "52000\n");
        put_zone(11, "INT3400 Thermal\n", "20000\n");
        put("class/thermal/thermal_zone1/trip_point_0_type", "passive\n");
        put("class/thermal/thermal_zone1/trip_point_0_temp", "-274000\n");
        put("class/thermal/thermal_zone1/trip_point_1_type", "critical\n");
        put("class/thermal/thermal_zone1/trip_point_1_temp", "110000\n");
        put("class/thermal/thermal_zone2/trip_point_0_type", "critical\n");
        put("class/thermal/thermal_zone2/trip_point_0_temp", "20800\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, 3);
        assert_int_equal(showing(&snapshot, 50000)->critical_millidegrees, 110000);
        assert_int_equal(showing(&snapshot, 51000)->critical_millidegrees, 0);
        assert_true(showing(&snapshot, 52000)->control);
        assert_true(showing(&snapshot, 50000)->key != showing(&snapshot, 51000)->key);
        stop();
}

static void zones_that_hwmon_shows_too(void **state) {
        (void) state;
        put_zone(0, "cpu-thermal\n", "50000\n");
        put_hwmon(0, "cpu_thermal", "virtual/thermal/thermal_zone0");
        put_in(0, "temp1_input", "50000\n");
        put_zone(1, "x86_pkg_temp\n", "50001\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, 2);
        assert_true(showing(&snapshot, 50000)->control);
        assert_false(showing(&snapshot, 50001)->control);
        stop();
}

static void more_than_fit(void **state) {
        (void) state;
        put_hwmon(0, "nvme", "pci/nvme0");
        for (int i = 1; i <= 60; i++) {
                char name[32];
                (void) snprintf(name, sizeof(name), "temp%d_input", i);
                put_in(0, name, "40000\n");
        }
        put_coretemp(9);
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, SENSORS_MAX);
        assert_true(showing(&snapshot, 60000)->control);
        assert_string_equal(source("more temperatures")->detail, "29 are not looked at");
        stop();
}

/* --- what is read --- */

static const struct {
        const char *what, *text;
        enum sensor_state state;
        int32_t millidegrees;
} texts[] = {
        { "empty", "", SENSOR_MISSED, 60000 },
        { "rubbish", "hot\n", SENSOR_MISSED, 60000 },
        { "a number with more behind it", "50000 C\n", SENSOR_MISSED, 60000 },
        { "binary", "\xff\xfe", SENSOR_MISSED, 60000 },
        { "below zero: whether that can be is for others to say", "-127000\n", SENSOR_READ, -127000 },
        { "nonsense of a Raspberry Pi", "-650788984\n", SENSOR_READ, -650788984 },
        { "more than a number holds", "99999999999999999999\n", SENSOR_READ, INT32_MAX },
        { "less than a number holds", "-99999999999999999999\n", SENSOR_READ, INT32_MIN },
        { "without the end of the line", "51000", SENSOR_READ, 51000 },
        { "zero", "0\n", SENSOR_READ, 0 },
};

static void what_one_tells(void **state) {
        (void) state;
        put_coretemp(0);
        put_nvme(1);
        start();
        for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
                put_in(0, "temp1_input", "60000\n");
                struct snapshot snapshot = after_a_round();
                uint32_t key = showing(&snapshot, 60000)->key;
                put_in(0, "temp1_input", texts[i].text);
                snapshot = after_a_round();
                assert_int_equal(showing(&snapshot, 41850)->state, SENSOR_READ);
                for (uint32_t j = 0; j < snapshot.sensors_count; j++)
                        if (snapshot.sensors[j].key == key && (snapshot.sensors[j].state != texts[i].state ||
                                                               snapshot.sensors[j].millidegrees != texts[i].millidegrees))
                                fail_msg("%s: %d in state %d", texts[i].what, snapshot.sensors[j].millidegrees,
                                         snapshot.sensors[j].state);
        }
        stop();
}

static const struct {
        const char *what, *critical, *maximum;
        int32_t expected;
} limits[] = {
        { "critical and maximum", "95000\n", "80000\n", 95000 },
        { "maximum only", NULL, "80000\n", 80000 },
        { "neither", NULL, NULL, 0 },
        { "a chip that was never set up", "0\n", "0\n", 0 },
        { "critical is nonsense", "-274000\n", "80000\n", 80000 },
        { "firmware that would stop at room temperature", "20800\n", NULL, 0 },
        { "rubbish", "x\n", "y\n", 0 },
        { "huge", "999999999999\n", NULL, 0 },
};

static void where_it_ends(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
                take_away("class");
                take_away("devices");
                put_hwmon(0, "jc42", "i2c-0/0-0018");
                put_in(0, "temp1_input", "45000\n");
                if (limits[i].critical)
                        put_in(0, "temp1_crit", limits[i].critical);
                if (limits[i].maximum)
                        put_in(0, "temp1_max", limits[i].maximum);
                start();
                struct snapshot snapshot = after_a_round();
                if (showing(&snapshot, 45000)->critical_millidegrees != limits[i].expected)
                        fail_msg("%s: %d", limits[i].what, showing(&snapshot, 45000)->critical_millidegrees);
                stop();
        }
}

static void asleep(void **state) {
        (void) state;
        put_coretemp(0);
        put_hwmon(1, "amdgpu", "pci/0000:03:00.0");
        put_in(1, "temp1_label", "edge\n");
        put_in(1, "temp1_input", "44000\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(in_state(&snapshot, SENSOR_READ), 2);
        put("devices/pci/0000:03:00.0/power/runtime_status", "suspended\n");
        /* Reading the sensor now wakes it: that the value is not seen proves that it was not read. */
        put_in(1, "temp1_input", "99000\n");
        snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 44000)->state, SENSOR_ASLEEP);
        assert_non_null(strstr(source("hwmon: amdgpu edge")->detail, "asleep, and left so"));
        put("devices/pci/0000:03:00.0/power/runtime_status", "active\n");
        snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 99000)->state, SENSOR_READ);
        stop();
}

static void switched_off(void **state) {
        (void) state;
        put_coretemp(0);
        put_in(0, "temp2_input", "33000\n");
        put_in(0, "temp2_enable", "0\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(in_state(&snapshot, SENSOR_MISSED), 1);
        put_in(0, "temp2_enable", "1\n");
        snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 33000)->state, SENSOR_READ);
        stop();
}

/* --- the processor's own word --- */

static void throttling(void **state) {
        (void) state;
        start();
        assert_int_equal(after_a_round().throttles, 0);
        assert_string_equal(source("throttling")->detail, "not counted by this processor's driver");
        assert_true(source("throttling")->works); /* no fault of anybody */
        stop();
#define CPU "devices/system/cpu/cpu"
        /* Two cores of two threads in one package: the second of each counts the same again. */
        static const char *const siblings[] = { "0-1\n", "0-1\n", "2,3\n", "2,3\n" };
        for (int i = 0; i < 4; i++) {
                char path[128];
                (void) snprintf(path, sizeof(path), CPU "%d/topology/thread_siblings_list", i);
                put(path, siblings[i]);
                (void) snprintf(path, sizeof(path), CPU "%d/topology/core_siblings_list", i);
                put(path, "0-3\n");
                (void) snprintf(path, sizeof(path), CPU "%d/thermal_throttle/core_throttle_count", i);
                put(path, "10\n");
                (void) snprintf(path, sizeof(path), CPU "%d/thermal_throttle/package_throttle_count", i);
                put(path, "100\n");
        }
        put("devices/system/cpu/cpufreq/x", "");
        put(CPU "0/cpufreq/scaling_cur_freq", "2400000\n");
        put(CPU "1/cpufreq/scaling_cur_freq", "1200000\n");
        put(CPU "2/cpufreq/scaling_cur_freq", "<unknown>\n");
        start();
        assert_int_equal(after_a_round().throttles, 120);
        put(CPU "2/thermal_throttle/core_throttle_count", "13\n");
        assert_int_equal(after_a_round().throttles, 123);
        assert_string_equal(source("frequency")->detail, "1800 MHz");
        take_away(CPU "1/cpufreq");
        /* Cannot be read: as it was. Then a core is switched off, and on again: no fall, and no flood. */
        put(CPU "2/thermal_throttle/core_throttle_count", "rubbish\n");
        assert_int_equal(after_a_round().throttles, 123);
        take_away(CPU "2/thermal_throttle");
        after_a_scan();
        assert_int_equal(after_a_round().throttles, 123);
        put(CPU "2/thermal_throttle/core_throttle_count", "13\n");
        after_a_scan();
        assert_int_equal(after_a_round().throttles, 123);
        put(CPU "0/thermal_throttle/package_throttle_count", "101\n");
        assert_int_equal(after_a_round().throttles, 124);
        stop();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(what_a_thermometer_is_worth),
                with_machine(the_package_controls_and_the_rest_is_shown),
                with_machine(one_that_never_tells_what_can_be),
                with_machine(what_the_operator_says_of_them),
                with_machine(a_box_with_board_sensors_only),
                with_machine(nothing_but_a_disk_controls_nothing),
                with_machine(a_package_that_never_worked),
                with_machine(parts_stand_for_a_whole_that_is_not_told),
                with_machine(zones_that_can_be_believed),
                with_machine(zones_that_hwmon_shows_too),
                with_machine(more_than_fit),
                with_machine(what_one_tells),
                with_machine(where_it_ends),
                with_machine(asleep),
                with_machine(switched_off),
                with_machine(throttling),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
