/* test_sensors_memory.c - /proc and control groups made of files: what is read, what is refused, and whose limit counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "daemon/base/cgroup_limits.h"
#include "daemon/base/meminfo.h"
#include "daemon/base/proc_file.h"
#include "daemon/sensors/psi.h"
#include "daemon/sensors/swap.h"
#include "daemon/sensors/vmstat.h"
#include "tests/unit/daemon/sensors/sensor_fixture.h"

#define MEMINFO \
        "MemTotal:       16384000 kB\nMemFree:         1000000 kB\nMemAvailable:    8192000 kB\nBuffers:               0 kB\n"

static const struct {
        const char *what, *text;
        int result;
} meminfos[] = {
        { "as it is", MEMINFO, 0 },
        { "empty", "", -EBADMSG },
        { "no MemAvailable (before Linux 3.14)", "MemTotal: 100 kB\nMemFree: 50 kB\n", -EBADMSG },
        { "no number", "MemTotal: much kB\nMemAvailable: 1 kB\n", -EBADMSG },
        { "another unit", "MemTotal: 100 MB\nMemAvailable: 1 MB\n", -EBADMSG },
        { "no memory at all", "MemTotal: 0 kB\nMemAvailable: 0 kB\n", -EBADMSG },
        { "more than a number holds", "MemTotal: 99999999999999999999999 kB\nMemAvailable: 1 kB\n", -EBADMSG },
        { "a key that only begins alike", "MemTotalX: 5 kB\nMemTotal: 7 kB\nMemAvailable: 3 kB\n", 0 },
        { "rubbish", "\xff\xfe\x01", -EBADMSG },
        { "cut in the middle of a number", "MemTotal: 1000 kB\nMemAvailable:    81", -EBADMSG },
        { "cut behind a number", "MemTotal: 1000 kB\nMemAvailable:    81 kB", -EBADMSG },
        { "negative", "MemTotal: 1000 kB\nMemAvailable: -5 kB\n", -EBADMSG },
        { "no value", "MemTotal:\nMemAvailable: 5 kB\n", -EBADMSG },
        { "no unit", "MemTotal: 1000\nMemAvailable: 5\n", -EBADMSG },
};

static void a_small_file_by_its_name(void **state) {
        (void) state;
        char text[8], place[PLACE_MAX + 1];
        assert_int_equal(proc_file_read_at(root, "/none", text, sizeof(text)), -ENOENT);
        assert_int_equal(proc_file_read_at(root, "", text, sizeof(text)), -EISDIR);
        memset(place, 'x', PLACE_MAX);
        place[PLACE_MAX] = '\0';
        assert_int_equal(proc_file_read_at(root, place, text, sizeof(text)), -ENAMETOOLONG);
        put("small", "");
        assert_int_equal(proc_file_read_at(root, "/small", text, sizeof(text)), 0);
        assert_string_equal(text, "");
        put("small", "1234567890");
        assert_int_equal(proc_file_read_at(root, "/small", text, sizeof(text)), 7);
        assert_string_equal(text, "1234567");
}

static void meminfo(void **state) {
        (void) state;
        struct memory_seen seen = { .total_bytes = 1, .available_bytes = 2 };
        assert_int_equal(memory_read(root, &seen), -ENOENT);
        for (size_t i = 0; i < sizeof(meminfos) / sizeof(meminfos[0]); i++) {
                put("meminfo", meminfos[i].text);
                seen = (struct memory_seen){ .total_bytes = 1, .available_bytes = 2 };
                int r = memory_read(root, &seen);
                if (r != meminfos[i].result)
                        fail_msg("%s: %d", meminfos[i].what, r);
                if (r < 0)
                        assert_true(seen.total_bytes == 1 && seen.available_bytes == 2);
        }
        put("meminfo", MEMINFO);
        assert_int_equal(memory_read(root, &seen), 0);
        assert_int_equal(seen.total_bytes, MIB(16000));
        assert_int_equal(seen.available_bytes, MIB(8000));
}

static void the_memory_of_a_process(void **state) {
        (void) state;
        struct process_memory m;
        assert_int_equal(memory_read_process(root, 42, &m), -ESRCH);
        put("42/smaps_rollup", "");
        assert_int_equal(memory_read_process(root, 42, &m), -ESRCH);
        put("42/smaps_rollup", "7f-80 ---p 00 00:00 0 [rollup]\nRss:  9000 kB\nPss:  6144 kB\nPss_Dirty: 1 kB\nPss_Anon: 2048 "
                               "kB\nPss_File: 4096 kB\nSwap: 9 kB\nSwapPss: 1024 kB\nLocked: 512 kB\n");
        assert_int_equal(memory_read_process(root, 42, &m), 0);
        assert_int_equal(m.pss_bytes, MIB(6));
        assert_int_equal(m.file_bytes, MIB(4));
        assert_int_equal(m.swap_bytes, MIB(1));
        assert_int_equal(m.locked_bytes, MIB(1) / 2);
        put("42/smaps_rollup", "Rss: 1 kB\nPss: oops\n");
        assert_int_equal(memory_read_process(root, 42, &m), -EBADMSG);
        assert_int_equal(m.pss_bytes, MIB(6));
        /* Our own process, for real. */
        assert_int_equal(memory_read_process("/proc", getpid(), &m), 0);
        assert_in_range(m.pss_bytes, 100000, MIB(500));
}

