/* test_ctl_machine.c - how much memory there is for us: fixtures of /proc and /sys in a scratch directory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "ctl/fit/bandwidth.h"
#include "ctl/base/bounds.h"
#include "ctl/fit/machine.h"
#include "tests/unit/scratch.h"

#define MIB(n)   ((uint64_t) (n) << 20)
#define GIB(n)   ((uint64_t) (n) << 30)

#define MOUNT_V2 "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define MOUNT_V1 "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"

static char proc[96], sys[96];

static int new_root(void **state) {
        if (make_root(state) < 0)
                return -1;
        snprintf(proc, sizeof(proc), "%s/proc", root);
        snprintf(sys, sizeof(sys), "%s/sys", root);
        put("/proc/meminfo", "MemTotal:       16777216 kB\nMemFree:         1048576 kB\nMemAvailable:    8388608 kB\n");
        return 0;
}

static void test_host_alone(void **state) {
        struct machine m;
        (void) state;
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_int_equal(m.host_bytes, GIB(16));
        assert_int_equal(m.ram_bytes, GIB(16));
        assert_int_equal(m.available_bytes, GIB(8));
        assert_string_equal(m.limit_path, "");
        assert_int_equal(m.engines_count, 0);
        assert_true(m.cores >= 1);
}

static void test_meminfo_missing_or_damaged(void **state) {
        struct machine m;
        (void) state;
        put("/proc/meminfo", "MemTotal: lots\nMemAvailable: 8 kB\n");
        assert_true(machine_read(proc, sys, &m) < 0);
        put("/proc/meminfo", "");
        assert_true(machine_read(proc, sys, &m) < 0);
        char path[128];
        snprintf(path, sizeof(path), "%s/proc/meminfo", root);
        unlink(path);
        assert_true(machine_read(proc, sys, &m) < 0);
}

/* The tightest of the ancestors binds; page cache of the group does not count as use. */
static void test_v2_ancestor(void **state) {
        char path[128];
        struct machine m;
        (void) state;
        put("/proc/self/cgroup", "0::/user.slice/session.scope\n");
        put("/proc/self/mountinfo", "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n" MOUNT_V2);
        put("/sys/fs/cgroup/user.slice/memory.max", "4294967296\n");
        put("/sys/fs/cgroup/user.slice/memory.current", "3221225472\n");
        put("/sys/fs/cgroup/user.slice/memory.stat", "anon 1\nfile 7\ninactive_file 1073741824\nactive_file 1073741824\n");
        put("/sys/fs/cgroup/user.slice/session.scope/memory.max", "max\n");
        put("/sys/fs/cgroup/user.slice/session.scope/memory.current", "12345\n");
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_int_equal(m.host_bytes, GIB(16));
        assert_int_equal(m.ram_bytes, GIB(4));
        assert_int_equal(m.available_bytes, GIB(3));
        snprintf(path, sizeof(path), "%s/fs/cgroup/user.slice", sys);
        assert_string_equal(m.limit_path, path);
}

/* A group that the kernel would slow down is as full as one that it would end, for the daemon as for us. */
static void test_v2_high(void **state) {
        struct machine m;
        (void) state;
        put("/proc/self/cgroup", "0::/a\n");
        put("/proc/self/mountinfo", MOUNT_V2);
        put("/sys/fs/cgroup/a/memory.max", "max\n");
        put("/sys/fs/cgroup/a/memory.high", "4294967296\n");
        put("/sys/fs/cgroup/a/memory.current", "2147483648\n");
        put("/sys/fs/cgroup/a/memory.stat", "slab_reclaimable 1073741824\n");
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_int_equal(m.ram_bytes, GIB(4));
        assert_int_equal(m.available_bytes, GIB(3));
}

/* A limit above the machine's memory limits nothing but may still be the tighter of what is available. */
static void test_v2_loose_limit(void **state) {
        struct machine m;
        (void) state;
        put("/proc/self/cgroup", "0::/a\n");
        put("/proc/self/mountinfo", MOUNT_V2);
        put("/sys/fs/cgroup/a/memory.max", "34359738368\n");
        put("/sys/fs/cgroup/a/memory.current", "30064771072\n");
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_int_equal(m.ram_bytes, GIB(16));
        assert_int_equal(m.available_bytes, GIB(4));
}

static void test_v1_and_hybrid(void **state) {
        struct machine m;
        (void) state;
        put("/proc/self/cgroup", "9:name=systemd:/\n4:cpu,memory:/box/7\n0::/\n");
        put("/proc/self/mountinfo",
            "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n32 31 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n" MOUNT_V1);
        put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        put("/sys/fs/cgroup/memory/box/7/memory.limit_in_bytes", "2147483648\n");
        put("/sys/fs/cgroup/memory/box/7/memory.usage_in_bytes", "1610612736\n");
        put("/sys/fs/cgroup/memory/box/7/memory.stat", "inactive_file 5\ntotal_inactive_file 536870912\ntotal_active_file 0\n");
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_int_equal(m.ram_bytes, GIB(2));
        assert_int_equal(m.available_bytes, GIB(1));
}

