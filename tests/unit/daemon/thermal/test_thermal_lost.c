/*
 * test_thermal_lost.c - thermometers that go away, come back under another number or hang, and that none holds up another.
 *
 * A sensor that hangs is a FIFO: without a writer it hangs in open(), with a silent one in read().
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>

#include "tests/unit/daemon/thermal/thermal_fixture.h"

/* --- what comes and goes --- */

static void renumbered_between_two_looks(void **state) {
        (void) state;
        put_coretemp(0);
        put_lm75(1, "i2c-0/0-0048", "45500\n");
        put_lm75(2, "i2c-0/0-0049", "46500\n");
        start();
        struct snapshot before = after_a_round();
        take_away("class/hwmon");
        put_lm75(0, "i2c-0/0-0049", "36500\n");
        put_coretemp(1);
        put_in(1, "temp1_input", "70000\n");
        put_lm75(2, "i2c-0/0-0048", "35500\n");
        after_a_scan();
        struct snapshot after = after_a_round();
        assert_int_equal(after.sensors_count, 3);
        assert_int_equal(showing(&after, 70000)->key, showing(&before, 60000)->key);
        assert_int_equal(showing(&after, 35500)->key, showing(&before, 45500)->key);
        assert_int_equal(showing(&after, 36500)->key, showing(&before, 46500)->key);
        assert_true(showing(&after, 70000)->control);
        stop();
}

static void lost_and_found(void **state) {
        (void) state;
        put_coretemp(0);
        put_nvme(1);
        put_lm75(2, "i2c-0/0-0048", "45500\n");
        start();
        struct snapshot snapshot = after_a_round();
        uint32_t key = showing(&snapshot, 60000)->key;
        take_away("class/hwmon/hwmon0");
        take_away("class/hwmon/hwmon1");
        after_a_scan();
        /* The disk is forgotten. The processor is not: every round says that it is missed, and no lesser one controls. */
        for (int i = 0; i < 3; i++) {
                snapshot = after_a_round();
                assert_int_equal(snapshot.sensors_count, 2);
                assert_int_equal(showing(&snapshot, 60000)->state, SENSOR_MISSED);
                assert_true(showing(&snapshot, 60000)->control);
                assert_false(showing(&snapshot, 45500)->control);
        }
        put_coretemp(7);
        after_a_scan();
        snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 60000)->state, SENSOR_READ);
        assert_int_equal(showing(&snapshot, 60000)->key, key);
        stop();
}

/* The same name, another file: the held descriptor would show the old temperature for ever. */
static void replaced_in_its_place(void **state) {
        (void) state;
        put_coretemp(0);
        start();
        (void) after_a_round();
        take_away("class/hwmon/hwmon0/temp1_input");
        put_in(0, "temp1_input", "90000\n");
        put_in(0, "temp1_crit", "105000\n");
        after_a_scan();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(showing(&snapshot, 90000)->critical_millidegrees, 105000);
        stop();
}

/* --- what hangs --- */

/* Everybody who hangs in the FIFO comes back. */
static void release(const char *path) {
        int fd = open(whole_path(path), O_RDWR | O_NONBLOCK);
        assert_true(fd >= 0);
        char text[16 * 8] = "";
        for (int i = 0; i < 16; i++)
                (void) strcat(text, "33000\n");
        assert_true(write(fd, text, strlen(text)) > 0);
        (void) usleep(50000);
        (void) close(fd);
}

