/*
 * test_child.c - children are real programs here: what they are given, what they say, how they end, and what is left.
 *
 * Entering a control group is tested where this machine has a cgroup v2 hierarchy that we may make a group in.
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
#include <inttypes.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "daemon/system/child.h"
#include "engine/base/cleanup.h"
#include "tests/cgroup_mount.h"

#define STARTS 200

struct heard {
        struct child *child;
        char text[16384];
        size_t used;
        char words[512];
        uint32_t ends, exits;
        struct child_exit exit;
};

static void on_bytes(void *user, const uint8_t *bytes, size_t count) {
        struct heard *h = user;
        assert_int_equal(h->exits, 0);
        assert_true(h->used + count < sizeof(h->text));
        memcpy(h->text + h->used, bytes, count);
        h->used += count;
        h->text[h->used] = '\0';
}

static void on_end(void *user) {
        ((struct heard *) user)->ends++;
}

static void on_exit_told(void *user, struct child_exit exit) {
        struct heard *h = user;
        h->exits++;
        h->exit = exit;
        (void) snprintf(h->words, sizeof(h->words), "%s", child_last_words(h->child));
}

static const struct child_events events = { on_bytes, on_end, on_exit_told };

static int start(uv_loop_t *loop, struct heard *h, struct child_spec spec) {
        *h = (struct heard){ .exit = { -99, -99 } };
        return child_start(loop, &spec, &events, h, &h->child);
}

static struct child_spec shell(const char *const *arguments) {
        return (struct child_spec){
                .path = arguments[0], .arguments = arguments, .channel = CHILD_CHANNEL_STDOUT, .cgroup_fd = -1
        };
}

#define SHELL(script) shell((const char *const[]){ "sh", "-c", script, NULL })

/* Runs it to its end; the loop has nothing left then, or its closing says so. */
static struct heard run(struct child_spec spec) {
        uv_loop_t loop;
        struct heard h;
        assert_int_equal(uv_loop_init(&loop), 0);
        int r = start(&loop, &h, spec);
        assert_int_equal(r, 0);
        assert_int_equal(uv_run(&loop, UV_RUN_DEFAULT), 0);
        assert_int_equal(h.exits, 1);
        assert_int_equal(uv_loop_close(&loop), 0);
        return h;
}

static uint32_t open_fds(void) {
        DIR *d = opendir("/proc/self/fd");
        uint32_t count = 0;
        assert_non_null(d);
        while (readdir(d))
                count++;
        (void) closedir(d);
        return count;
}

static void endings(void **state) {
        (void) state;
        static const struct row {
                const char *script;
                int64_t status;
                int signal;
                const char *text, *words, *exit_words;
        } rows[] = {
                { "true", 0, 0, "", "", "" },
                { "exit 3", 3, 0, "", "", "exit status 3" },
                { "printf abc; printf oh >&2; exit 1", 1, 0, "abc", "oh", "exit status 1" },
                { "kill -SEGV $$", 0, SIGSEGV, "", "", "killed by SIGSEGV" },
                { "echo last >&2; kill -KILL $$", 0, SIGKILL, "", "last\n", "killed by SIGKILL" },
        };
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                const struct row *row = &rows[i];
                struct heard h = run(SHELL(row->script));
                char words[64];
                child_exit_words(h.exit, words, sizeof(words));
                if (h.exit.signal != row->signal || h.exit.status != row->status || strcmp(h.text, row->text) != 0 ||
                    strcmp(h.words, row->words) != 0 || strcmp(words, row->exit_words) != 0)
                        fail_msg("%s: %d %d '%s' '%s' %s", row->script, (int) h.exit.status, h.exit.signal, h.text, h.words,
                                 words);
        }
}

