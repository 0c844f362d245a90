/*
 * test_sensors.c - the whole of the sensors over a directory that plays /proc and /sys: what one look says while files
 * come, go, lie and are made anew, and what a look costs: no allocation, no open, no descriptor.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/resource.h>

#include "tests/unit/allocation_count.h"
#include "tests/unit/daemon/sensors/sensors_fixture.h"

/* --- a machine of files --- */

#define MEMINFO(AVAILABLE, SWAP_TOTAL, SWAP_FREE) \
        "MemTotal: 16384000 kB\nMemAvailable: " AVAILABLE " kB\nSwapTotal: " SWAP_TOTAL " kB\nSwapFree: " SWAP_FREE " kB\n"
#define SWAPS "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

static int make_machine(void **state) {
        if (make_fixture(state) < 0)
                return -1;
        put("meminfo", MEMINFO("8192000", "0", "0"));
        put("vmstat", "pswpin 1\npswpout 2\nworkingset_refault_file 3\n");
        put("swaps", SWAPS);
        put("pressure/memory", PSI("1000"));
        put("self/cgroup", "0::/a\n");
        put("self/mountinfo", "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n");
        put("fs/cgroup/a/cgroup.events", "populated 1\n");
        put("fs/cgroup/a/memory.pressure", PSI("500"));
        put("fs/cgroup/a/memory.max", "max\n");
        put("fs/cgroup/a/memory.current", "0\n");
        return 0;
}

/* --- situations --- */

/* Of the time between two rounds of the temperatures; waiting for a disk is rest. */
static void how_busy_the_box_is(void **state) {
        (void) state;
        static const struct {
                const char *stat;
                uint64_t permille;
        } rounds[] = {
                { "cpu  100 0 100 800 0 0 0 0 0 0\ncpu0 1 2 3\n", LOAD_UNKNOWN },
                { "cpu  150 10 120 1000 20 0 0 0 0 0\ncpu0 1 2 3\n", 80 * 1000 / 300 },
                { "cpu  150 10 120 1000 20 0 0 0 0 0\n", 80 * 1000 / 300 }, /* within the same tick */
                { "cpu  150 10 120 1000 20 0 0 100 0 0\n", 1000 },          /* what others took from a guest */
                { "cpu  150 10 120 1090 30 0 0 100 0 0\n", 0 },
                { "cpu  150 10 120 990 20 0 0 110 0 0\n", 0 }, /* idle went back: what was known before counts */
                { "intr 1\n", LOAD_UNKNOWN },
                { "cpu  1 2 3 4\n", LOAD_UNKNOWN },
                { "cpu  2 2 3 5\n", 500 },
        };
        put("stat", rounds[0].stat);
        start();
        assert_int_equal(look().load_permille, LOAD_UNKNOWN);
        for (size_t i = 0; i < sizeof(rounds) / sizeof(rounds[0]); i++) {
                put("stat", rounds[i].stat);
                now_ms += 1000;
                sensors_refresh_heat(sensors, now_ms, 1000);
                if (look().load_permille != rounds[i].permille)
                        fail_msg("round %zu: %llu", i, (unsigned long long) look().load_permille);
                assert_int_equal(sensors_tell_load(sensors), strncmp(rounds[i].stat, "cpu", 3) == 0);
        }
        stop();
}

static void the_machine_as_it_is(void **state) {
        (void) state;
        start();
        struct snapshot snapshot = look();
        assert_int_equal(snapshot.ram_bytes, MIB(16000));
        assert_int_equal(snapshot.available_bytes, MIB(8000));
        assert_int_equal(snapshot.swap_total_bytes, 0);
        assert_int_equal(snapshot.swapins, 1);
        assert_int_equal(snapshot.swapouts, 2);
        assert_int_equal(snapshot.refaults, 3);
        assert_int_equal(snapshot.stall_us, 1000);
        assert_int_equal(snapshot.own_stall_us, 500);
        assert_int_equal(snapshot.zram_bytes, 0);
        assert_int_equal(snapshot.sensors_count, 0);
        assert_false(snapshot.memory_blind);
        assert_false(snapshot.pressure_event);
        assert_true(source("meminfo")->works);
        assert_string_equal(source("swap")->detail, "none");
        stop();
}