/* In a container our own group is mounted as the root of what we see. */
static void test_container_mount(void **state) {
        static const char *const groups[] = { "4:memory:/docker/abc\n", "4:memory:/docker/abc/inner\n", "4:memory:/\n",
                                              "4:memory:/../other\n" };
        struct machine m;
        (void) state;
        put("/proc/self/mountinfo", "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n");
        put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "1073741824\n");
        put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "0\n");
        for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
                put("/proc/self/cgroup", groups[i]);
                assert_int_equal(machine_read(proc, sys, &m), 0);
                assert_int_equal(m.ram_bytes, GIB(1));
        }
}

static void test_nothing_readable_limits_nothing(void **state) {
        static const char *const cgroups[] = { "", "garbage", "0::\n", ":::::\n4:memory\n", "4:memory:/a\n0::/a\n" };
        (void) state;
        for (size_t i = 0; i < sizeof(cgroups) / sizeof(cgroups[0]); i++) {
                put("/proc/self/cgroup", cgroups[i]);
                put("/proc/self/mountinfo", i % 2 ? "x - y\n - \n" : MOUNT_V1 MOUNT_V2);
                struct machine m;
                assert_int_equal(machine_read(proc, sys, &m), 0);
                assert_true(m.ram_bytes == GIB(16) && m.available_bytes == GIB(8));
        }
}

static void test_engines(void **state) {
        struct machine m;
        (void) state;
        put("/proc/17/comm", "headroom-engine\n");
        put("/proc/17/status",
            "Name:\theadroom-engine\nVmRSS:\t 5 kB\nRssAnon:\t  10240 kB\nRssFile:\t 1048576 kB\nRssShmem:\t  0 kB\n");
        put("/proc/18/comm", "bash\n");
        put("/proc/18/status", "RssFile:\t 1048576 kB\n");
        put("/proc/19/comm", "headroom-engine\n"); /* just gone */
        put("/proc/self/comm", "headroom-engine\n");
        assert_int_equal(machine_read(proc, sys, &m), 0);
        assert_true(m.engines_count >= 1);
        uint64_t file_bytes = 0, taken_bytes = 0;
        for (uint32_t i = 0; i < m.engines_count; i++) {
                file_bytes += m.engines[i].file_bytes;
                taken_bytes += m.engines[i].taken_bytes;
        }
        assert_int_equal(file_bytes, GIB(1));
        assert_int_equal(taken_bytes, MIB(10));
}

static void test_cache_size(void **state) {
        (void) state;
        assert_int_equal(machine_cache_bytes(sys), 0);
        put("/sys/devices/system/cpu/cpu0/cache/index0/size", "32K\n");
        put("/sys/devices/system/cpu/cpu0/cache/index1/size", "32768K\n");
        assert_int_equal(machine_cache_bytes(sys), MIB(32));
}

static void test_bandwidth_buffer(void **state) {
        (void) state;
        assert_int_equal(bandwidth_buffer_bytes(MIB(32), GIB(8)), BANDWIDTH_BYTES_MIN);
        assert_int_equal(bandwidth_buffer_bytes(MIB(100), GIB(8)), MIB(400));
        assert_int_equal(bandwidth_buffer_bytes(GIB(1), GIB(64)), BANDWIDTH_BYTES_MAX);
        assert_int_equal(bandwidth_buffer_bytes(MIB(32), MIB(400)), MIB(100));
        assert_int_equal(bandwidth_buffer_bytes(MIB(32), MIB(200)), 0);
        assert_int_equal(bandwidth_buffer_bytes(0, 0), 0);
}

static void test_bandwidth(void **state) {
        struct bandwidth b;
        (void) state;
        assert_int_equal(bandwidth_measure(3, MIB(32), GIB(2), &b), 0);
        assert_int_equal(b.threads, 3);
        assert_true(b.passes >= BANDWIDTH_PASSES_MIN);
        assert_true(b.bytes_per_second > 1e8 && b.bytes_per_second < 1e13);
        assert_true(bandwidth_measure(1, MIB(32), MIB(1), &b) < 0);
}

#define WITH_ROOT(test) cmocka_unit_test_setup_teardown(test, new_root, remove_root)

int main(void) {
        const struct CMUnitTest tests[] = {
                WITH_ROOT(test_host_alone),
                WITH_ROOT(test_meminfo_missing_or_damaged),
                WITH_ROOT(test_v2_ancestor),
                WITH_ROOT(test_v2_high),
                WITH_ROOT(test_v2_loose_limit),
                WITH_ROOT(test_v1_and_hybrid),
                WITH_ROOT(test_container_mount),
                WITH_ROOT(test_nothing_readable_limits_nothing),
                WITH_ROOT(test_engines),
                WITH_ROOT(test_cache_size),
                cmocka_unit_test(test_bandwidth_buffer),
                cmocka_unit_test(test_bandwidth),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