static void oom_score(void **state) {
        (void) state;
        assert_int_equal(memory_set_oom_score(root, 42, 500), -ENOENT);
        put("42/oom_score_adj", "0\n");
        assert_int_equal(memory_set_oom_score(root, 42, 500), 0);
        char text[NUMBER_TEXT_MAX];
        assert_int_equal(proc_file_read_at(root, "/42/oom_score_adj", text, sizeof(text)), 4);
        assert_string_equal(text, "500\n");
}

static struct memory_seen limited(void) {
        struct memory_seen seen = { .total_bytes = MIB(16000), .available_bytes = MIB(8000) };
        cgroup_limit_apply(root, root, &seen);
        return seen;
}

static void the_tightest_group_counts(void **state) {
        (void) state;
        assert_int_equal(limited().available_bytes, MIB(8000));

        put("self/cgroup", "0::/a.slice/b.service\n");
        assert_int_equal(limited().available_bytes, MIB(8000));

        put("fs/cgroup/a.slice/b.service/memory.max", "max\n");
        put("fs/cgroup/a.slice/b.service/memory.current", "1048576\n");
        assert_int_equal(limited().available_bytes, MIB(8000));

        /* The slice above allows 4 GiB and holds 3, of which 1 is cache: 2 are left. */
        put("fs/cgroup/a.slice/memory.max", "4294967296\n");
        put("fs/cgroup/a.slice/memory.current", "3221225472\n");
        put("fs/cgroup/a.slice/memory.stat", "anon 1\ninactive_file 536870912\nactive_file 536870912\ninactive_file_x 7\n");
        assert_int_equal(limited().total_bytes, MIB(4096));
        assert_int_equal(limited().available_bytes, MIB(2048));

        /* The service itself is tighter still. */
        put("fs/cgroup/a.slice/b.service/memory.max", "2097152\n");
        assert_int_equal(limited().total_bytes, MIB(2));
        assert_int_equal(limited().available_bytes, MIB(1));

        /* The group holds more than it may (the limit was lowered): nothing is left, nothing wraps. */
        put("fs/cgroup/a.slice/b.service/memory.max", "1024\n");
        assert_int_equal(limited().available_bytes, 0);

        put("fs/cgroup/a.slice/b.service/memory.max", "rubbish\n");
        assert_int_equal(limited().available_bytes, MIB(2048));
}

static void in_a_container_the_root_has_a_limit(void **state) {
        (void) state;
        put("self/cgroup", "0::/\n");
        put("fs/cgroup/memory.max", "1073741824\n");
        put("fs/cgroup/memory.current", "536870912\n");
        assert_int_equal(limited().total_bytes, MIB(1024));
        assert_int_equal(limited().available_bytes, MIB(512));
        /* No hierarchy of the memory controller is mounted. */
        put("self/cgroup", "5:memory:/x\n4:cpu:/\n");
        assert_int_equal(limited().total_bytes, MIB(16000));
}

