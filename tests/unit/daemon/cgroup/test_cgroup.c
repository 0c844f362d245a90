/*
 * test_cgroup.c - which groups may be divided, in a tree of files made here; and the life of an engine's group in the kernel.
 *
 * The second part needs a cgroup v2 hierarchy in which we may make a group; what limits memory also needs the memory
 * controller there. Each of its tests runs in a process of its own that lives in a fresh group, as a daemon would.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "daemon/base/bounds.h"
#include "daemon/cgroup/internal.h"
#include "engine/base/cleanup.h"
#include "daemon/system/spawn.h"
#include "tests/cgroup_mount.h"
#include "tests/unit/scratch.h"

#define MIB(n)      ((uint64_t) (n) << 20)
#define PATIENCE_MS 20000
#define GROUPS      50

/* --- a tree of files --- */

#define V2         "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate\n"
#define V2_BESIDE  "42 24 0:36 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n"
#define V1_MEMORY  "35 31 0:32 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory\n"
#define GROUP      "/system.slice/headroomd.service"
#define GROUP_FILE "/sys/fs/cgroup" GROUP

static const struct row {
        const char *what, *groups, *mounts, *top, *controllers, *processes, *sentence;
        bool has_events;
} rows[] = {
        { "a box without control groups", "", "", NULL, NULL, NULL, "no such hierarchy is mounted", false },
        { "all on v1", "4:memory:/user\n3:cpu:/\n", V1_MEMORY, NULL, NULL, NULL, "the memory controller is on cgroup v1", false },
        { "hybrid: v2 is mounted beside, and has no memory", "4:memory:/\n0::" GROUP "\n", V1_MEMORY V2_BESIDE, "", "", "",
          "the memory controller is on cgroup v1; boot with systemd.unified_cgroup_hierarchy=1", false },
        { "switched off on the kernel's command line", "0::" GROUP "\n", V2, "cpuset cpu io pids\n", "cpu pids\n", "",
          "cgroup_disable=memory", true },
        { "a word that only begins like it", "0::" GROUP "\n", V2, "memory cpu\n", "cpu memoryless\n", "",
          "the memory controller is not enabled for the control group " GROUP "; run headroomd under its unit", true },
        { "not for us", "0::" GROUP "\n", V2, "memory cpu\n", "cpu\n", "", "not enabled for the control group " GROUP, true },
        { "the kernel's root", "0::/\n", V2, "memory cpu\n", NULL, "", "root control group", false },
        { "started by a shell", "0::" GROUP "\n", V2, "memory cpu\n", "cpu memory\n", "1\n2\n",
          "2 other processes are in the control group " GROUP, true },
        { "another daemon", "0::" GROUP "\n", V2, "memory cpu\n", "cpu memory\n", "77\n",
          "1 other process is in the control group", true },
        { "files that only look like it", "0::" GROUP "\n", V2, "memory cpu\n", "cpu memory\n", "", "is no cgroup v2 file system",
          true },
        { "the same, and systemd has put us into supervisor", "0::" GROUP "/supervisor\n", V2, "memory cpu\n", "cpu memory\n", "",
          GROUP " is no cgroup v2 file system", true },
        { "the top of a container, where the kernel says less", "0::/\n", V2, "cpu pids\n", NULL, "", "cgroup_disable=memory",
          true },
};

static void lay_out(const struct row *row) {
        put("/proc/self/cgroup", row->groups);
        put("/proc/self/mountinfo", row->mounts);
        if (row->top)
                put("/sys/fs/cgroup/cgroup.controllers", row->top);
        if (row->controllers) {
                put(GROUP_FILE "/cgroup.controllers", row->controllers);
                put(GROUP_FILE "/cgroup.procs", row->processes);
                put(GROUP_FILE "/supervisor/cgroup.procs", "");
                put("/sys/fs/cgroup/unified" GROUP "/cgroup.controllers", row->controllers);
        }
        if (row->has_events)
                put(row->controllers ? GROUP_FILE "/cgroup.events" : "/sys/fs/cgroup/cgroup.events", "populated 1\n");
}

static void where_there_is_no_tree(void **state) {
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char sentence[400] = "", proc[80], sys[80];
                struct cgroup_tree *tree = NULL;
                assert_int_equal(make_root(state), 0);
                lay_out(&rows[i]);
                (void) snprintf(proc, sizeof(proc), "%s/proc", root);
                (void) snprintf(sys, sizeof(sys), "%s/sys", root);
                int r = cgroup_tree_open(proc, sys, &tree, sentence, sizeof(sentence));
                if (r != -ENOTSUP || tree || !strstr(sentence, rows[i].sentence))
                        fail_msg("%s: %d '%s'", rows[i].what, r, sentence);
                assert_int_equal(remove_root(state), 0);
        }
}