static void what_cannot_start(void **state) {
        (void) state;
        static const struct row {
                const char *path;
                int cgroup_fd, error;
        } rows[] = {
                { "/nowhere/at-all", -1, -ENOENT }, { "no-such-program-in-path", -1, -ENOENT },
                { "/etc/passwd", -1, -EACCES },     { "/proc", -1, -EACCES },
                { "/bin/true", 9999, -EBADF },
        };
        uv_loop_t loop;
        uint32_t before = open_fds();
        assert_int_equal(uv_loop_init(&loop), 0);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                struct child_spec spec = SHELL("exit 0");
                struct heard h;
                spec.path = rows[i].path;
                spec.cgroup_fd = rows[i].cgroup_fd;
                int r = start(&loop, &h, spec);
                if (r != rows[i].error || h.exits > 0)
                        fail_msg("%s: %s", rows[i].path, strerror(-r));
        }
        (void) uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(open_fds(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

/* At a high number. */
static int file_saying(const char *text) {
        char path[] = "/tmp/headroom-child.XXXXXX";
        int fd = mkstemp(path);
        assert_true(fd >= 0);
        assert_int_equal(unlink(path), 0);
        assert_int_equal(write(fd, text, strlen(text)), (ssize_t) strlen(text));
        assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
        int high = fcntl(fd, F_DUPFD, 40);
        assert_true(high >= 40);
        (void) close(fd);
        return high;
}

/* FD becomes NUMBER; what was there, maybe libuv's own, is kept above. */
static int put_at(int fd, int number) {
        int kept = fcntl(number, F_DUPFD_CLOEXEC, 40);
        assert_int_equal(dup2(fd, number), number);
        assert_int_equal(close(fd), 0);
        return kept;
}

static void put_back(int kept, int number) {
        (void) close(number);
        if (kept >= 0)
                (void) put_at(kept, number);
}

/*
 * Descriptors whose numbers are the ones that others become, crosswise; and one of ours that any child could inherit. `ls` shows
 * the one it reads by, 3, which was free then.
 */
static void descriptors_are_exact(void **state) {
        (void) state;
        int a = file_saying("a"), b = file_saying("b");
        int inherited = dup(STDIN_FILENO);
        int kept_a = put_at(a, CHILD_FDS_FIRST + 1), kept_b = put_at(b, CHILD_FDS_FIRST);
        struct child_spec spec = SHELL("cat <&4; cat <&5; readlink /proc/self/fd/0; exec ls /proc/self/fd");
        spec.fds = (const int[]){ CHILD_FDS_FIRST + 1, CHILD_FDS_FIRST };
        spec.fds_count = 2;
        struct heard h = run(spec);
        assert_string_equal(h.text, "ab/dev/null\n0\n1\n2\n3\n4\n5\n");
        put_back(kept_a, CHILD_FDS_FIRST + 1);
        put_back(kept_b, CHILD_FDS_FIRST);
        (void) close(inherited);
}

static void nothing_of_ours_is_inherited(void **state) {
        (void) state;
        sigset_t blocked, before;
        (void) sigemptyset(&blocked);
        (void) sigaddset(&blocked, SIGUSR1);
        assert_int_equal(sigprocmask(SIG_BLOCK, &blocked, &before), 0);
        assert_true(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
        assert_int_equal(setenv("NOTIFY_SOCKET", "/run/systemd/notify", 1), 0);
        assert_int_equal(setenv("HEADROOM_SOME", "thing", 1), 0);
        struct heard h =
                run(SHELL("set -- $(cat /proc/$$/stat); [ $1 = $5 ] && [ $1 = $6 ] && echo leads; "
                          "echo $NOTIFY_SOCKET $HEADROOM_SOME; exec awk '/^Sig(Blk|Ign)/ { print $2 }' /proc/self/status"));
        uint64_t mask, ignored;
        assert_int_equal(sscanf(h.text, "leads thing %" SCNx64 " %" SCNx64, &mask, &ignored), 2);
        assert_int_equal(mask, 0);
        /* Two real-time signals are glibc's own. */
        assert_int_equal(ignored & ~(UINT64_C(3) << 31), 0);
        assert_int_equal(sigprocmask(SIG_SETMASK, &before, NULL), 0);
}

static void both_ways(void **state) {
        (void) state;
        uv_loop_t loop;
        struct heard h;
        struct child_spec spec = SHELL("head -c 5 <&3 >&3; echo done >&2; exec ls /proc/self/fd >&3");
        spec.channel = CHILD_CHANNEL_SOCKET;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(start(&loop, &h, spec), 0);
        assert_int_equal(child_write(h.child, (uint8_t *) strdup("hello"), 5), 0);
        (void) uv_run(&loop, UV_RUN_DEFAULT);
        assert_string_equal(h.text, "hello0\n1\n2\n3\n4\n");
        assert_string_equal(h.words, "done\n");
        assert_int_equal(h.exits, 1);
        assert_int_equal(uv_loop_close(&loop), 0);
}

static bool is_gone(pid_t pid) {
        char path[64], text[512] = "";
        (void) snprintf(path, sizeof(path), "/proc/%d/stat", pid);
        FILE *f = fopen(path, "r");
        if (!f)
                return true;
        size_t n = fread(text, 1, sizeof(text) - 1, f);
        (void) fclose(f);
        const char *end = strrchr(text, ')');
        return n == 0 || (end && end[2] == 'Z'); /* whoever adopted it may be slow to reap */
}

/* Whether it is killed or ends by itself. */
static void what_it_started_goes_with_it(void **state) {
        (void) state;
        const struct child_spec killed = SHELL("sleep 1000 & echo $!; wait"), ended = SHELL("sleep 1000 & echo $!");
        const struct child_spec *specs[] = { &killed, &ended };

        for (int i = 0; i < 2; i++) {
                uv_loop_t loop;
                struct heard h;
                assert_int_equal(uv_loop_init(&loop), 0);
                assert_int_equal(start(&loop, &h, *specs[i]), 0);
                while (h.used == 0)
                        (void) uv_run(&loop, UV_RUN_ONCE);
                pid_t grandchild = atoi(h.text);
                assert_true(grandchild > 1);
                if (specs[i] == &killed)
                        child_kill(h.child);
                (void) uv_run(&loop, UV_RUN_DEFAULT);
                assert_int_equal(h.exit.signal, specs[i] == &killed ? SIGKILL : 0);
                for (int tries = 0; tries < 1000 && !is_gone(grandchild); tries++)
                        (void) usleep(10000);
                assert_true(is_gone(grandchild));
                assert_int_equal(uv_loop_close(&loop), 0);
        }
}

static void many_starts_leave_nothing(void **state) {
        (void) state;
        uv_loop_t loop;
        uint32_t before = open_fds();
        assert_int_equal(uv_loop_init(&loop), 0);
        for (int i = 0; i < STARTS; i++) {
                struct heard h;
                struct child_spec spec = SHELL("exit 7");
                if (i % 3 == 2)
                        spec.path = "/nowhere";
                int r = start(&loop, &h, spec);
                (void) uv_run(&loop, UV_RUN_DEFAULT);
                assert_int_equal(r, i % 3 == 2 ? -ENOENT : 0);
                assert_int_equal(h.exits, i % 3 == 2 ? 0 : 1);
        }
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(open_fds(), before);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(errno, ECHILD);
}

static void exits_are_told_to_one_who_ignored_them(void **state) {
        (void) state;
        assert_true(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
        struct heard h = run(SHELL("exit 5"));
        assert_int_equal(h.exit.status, 5);
}

/* --- control groups --- */

static void starts_in(const char *directory, int fd) {
        struct child_spec spec = SHELL("grep ^0:: /proc/self/cgroup");
        spec.cgroup_fd = fd;
        struct heard h = run(spec);
        h.text[strcspn(h.text, "\n")] = '\0';
        const char *name = strrchr(directory, '/'), *told = strrchr(h.text, '/');
        if (h.exit.status != 0 || !told || strcmp(told, name) != 0)
                fail_msg("wanted %s, is in '%s' (%s)", name, h.text, h.words);
}

static void in_its_group(void **state) {
        (void) state;
        char directory[512];
        if (!cgroup_mount_make(directory, sizeof(directory)))
                skip();
        int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        starts_in(directory, fd);
        /* Once more where everything was killed before: a child cloned into such a group is killed, too (Linux 6.18). */
        auto_close int kill_fd = openat(fd, "cgroup.kill", O_WRONLY | O_CLOEXEC);
        if (kill_fd >= 0)
                assert_int_equal(write(kill_fd, "1", 1), 1);
        starts_in(directory, fd);
        (void) close(fd);
        assert_int_equal(rmdir(directory), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(endings),
                cmocka_unit_test(what_cannot_start),
                cmocka_unit_test(descriptors_are_exact),
                cmocka_unit_test(nothing_of_ours_is_inherited),
                cmocka_unit_test(both_ways),
                cmocka_unit_test(what_it_started_goes_with_it),
                cmocka_unit_test(many_starts_leave_nothing),
                cmocka_unit_test(exits_are_told_to_one_who_ignored_them),
                cmocka_unit_test(in_its_group),
        };
        return cmocka_run_group_tests_name("child", tests, NULL, NULL);
}