static void version_1(void **state) {
        (void) state;
        put("self/cgroup", "9:name=systemd:/\n5:cpu,memory:/a/b\n0::/elsewhere\n");
        put("self/mountinfo", "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                              "34 31 0:31 / /sys/fs/cgroup/cpuset rw - cgroup cgroup rw,cpuset\n"
                              "35 31 0:32 / /sys/fs/cgroup/the\\040memory rw,relatime shared:9 - cgroup cgroup rw,cpu,memory\n");
        assert_int_equal(limited().available_bytes, MIB(8000));
        put("fs/cgroup/the memory/a/b/memory.limit_in_bytes", "9223372036854771712\n");
        put("fs/cgroup/the memory/a/b/memory.usage_in_bytes", "99\n");
        put("fs/cgroup/the memory/memory.limit_in_bytes", "9223372036854771712\n");
        put("fs/cgroup/the memory/memory.usage_in_bytes", "99\n");
        assert_int_equal(limited().available_bytes, MIB(8000));

        /* The group above: 1 GiB, of which 512 MiB are held, 128 of them cache of the whole subtree. */
        put("fs/cgroup/the memory/a/memory.limit_in_bytes", "1073741824\n");
        put("fs/cgroup/the memory/a/memory.usage_in_bytes", "536870912\n");
        put("fs/cgroup/the memory/a/memory.stat",
            "inactive_file 999999999\ntotal_inactive_file 67108864\ntotal_active_file 67108864\n");
        assert_int_equal(limited().total_bytes, MIB(1024));
        assert_int_equal(limited().available_bytes, MIB(640));

        /* A limit above what is mounted here is told by the topmost group that is. */
        put("fs/cgroup/the memory/memory.stat", "hierarchical_memory_limit 536870912\ntotal_inactive_file 0\n");
        assert_int_equal(limited().total_bytes, MIB(512));
        put("fs/cgroup/the memory/memory.stat", "hierarchical_memory_limit 9223372036854771712\n");
        assert_int_equal(limited().total_bytes, MIB(1024));

        /* The group does not count its children's memory, so it does not bind us. */
        put("fs/cgroup/the memory/a/memory.use_hierarchy", "0\n");
        assert_int_equal(limited().available_bytes, MIB(8000));
}

static void a_group_that_sleeps_beyond_memory_high(void **state) {
        (void) state;
        put("self/cgroup", "0::/a\n");
        put("fs/cgroup/a/memory.max", "max\n");
        put("fs/cgroup/a/memory.high", "104857600\n");
        put("fs/cgroup/a/memory.current", "52428800\n");
        assert_int_equal(limited().total_bytes, MIB(100));
        assert_int_equal(limited().available_bytes, MIB(50));
}