/* --- the kernel's groups --- */

static char group[512];
static bool has_memory;

static void say(const char *path, const char *name, const char *value) {
        char whole[768];
        (void) snprintf(whole, sizeof(whole), "%s/%s", path, name);
        if (cgroup_file_write(AT_FDCWD, whole, value) < 0)
                fail_msg("%s: %s: %s", whole, value, strerror(errno));
}

static bool reads(const char *path, const char *name, const char *value) {
        char whole[768], text[4096];
        (void) snprintf(whole, sizeof(whole), "%s/%s", path, name);
        return cgroup_file_read(AT_FDCWD, whole, text, sizeof(text)) >= 0 && strstr(text, value);
}

static void wait_until(bool (*is_so)(const void *), const void *about, const char *what) {
        for (int waited = 0; !is_so(about); waited += 5) {
                if (waited > PATIENCE_MS)
                        fail_msg("not within %d ms: %s", PATIENCE_MS, what);
                (void) usleep(5000);
        }
}

static const char *path_of(const char *name) {
        static char path[640];
        (void) snprintf(path, sizeof(path), "%s/%s", group, name);
        return path;
}

static bool is_removed(const void *name) {
        return access(path_of(name), F_OK) < 0;
}

static void skip_since(const char *why) {
        printf("SKIP %s\n", why);
        skip();
}

/* Removes the leftovers of a failed test: processes, and groups one below the other. */
static void clear_group(void) {
        char kill_path[640];
        (void) snprintf(kill_path, sizeof(kill_path), "%s/cgroup.kill", group);
        (void) cgroup_file_write(AT_FDCWD, kill_path, "1");
        for (int tries = 0; tries < 100 && rmdir(group) < 0; tries++) {
                auto_closedir DIR *d = opendir(group);
                const struct dirent *e;
                while (d && (e = readdir(d)))
                        (void) unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
                (void) usleep(10000);
        }
}

/* A fresh group, in which a process of its own is the daemon of the test. What it asserts fails it by its exit. */
static void in_a_group(void (*test)(void)) {
        if (!cgroup_mount_make(group, sizeof(group)))
                skip_since("no cgroup v2 hierarchy in which we may make a group");
        has_memory = reads(group, "cgroup.controllers", "memory");
        (void) setxattr(group, "user.delegate", "1", 1, 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) setenv("CMOCKA_TEST_ABORT", "1", 1);
                say(group, "cgroup.procs", "0");
                test();
                _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        bool is_empty = rmdir(group) == 0;
        if (!is_empty)
                clear_group();
        assert_int_equal(status, 0);
        assert_true(is_empty); /* nothing was left in it */
}

static struct cgroup_tree *open_tree(void) {
        char sentence[400] = "";
        struct cgroup_tree *tree = NULL;
        int r = cgroup_tree_open_needing("/proc", "/sys", has_memory ? "memory" : NULL, &tree, sentence, sizeof(sentence));
        if (r < 0)
                fail_msg("%d: %s", r, sentence);
        return tree;
}

static struct cgroup_engine *new_engine(struct cgroup_tree *tree, uint32_t index) {
        struct cgroup_engine *g = NULL;
        int r = cgroup_engine_new(tree, index, &g);
        if (r < 0)
                fail_msg("no group: %s", strerror(-r));
        return g;
}

static struct spawned start_in(const struct cgroup_engine *g, const char *script) {
        const char *const arguments[] = { "sh", "-c", script, NULL };
        int null = open("/dev/null", O_RDWR | O_CLOEXEC);
        struct spawn s = {
                .path = "sh",
                .arguments = arguments,
                .environment = environ,
                .fds = (const int[]){ null, null, STDERR_FILENO },
                .fds_count = 3,
                .cgroup_fd = cgroup_engine_fd(g),
        };
        struct spawned p;
        int r = spawn_start(&s, &p);
        (void) close(null);
        assert_int_equal(r, 0);
        return p;
}

static bool has_ended(const void *process) {
        int64_t status;
        int signal_number;
        return spawn_reap(process, &status, &signal_number) == 0;
}