static void one_hangs_and_the_others_go_on(bool has_writer) {
        put_coretemp(0);
        put_nvme(1);
        put_hwmon(2, "lm75", "i2c-0/0-0048");
        put_fifo("class/hwmon/hwmon2/temp1_input");
        put_hwmon(3, "drivetemp", "scsi/0:0:0:0");
        put_in(3, "temp1_input", "35000\n");
        start();
        int writer = has_writer ? open(whole_path("class/hwmon/hwmon2/temp1_input"), O_RDWR | O_NONBLOCK) : -1;
        struct snapshot snapshot = after_a_round();
        assert_int_equal(in_state(&snapshot, SENSOR_READ), 3);
        assert_int_equal(in_state(&snapshot, SENSOR_MISSED), 1);
        assert_non_null(strstr(source("hwmon: lm75 temp1")->detail, "the read hangs"));
        /* From then on it holds up nobody, and is missed in every round. */
        for (int i = 0; i < 3; i++) {
                snapshot = after_a_round();
                assert_int_equal(in_state(&snapshot, SENSOR_READ), 3);
                assert_int_equal(in_state(&snapshot, SENSOR_MISSED), 1);
        }
        if (has_writer) {
                /* The sensor comes back: first the late answer, which is no news, then a reading. */
                assert_true(write(writer, "33000\n", 6) == 6);
                for (int i = 0; i < 2000 && strstr(source("hwmon: lm75 temp1")->detail, "the read hangs"); i++) {
                        snapshot = look_for(5);
                        assert_int_equal(in_state(&snapshot, SENSOR_READ), 0);
                }
                assert_null(strstr(source("hwmon: lm75 temp1")->detail, "the read hangs"));
                assert_true(write(writer, "34000\n", 6) == 6);
                snapshot = after_a_round();
                assert_int_equal(showing(&snapshot, 34000)->state, SENSOR_READ);
                (void) close(writer);
                stop();
                return;
        }
        uint64_t before_ms = uv_hrtime() / 1000000;
        close_sensors();
        assert_true(uv_hrtime() / 1000000 - before_ms < 5000);
        release("class/hwmon/hwmon2/temp1_input");
        wait_for_descriptors();
}

static void one_hangs_in_open(void **state) {
        (void) state;
        one_hangs_and_the_others_go_on(false);
}

static void one_hangs_in_read(void **state) {
        (void) state;
        one_hangs_and_the_others_go_on(true);
}

static void the_processor_itself_hangs(void **state) {
        (void) state;
        put_coretemp(0);
        put_nvme(1);
        start();
        struct snapshot snapshot = after_a_round();
        assert_int_equal(in_state(&snapshot, SENSOR_READ), 2);
        take_away("class/hwmon/hwmon0/temp1_input");
        put_fifo("class/hwmon/hwmon0/temp1_input");
        after_a_scan();
        unsigned missed = 0;
        for (int i = 0; i < 3; i++) {
                snapshot = after_a_round();
                assert_int_equal(showing(&snapshot, 41850)->state, SENSOR_READ);
                missed += showing(&snapshot, 60000)->state == SENSOR_MISSED && showing(&snapshot, 60000)->control;
        }
        assert_int_equal(missed, 3);
        close_sensors();
        release("class/hwmon/hwmon0/temp1_input");
        wait_for_descriptors();
}

/* More than there are threads: those that could be read before are missed as well, and nothing is held up. */
static void more_hang_than_there_are_threads(void **state) {
        (void) state;
        put_hwmon(0, "lm75", "i2c-0/0-0048");
        for (unsigned i = 1; i <= HEAT_THREADS_MAX + 4; i++) {
                char path[64];
                (void) snprintf(path, sizeof(path), "class/hwmon/hwmon0/temp%u_input", i);
                put_fifo(path);
        }
        start();
        struct snapshot snapshot = { 0 };
        for (unsigned i = 0; i < HEAT_THREADS_MAX; i++)
                snapshot = after_a_round();
        assert_int_equal(snapshot.sensors_count, HEAT_THREADS_MAX + 4);
        assert_int_equal(in_state(&snapshot, SENSOR_MISSED), HEAT_THREADS_MAX + 4);
        close_sensors();
        for (unsigned i = 1; i <= HEAT_THREADS_MAX + 4; i++) {
                char path[64];
                (void) snprintf(path, sizeof(path), "class/hwmon/hwmon0/temp%u_input", i);
                release(path);
        }
        wait_for_descriptors();
}

static void a_name_that_hangs(void **state) {
        (void) state;
        put_coretemp(0);
        put_fifo("class/hwmon/hwmon5/name");
        put_in(5, "temp1_input", "30000\n");
        start();
        struct snapshot snapshot = after_a_round();
        assert_true(showing(&snapshot, 60000)->control);
        stop();
}

int main(void) {
        const struct CMUnitTest tests[] = {
                with_machine(renumbered_between_two_looks),
                with_machine(lost_and_found),
                with_machine(replaced_in_its_place),
                with_machine(one_hangs_in_open),
                with_machine(one_hangs_in_read),
                with_machine(the_processor_itself_hangs),
                with_machine(more_hang_than_there_are_threads),
                with_machine(a_name_that_hangs),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