static const struct {
        const char *what, *group, *mounts;
        const char *directory; /* below ROOT; NULL: there is none */
} places[] = {
        { "the whole tree is mounted", "0::/a/b\n", "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "fs/cgroup/a/b" },
        { "a container that sees its own group as the root", "0::/\n", "1 1 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "fs/cgroup" },
        { "our group is mounted, our path is that of the host", "0::/docker/c0ffee\n",
          "1 1 0:1 /docker/c0ffee /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "fs/cgroup" },
        { "a group below the mounted one", "0::/docker/c0ffee/a\n",
          "1 1 0:1 /docker/c0ffee /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "fs/cgroup/a" },
        { "a name that only begins alike", "0::/docker/c0ffee2/a\n",
          "1 1 0:1 /docker/c0ffee /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "fs/cgroup" },
        { "the path shown is not mounted at all", "0::/somewhere/else\n", "1 1 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n",
          "fs/cgroup" },
        { "outside of the name space", "0::/../../a\n", "1 1 0:1 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n", "fs/cgroup" },
        { "mounted twice: where our group is seen", "0::/a/b\n",
          "1 1 0:1 /x /sys/fs/cgroup ro - cgroup2 cgroup rw\n2 1 0:1 / /sys/other ro - cgroup2 cgroup rw\n", "other/a/b" },
        { "not mounted", "0::/a\n", "1 1 0:1 / / rw - ext4 /dev/vda rw\n", NULL },
        { "no such hierarchy", "5:memory:/a\n", "1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", NULL },
        { "a mount line that is cut", "0::/a\n", "1 1 0:1 / /sys/fs/cgr", NULL },
        { "rubbish", "0::\n::::\n\n0:", " - cgroup2 \n - \n", NULL },
        { "rubbish before a mount", "0::/a\n", " - cgroup2 \n\n1 1 0:1 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
          "fs/cgroup/a" },
};

static void where_our_group_is(void **state) {
        (void) state;
        put("fs/cgroup/a/b/x", "");
        put("other/a/b/x", "");
        put("fs/cgroup2/a/x", ""); /* what a prefix by its letters alone would find */
        for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
                struct cgroup_place p;
                put("self/cgroup", places[i].group);
                put("self/mountinfo", places[i].mounts);
                bool found = cgroup_place_find(root, root, CGROUP_VERSION_2, &p);
                if (found != (places[i].directory != NULL))
                        fail_msg("%s: %s", places[i].what, found ? p.directory : "not found");
                if (found && strcmp(p.directory, whole_path(places[i].directory)) != 0)
                        fail_msg("%s: %s", places[i].what, p.directory);
        }
}

static void a_tree_deeper_than_any(void **state) {
        (void) state;
        char group[512] = "0::", path[512] = "fs/cgroup";
        for (int i = 0; i < 40; i++) {
                (void) strcat(group, "/d");
                (void) strcat(path, "/d");
                char file[600];
                (void) snprintf(file, sizeof(file), "%s/memory.max", path);
                put(file, "max\n");
                (void) snprintf(file, sizeof(file), "%s/memory.current", path);
                put(file, "0\n");
        }
        put("self/cgroup", group);
        struct cgroup_limits l;
        cgroup_limits_open(root, root, &l);
        assert_int_equal(l.count, CGROUP_LEVELS_MAX);
        assert_true(l.is_cut);
        cgroup_limits_close(&l);
}

static const struct {
        const char *what, *text;
        int result;
        uint64_t swapins, swapouts, refaults;
} vmstats[] = {
        { "zswap counts beside the device", "pswpin 1\npswpout 2\nzswpin 10\nzswpout 20\nzswpwb 99\n", 0, 11, 22, 0 },
        { "refaults of both kinds", "workingset_refault_anon 3\nworkingset_refault_file 4\npgmajfault 99\n", 0, 0, 0, 7 },
        { "before Linux 5.9", "workingset_refault 5\npswpin 1\n", 0, 1, 0, 5 },
        { "empty", "", -EBADMSG, 0, 0, 0 },
        { "others only", "nr_free_pages 1\npgmajfault 2\n", -EBADMSG, 0, 0, 0 },
        { "cut in the middle", "workingset_refault_file 4\npswpin 12", 0, 0, 0, 4 },
        { "no number", "workingset_refault_file 4\npswpin x\n", 0, 0, 0, 4 },
        { "huge", "pswpin 18446744073709551615\nzswpin 5\n", 0, UINT64_MAX, 0, 0 },
        { "more than huge", "pswpin 99999999999999999999999\nworkingset_refault_file 4\n", 0, 0, 0, 4 },
};

static void paging(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(vmstats) / sizeof(vmstats[0]); i++) {
                struct vmstat_seen seen = { 0 };
                int r = vmstat_parse(vmstats[i].text, &seen);
                if (r != vmstats[i].result || seen.swapins != vmstats[i].swapins || seen.swapouts != vmstats[i].swapouts ||
                    seen.refaults != vmstats[i].refaults)
                        fail_msg("%s: %d, %llu in, %llu out, %llu again", vmstats[i].what, r, (unsigned long long) seen.swapins,
                                 (unsigned long long) seen.swapouts, (unsigned long long) seen.refaults);
        }
}

#define SWAPS "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"

static void swap_devices(void **state) {
        (void) state;
        struct zrams zrams;
        struct swap_seen seen = { .devices = 77 };
        put("block/zram0/mm_stat", "  4096  2048  1048576 0 2097152 0 0 0 0\n");
        put("block/zram1/mm_stat", "rubbish\n");
        put("block/zramdisk/mm_stat", "1 2 3\n");
        put("block/sda/stat", "1 2 3\n");
        zrams_open(root, &zrams);
        assert_int_equal(zrams.count, 2);
        assert_int_equal(swap_parse("", &zrams, &seen), -EBADMSG);
        assert_int_equal(swap_parse(SWAPS "/dev/vda2\n", &zrams, &seen), -EBADMSG);
        assert_int_equal(seen.devices, 77);

        assert_int_equal(swap_parse(SWAPS, &zrams, &seen), 0);
        assert_int_equal(seen.devices, 0);
        assert_int_equal(swap_parse(SWAPS "/swap\\040file\tfile\t\t65532\t\t1024\t\t-2\n/dev/zram0 partition 1024 512 100\n",
                                    &zrams, &seen),
                         0);
        assert_int_equal(seen.devices, 2);
        assert_int_equal(seen.zram_devices, 1);
        assert_int_equal(seen.total_bytes, 65532 * 1024 + MIB(1));
        assert_int_equal(seen.used_bytes, MIB(1) + 512 * 1024);
        assert_int_equal(seen.zram_bytes, MIB(1));
        assert_false(seen.is_zram_unknown);

        /* A device that lies, and one that came after we looked. */
        assert_int_equal(swap_parse(SWAPS "/dev/zram1 partition 1024 512 100\n", &zrams, &seen), 0);
        assert_true(seen.is_zram_unknown);
        assert_int_equal(swap_parse(SWAPS "/dev/zram7 partition 1024 512 100\n", &zrams, &seen), 0);
        assert_true(seen.is_zram_unknown);
        zrams_close(&zrams);
}

static const struct {
        const char *what, *text;
        bool good;
        uint64_t total;
} pressures[] = {
        { "as it is", "some avg10=1.00 avg60=0.10 avg300=0.02 total=12345\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=99\n",
          true, 12345 },
        { "empty", "", false, 0 },
        { "only full", "full avg10=0.00 avg60=0.00 avg300=0.00 total=99\n", false, 0 },
        { "the total is on the next line", "some avg10=1.00\nfull avg10=0.00 total=99\n", false, 0 },
        { "cut", "some avg10=1.00 avg60=0.10 avg300=0.02 total=123", false, 0 },
        { "no number", "some avg10=1.00 total=x\n", false, 0 },
        { "huge", "some total=99999999999999999999999\n", false, 0 },
};

static void pressure_texts(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(pressures) / sizeof(pressures[0]); i++) {
                uint64_t total = 0;
                if (pressure_parse(pressures[i].text, &total) != pressures[i].good || total != pressures[i].total)
                        fail_msg("%s: %llu", pressures[i].what, (unsigned long long) total);
        }
}

static void our_own_pressure(void **state) {
        (void) state;
        char path[PLACE_MAX];
        const char *why = NULL;
        assert_false(pressure_own_path(root, root, path, &why));
        assert_string_equal(why, "no control groups v2");
        put("self/cgroup", "0::/\n");
        put("fs/cgroup/memory.pressure", "");
        assert_false(pressure_own_path(root, root, path, &why));
        assert_non_null(strstr(why, "root"));
        put("fs/cgroup/cgroup.events", "populated 1\n");
        assert_true(pressure_own_path(root, root, path, &why));
        assert_string_equal(path, whole_path("fs/cgroup/memory.pressure"));
        /* The daemon is in a leaf of its own: with all engines is one above. */
        put("fs/cgroup/a/supervisor/cgroup.events", "populated 1\n");
        put("fs/cgroup/a/cgroup.events", "populated 1\n");
        put("self/cgroup", "0::/a/supervisor\n");
        assert_true(pressure_own_path(root, root, path, &why));
        assert_string_equal(path, whole_path("fs/cgroup/a/memory.pressure"));
}

#define with_root(TEST) cmocka_unit_test_setup_teardown(TEST, make_root, remove_root)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_root(a_small_file_by_its_name),
                with_root(meminfo),
                with_root(the_memory_of_a_process),
                with_root(oom_score),
                with_root(the_tightest_group_counts),
                with_root(in_a_container_the_root_has_a_limit),
                with_root(version_1),
                with_root(a_group_that_sleeps_beyond_memory_high),
                with_root(where_our_group_is),
                with_root(a_tree_deeper_than_any),
                cmocka_unit_test(paging),
                with_root(swap_devices),
                cmocka_unit_test(pressure_texts),
                with_root(our_own_pressure),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