static void a_life(void) {
        struct cgroup_tree *tree = open_tree();
        assert_true(reads("/proc/self", "cgroup", "/supervisor\n"));
        assert_true(reads(group, "cgroup.procs", ""));
        assert_non_null(strstr(cgroup_tree_words(tree), "delegated"));
        struct cgroup_engine *g = new_engine(tree, 3), *other = new_engine(tree, 4);
        struct spawned p = start_in(g, "sleep 1000 & sleep 1000 & wait"), q = start_in(other, "exec sleep 1000");
        assert_int_equal(cgroup_engine_freeze(g, true), 0);
        for (int i = 0; i < 1000 && !reads(path_of("w-3.1"), "cgroup.events", "frozen 1"); i++)
                (void) usleep(5000);
        assert_true(reads(path_of("w-3.1"), "cgroup.events", "frozen 1"));
        assert_false(has_ended(&p));
        /* Killed while frozen, and all three of it. */
        assert_int_equal(cgroup_engine_kill(g), 0);
        wait_until(has_ended, &p, "the killed engine's end");
        cgroup_engine_free(g);
        cgroup_engine_sweep(tree);
        for (int i = 0; i < 1000 && !is_removed("w-3.1"); i++, cgroup_engine_sweep(tree))
                (void) usleep(5000);
        assert_true(is_removed("w-3.1"));
        assert_false(has_ended(&q));
        /* This group is given up while it runs. */
        cgroup_engine_free(other);
        wait_until(has_ended, &q, "the end of an engine whose group was given up");
        cgroup_tree_close(tree);
        assert_true(is_removed("w-4.2"));
        assert_true(is_removed(CGROUP_SUPERVISOR));
}

static void without_cgroup_kill(void) {
        struct cgroup_tree *tree = open_tree();
        struct cgroup_engine *g = new_engine(tree, 0);
        struct spawned p = start_in(g, "for i in 1 2 3 4 5 6 7 8; do sleep 1000 & done; wait");
        auto_close int procs = open(path_of("w-0.1/cgroup.procs"), O_RDONLY | O_CLOEXEC);
        assert_int_equal(cgroup_engine_kill_each(procs), 0);
        wait_until(has_ended, &p, "the end");
        for (int i = 0; i < 1000 && !reads(path_of("w-0.1"), "cgroup.events", "populated 0"); i++)
                (void) usleep(5000);
        assert_true(reads(path_of("w-0.1"), "cgroup.events", "populated 0"));
        cgroup_engine_free(g);
        cgroup_tree_close(tree);
}

/* The leftovers of a killed daemon: groups, empty or with an engine that still runs; also groups that are not ours. */
static void after_a_crash(void) {
        assert_int_equal(mkdir(path_of("w-0.1"), 0755), 0);
        assert_int_equal(mkdir(path_of("w-5.17"), 0755), 0);
        assert_int_equal(mkdir(path_of("elsewhere"), 0755), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                say(path_of("w-5.17"), "cgroup.procs", "0");
                (void) pause();
                _exit(1);
        }
        while (!reads(path_of("w-5.17"), "cgroup.events", "populated 1"))
                (void) usleep(1000);
        struct cgroup_tree *tree = open_tree();
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
        struct cgroup_engine *g = new_engine(tree, 0);
        assert_true(is_removed("w-5.17"));
        assert_false(is_removed("elsewhere"));
        cgroup_engine_free(g);
        cgroup_tree_close(tree);
        assert_int_equal(rmdir(path_of("elsewhere")), 0);
}

static void with_a_stranger(void) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                (void) pause();
                _exit(1);
        }
        char sentence[400] = "";
        struct cgroup_tree *tree = NULL;
        assert_int_equal(
                cgroup_tree_open_needing("/proc", "/sys", has_memory ? "memory" : NULL, &tree, sentence, sizeof(sentence)),
                -ENOTSUP);
        assert_non_null(strstr(sentence, "1 other process is in the control group"));
        assert_true(is_removed(CGROUP_SUPERVISOR));
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* As DelegateSubgroup=supervisor does it. */
static void begun_in_supervisor(void) {
        assert_int_equal(mkdir(path_of(CGROUP_SUPERVISOR), 0755), 0);
        say(path_of(CGROUP_SUPERVISOR), "cgroup.procs", "0");
        struct cgroup_tree *tree = open_tree();
        struct cgroup_engine *g = new_engine(tree, 1);
        assert_false(is_removed("w-1.1"));
        cgroup_engine_free(g);
        cgroup_tree_close(tree);
        assert_true(reads("/proc/self", "cgroup", "/supervisor\n"));
        say(group, "cgroup.procs", "0");
        assert_int_equal(rmdir(path_of(CGROUP_SUPERVISOR)), 0);
}

static uint32_t open_fds(void) {
        auto_closedir DIR *d = opendir("/proc/self/fd");
        uint32_t count = 0;
        assert_non_null(d);
        while (readdir(d))
                count++;
        return count;
}

