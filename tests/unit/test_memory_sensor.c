/* test_memory_sensor.c - /proc and control groups made of files: what is read, what is refused, and whose limit counts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "daemon/sensors/cgroup_limit.h"
#include "daemon/sensors/memory.h"

#define MIB(n) ((uint64_t) (n) << 20)

static char root[64];

static int make_root(void **state) {
        (void) state;
        (void) strcpy(root, "/tmp/headroom-sensor-XXXXXX");
        return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state) {
        (void) state;
        char command[128];
        (void) snprintf(command, sizeof(command), "rm -rf '%s'", root);
        return system(command);
}

/* Writes TEXT to ROOT/PATH, making the directories on the way. */
static void put(const char *path, const char *text) {
        char whole[512];
        (void) snprintf(whole, sizeof(whole), "%s/%.400s", root, path);
        for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
                *slash = '\0';
                (void) mkdir(whole, 0755);
                *slash = '/';
        }
        FILE *f = fopen(whole, "w");
        assert_non_null(f);
        (void) fputs(text, f);
        (void) fclose(f);
}

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
};

static void meminfo(void **state) {
        (void) state;
        struct memory_seen seen = { 1, 2 };
        assert_int_equal(memory_read(root, &seen), -ENOENT);
        for (size_t i = 0; i < sizeof(meminfos) / sizeof(meminfos[0]); i++) {
                put("meminfo", meminfos[i].text);
                seen = (struct memory_seen){ 1, 2 };
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
        /* And ourselves, for real. */
        assert_int_equal(memory_read_process("/proc", getpid(), &m), 0);
        assert_in_range(m.pss_bytes, 100000, MIB(500));
}

static void oom_score(void **state) {
        (void) state;
        assert_int_equal(memory_set_oom_score(root, 42, 500), -ENOENT);
        put("42/oom_score_adj", "0\n");
        assert_int_equal(memory_set_oom_score(root, 42, 500), 0);
        char path[128], text[MEMORY_TEXT_MAX];
        (void) snprintf(path, sizeof(path), "%s/42/oom_score_adj", root);
        assert_int_equal(memory_read_text(path, text), 0);
        assert_string_equal(text, "500\n");
}

static struct memory_seen limited(void) {
        struct memory_seen seen = { MIB(16000), MIB(8000) };
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

        /* It holds more than it may (the limit was lowered): nothing is left, nothing wraps. */
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
        /* Version 1 alone: not looked at. */
        put("self/cgroup", "5:memory:/x\n4:cpu:/\n");
        assert_int_equal(limited().total_bytes, MIB(16000));
}

#define with_root(TEST) cmocka_unit_test_setup_teardown(TEST, make_root, remove_root)

int main(void) {
        const struct CMUnitTest tests[] = {
                with_root(meminfo),
                with_root(the_memory_of_a_process),
                with_root(oom_score),
                with_root(the_tightest_group_counts),
                with_root(in_a_container_the_root_has_a_limit),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