static void an_empty_machine(void **state) {
        (void) state;
        take_away("");
        start();
        struct snapshot snapshot = look();
        assert_true(snapshot.memory_blind);
        assert_int_equal(snapshot.available_bytes, 0);
        assert_int_equal(snapshot.stall_us, 0);
        assert_false(source("meminfo")->works);
        assert_string_equal(source("psi")->detail, strerror(ENOENT));
        assert_string_equal(source("own psi")->detail, "no control groups v2");
        stop();
}

static void blind_for_a_while(void **state) {
        (void) state;
        start();
        (void) look();
        static const char *const lies[] = { "", "MemTotal: 16384000 kB\nMemAvai", "MemTotal: 0 kB\nMemAvailable: 0 kB\n",
                                            "\x01\x02" };
        for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
                put("meminfo", lies[i]);
                struct snapshot snapshot = look();
                assert_true(snapshot.memory_blind);
                assert_int_equal(snapshot.available_bytes, MIB(8000));
        }
        put("meminfo", MEMINFO("4096000", "0", "0"));
        struct snapshot snapshot = look();
        assert_false(snapshot.memory_blind);
        assert_int_equal(snapshot.available_bytes, MIB(4000));
        stop();
}

static void counters_do_not_fall_when_they_cannot_be_read(void **state) {
        (void) state;
        start();
        (void) look();
        put("vmstat", "");
        put("pressure/memory", "");
        struct snapshot snapshot = look();
        assert_int_equal(snapshot.refaults, 3);
        assert_int_equal(snapshot.stall_us, 1000);
        assert_false(source("vmstat")->works);
        put("vmstat", "workingset_refault_file 9\n");
        put("pressure/memory", PSI("1700"));
        snapshot = look();
        assert_int_equal(snapshot.refaults, 9);
        assert_int_equal(snapshot.stall_us, 1700);
        stop();
}

static void swap_comes_and_goes(void **state) {
        (void) state;
        start();
        (void) look();
        put("meminfo", MEMINFO("8192000", "1024", "512"));
        put("swaps", SWAPS "/swapfile file 1024 512 -2\n");
        struct snapshot snapshot = look();
        assert_int_equal(snapshot.swap_total_bytes, MIB(1));
        assert_int_equal(snapshot.swap_free_bytes, MIB(1) / 2);
        put("meminfo", MEMINFO("8192000", "0", "0"));
        put("swaps", SWAPS);
        snapshot = look();
        assert_int_equal(snapshot.swap_total_bytes, 0);
        assert_int_equal(snapshot.swap_free_bytes, 0);
        stop();
}

/* A scan that something asked for does not wait for its turn. */
static void zram_appears(void **state) {
        (void) state;
        start();
        (void) look();
        put("block/zram0/mm_stat", "4096 2048 1048576 0 2097152 0 0 0 0\n");
        put("swaps", SWAPS "/dev/zram0 partition 1024 512 100\n");
        assert_int_equal(look().zram_bytes, 0);
        now_ms += SCAN_EAGER_MS;
        for (int i = 0; i < 2000 && look().zram_bytes == 0; i++)
                (void) usleep(5000);
        assert_int_equal(look().zram_bytes, MIB(1));
        put("block/zram0/mm_stat", "4096 2048 2097152 0 2097152 0 0 0 0\n");
        assert_int_equal(look().zram_bytes, MIB(2));
        stop();
}

static void a_limit_that_is_lowered_while_we_run(void **state) {
        (void) state;
        start();
        assert_int_equal(look().available_bytes, MIB(8000));
        put("fs/cgroup/a/memory.max", "1073741824\n");
        struct snapshot snapshot = look();
        assert_int_equal(snapshot.ram_bytes, MIB(1024));
        assert_int_equal(snapshot.available_bytes, MIB(1024));
        assert_non_null(strstr(source("control group limits")->detail, "/a: 1024 MiB"));
        put("fs/cgroup/a/memory.max", "max\n");
        assert_int_equal(look().available_bytes, MIB(8000));
        stop();
}