static void many_leave_nothing(void) {
        uint32_t before = open_fds();
        struct cgroup_tree *tree = open_tree();
        struct cgroup_engine *all[GROUPS];
        struct cgroup_usage usage;
        for (uint32_t i = 0; i < GROUPS; i++)
                all[i] = new_engine(tree, i);
        uint32_t held = open_fds();
        for (uint32_t i = 0; i < GROUPS; i++)
                cgroup_engine_usage(all[i], &usage);
        assert_int_equal(open_fds(), held);
        for (uint32_t i = 0; i < GROUPS; i++)
                cgroup_engine_free(all[i]);
        assert_null(tree->doomed);
        cgroup_tree_close(tree);
        assert_int_equal(open_fds(), before);
}

/* --- with the memory controller --- */

static void limits(void) {
        struct cgroup_tree *tree = open_tree();
        struct cgroup_engine *g = new_engine(tree, 0);
        assert_true(reads(path_of("w-0.1"), "memory.max", "max"));
        assert_true(reads(path_of("w-0.1"), "memory.high", "max"));
        assert_true(reads(path_of("w-0.1"), "memory.oom.group", "1"));
        assert_true(access(path_of("w-0.1/memory.swap.max"), F_OK) < 0 || reads(path_of("w-0.1"), "memory.swap.max", "0"));
        assert_int_equal(cgroup_engine_limit(g, MIB(64)), 0);
        assert_true(reads(path_of("w-0.1"), "memory.max", "67108864\n"));
        tree->by_libcgroup = !tree->by_libcgroup; /* the other way, though its self-test may have failed */
        assert_int_equal(cgroup_engine_limit(g, MIB(128)), 0);
        assert_true(reads(path_of("w-0.1"), "memory.max", "134217728\n"));
        cgroup_engine_free(g);
        cgroup_tree_close(tree);
}

/* The one that takes too much is killed with all its processes, and its group says so; the other one lives. */
static void beyond_its_limit(void) {
        struct cgroup_tree *tree = open_tree();
        struct cgroup_engine *g = new_engine(tree, 0), *other = new_engine(tree, 1);
        struct cgroup_usage usage, others;
        assert_int_equal(cgroup_engine_limit(g, MIB(48)), 0);
        assert_int_equal(cgroup_engine_limit(other, MIB(48)), 0);
        struct spawned q = start_in(other, "exec sleep 1000");
        /*
         * `tail` of a line without an end keeps all of it; the sleeping sibling goes with it. Whoever runs the tests may have
         * said that nothing of theirs is to be killed, which the kernel holds to in its groups, too.
         */
        struct spawned p = start_in(g, "echo 500 >/proc/self/oom_score_adj; sleep 1000 & tail /dev/zero; wait");
        wait_until(has_ended, &p, "the end of what took too much");
        cgroup_engine_usage(g, &usage);
        assert_true(usage.oom_kills >= 2);
        assert_true(usage.limit_ooms >= 1);
        assert_true(usage.max_events >= 1);
        cgroup_engine_usage(other, &others);
        assert_int_equal(others.oom_kills, 0);
        assert_true(others.current_bytes > 0 && others.current_bytes < MIB(48));
        assert_false(has_ended(&q));
        cgroup_engine_free(g);
        cgroup_engine_free(other);
        wait_until(has_ended, &q, "the end of the other");
        cgroup_tree_close(tree);
}

static void need_memory(void (*test)(void)) {
        if (!cgroup_mount_make(group, sizeof(group)))
                skip_since("no cgroup v2 hierarchy in which we may make a group");
        bool is_there = reads(group, "cgroup.controllers", "memory");
        assert_int_equal(rmdir(group), 0);
        if (!is_there)
                skip_since("no memory controller on cgroup v2; limits are tested in `make check-vm`");
        in_a_group(test);
}

#define IN_A_GROUP(name)                   \
        static void run_##name(void **s) { \
                (void) s;                  \
                in_a_group(name);          \
        }
#define NEED_MEMORY(name)                  \
        static void run_##name(void **s) { \
                (void) s;                  \
                need_memory(name);         \
        }
IN_A_GROUP(a_life)
IN_A_GROUP(without_cgroup_kill)
IN_A_GROUP(after_a_crash)
IN_A_GROUP(with_a_stranger)
IN_A_GROUP(begun_in_supervisor)
IN_A_GROUP(many_leave_nothing)
NEED_MEMORY(limits)
NEED_MEMORY(beyond_its_limit)

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(where_there_is_no_tree),  cmocka_unit_test(run_a_life),
                cmocka_unit_test(run_without_cgroup_kill), cmocka_unit_test(run_after_a_crash),
                cmocka_unit_test(run_with_a_stranger),     cmocka_unit_test(run_begun_in_supervisor),
                cmocka_unit_test(run_many_leave_nothing),  cmocka_unit_test(run_limits),
                cmocka_unit_test(run_beyond_its_limit),
        };
        return cmocka_run_group_tests_name("cgroup", tests, NULL, NULL);
}