/* The same path, another file: a held descriptor would show the old one for ever. */
static void files_made_anew(void **state) {
        (void) state;
        start();
        (void) look();
        take_away("pressure/memory");
        take_away("meminfo");
        put("pressure/memory", PSI("1500"));
        put("meminfo", MEMINFO("1024000", "0", "0"));
        struct snapshot snapshot = after_a_scan();
        assert_int_equal(snapshot.available_bytes, MIB(1000));
        assert_int_equal(snapshot.stall_us, 1500);
        stop();
}

static void moved_to_another_control_group(void **state) {
        (void) state;
        start();
        assert_int_equal(look().own_stall_us, 500);
        put("fs/cgroup/b/cgroup.events", "populated 1\n");
        put("fs/cgroup/b/memory.pressure", PSI("7000"));
        put("fs/cgroup/b/memory.max", "2097152\n");
        put("fs/cgroup/b/memory.current", "1048576\n");
        put("self/cgroup", "0::/b\n");
        struct snapshot snapshot = after_a_scan();
        /* Another file, another total: what is told neither falls nor jumps. */
        assert_int_equal(snapshot.own_stall_us, 500);
        assert_int_equal(snapshot.available_bytes, MIB(1));
        put("fs/cgroup/b/memory.pressure", PSI("7020"));
        assert_int_equal(look().own_stall_us, 520);
        stop();
}

static void a_look_allocates_and_opens_nothing(void **state) {
        (void) state;
        put("block/zram0/mm_stat", "4096 2048 1048576 0 2097152 0 0 0 0\n");
        put("swaps", SWAPS "/dev/zram0 partition 1024 512 100\n");
        put("fs/cgroup/a/memory.max", "1073741824\n");
        put("class/hwmon/hwmon0/name", "coretemp\n");
        put("class/hwmon/hwmon0/temp1_label", "Package id 0\n");
        put("class/hwmon/hwmon0/temp1_input", "60000\n");
        put("devices/system/cpu/cpu0/thermal_throttle/core_throttle_count", "5\n");
        start();
        (void) look();
        sensors_refresh_heat(sensors, now_ms, 1000);
        unsigned allocations_before = allocations, opens_before = opens;
        for (int i = 0; i < 1000; i++) {
                assert_int_equal(look().throttles, 5);
                /* Nor does asking for another round, once there are threads. */
                sensors_refresh_heat(sensors, now_ms, 1000);
                now_ms += 100;
        }
        assert_int_equal(opens, opens_before);
        assert_int_equal(allocations, allocations_before);
        assert_int_equal(look().sensors_count, 1);
        stop();
        /* The counting counts. */
        free(malloc(1));
        (void) fclose(fopen("/dev/null", "r"));
        assert_true(!COUNTS || allocations > allocations_before);
        assert_true(!COUNTS || opens_before > 0);
}

/* The scan finds no room: what is held stays. */
static void out_of_descriptors(void **state) {
        (void) state;
        start();
        (void) look();
        struct rlimit before, none;
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        none = before;
        none.rlim_cur = 5;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
        take_away("pressure/memory");
        struct snapshot snapshot = look();
        for (int i = 0; i < 10; i++) {
                now_ms += SCAN_MS;
                (void) usleep(20000);
                snapshot = look();
                assert_false(snapshot.memory_blind);
                assert_int_equal(snapshot.stall_us, 1000);
                assert_true(source("psi")->works);
        }
        /* Descriptors are free again: the next scan sees the changes. */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        snapshot = after_a_scan();
        assert_false(source("psi")->works);
        assert_false(snapshot.memory_blind);
        stop();
}

#define with_machine(TEST) cmocka_unit_test_setup_teardown(TEST, make_machine, remove_fixture)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_machine(how_busy_the_box_is),
                with_machine(the_machine_as_it_is),
                with_machine(an_empty_machine),
                with_machine(blind_for_a_while),
                with_machine(counters_do_not_fall_when_they_cannot_be_read),
                with_machine(swap_comes_and_goes),
                with_machine(zram_appears),
                with_machine(a_limit_that_is_lowered_while_we_run),
                with_machine(files_made_anew),
                with_machine(moved_to_another_control_group),
                with_machine(a_look_allocates_and_opens_nothing),
                with_machine(out_of_descriptors),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
