/* test_peers.c - daemons that see each other: who is alive, who is gone, and what anybody may have put there. */
#include "daemon/base/peers.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/file.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "tests/unit/scratch.h"

#define GIB (1ull << 30)

static pid_t begin_another(uint64_t budget_bytes) {
        int ready[2];
        char byte;
        assert_int_equal(pipe(ready), 0);
        pid_t pid = fork();
        if (pid == 0) {
                if (peers_join(root, budget_bytes) >= 0)
                        (void) !write(ready[1], "", 1);
                pause();
                _exit(0);
        }
        assert_int_equal(read(ready[0], &byte, 1), 1);
        (void) close(ready[0]);
        (void) close(ready[1]);
        return pid;
}

static void end(pid_t pid) {
        (void) kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static struct peers look(void) {
        struct peers p;
        peers_look(root, getpid(), &p);
        return p;
}

static bool is_there(pid_t pid) {
        char name[64];
        (void) snprintf(name, sizeof name, "headroomd.%u.%d", (unsigned) geteuid(), (int) pid);
        return access(whole_path(name), F_OK) == 0;
}

static void test_the_living(void **state) {
        (void) state;
        int fd = peers_join(root, 4 * GIB);
        assert_true(fd >= 0);
        assert_int_equal(look().count, 0);
        pid_t other = begin_another(3 * GIB);
        struct peers p = look();
        assert_int_equal(p.count, 1);
        assert_int_equal(p.all[0].pid, other);
        assert_int_equal(p.all[0].uid, geteuid());
        assert_int_equal(p.all[0].budget_bytes, 3 * GIB);
        end(other);
        assert_true(is_there(other));
        assert_int_equal(look().count, 0);
        assert_false(is_there(other));   /* what was left behind is gone ... */
        assert_true(is_there(getpid())); /* ... and we are not */
        peers_leave(root);
        assert_false(is_there(getpid()));
        (void) close(fd);
}

static void test_another_budget(void **state) {
        (void) state;
        struct peers p;
        peers_tell(root, GIB);
        assert_false(is_there(getpid())); /* who is not to be seen stays so */
        int fd = peers_join(root, 10 * GIB);
        assert_true(fd >= 0);
        peers_tell(root, 4096);
        peers_look(root, 0, &p);
        assert_int_equal(p.count, 1);
        assert_int_equal(p.all[0].budget_bytes, 4096);
        peers_leave(root);
        (void) close(fd);
}

static int put_locked(const char *name, const char *text) {
        put(name, text);
        int fd = open(whole_path(name), O_RDONLY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX), 0);
        return fd;
}

static void test_what_is_no_daemon(void **state) {
        (void) state;
        static const char *const texts[] = { "",          "\n",      "12",         "12 \n",
                                             "-3 4096\n", "12 4096", "12 4096 \n", "12 99999999999999999999\n",
                                             "\033[2J\n" };
        int fds[sizeof texts / sizeof *texts];
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
                char name[32];
                (void) snprintf(name, sizeof name, "headroomd.1.%zu", i);
                fds[i] = put_locked(name, texts[i]);
        }
        int named_otherwise = put_locked("database.12", "12 4096\n");
        assert_int_equal(mkfifo(whole_path("headroomd.2.1"), 0644), 0);
        assert_int_equal(mkdir(whole_path("headroomd.2.2"), 0755), 0);
        assert_int_equal(symlink("database.12", whole_path("headroomd.2.3")), 0);
        put("headroomd.2.4", "12 4096\n");
        assert_int_equal(look().count, 0);
        int claimed = put_locked("headroomd.2.5", "12 4096\n");
        assert_int_equal(look().count, 1);
        (void) close(claimed);
        (void) close(named_otherwise);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
                (void) close(fds[i]);
}

static void test_no_more_than_are_told(void **state) {
        (void) state;
        int fds[PEERS_MAX + 1];
        for (int i = 0; i <= PEERS_MAX; i++) {
                char name[32];
                (void) snprintf(name, sizeof name, "headroomd.1.%d", i);
                fds[i] = put_locked(name, "12 4096\n");
        }
        assert_int_equal(look().count, PEERS_MAX);
        for (int i = 0; i <= PEERS_MAX; i++)
                (void) close(fds[i]);
}

static void test_where_nobody_may_write(void **state) {
        (void) state;
        struct peers p;
        assert_true(peers_join(whole_path("nowhere"), GIB) < 0);
        peers_look(whole_path("nowhere"), 0, &p);
        assert_int_equal(p.count, 0);
}

static void test_what_is_said(void **state) {
        (void) state;
        struct peers p = { 2, { { 17, 1000, 3 * GIB }, { 18, 0, 4 * GIB } } };
        char text[256];
        assert_false(peers_exceed(&p, GIB, 8 * GIB));
        assert_true(peers_exceed(&p, 2 * GIB, 8 * GIB));
        peers_sentence(&p, 0, 2 * GIB, 8 * GIB, text, sizeof text);
        assert_string_equal(
                text, "another headroomd (pid 17, user 1000) has a budget of 3072 MiB; budgets are not shared: all together are "
                      "9216 MiB of 8192 MiB RAM, so lower [memory] budget of one, or stop it");
        peers_sentence(&p, 1, GIB, 8 * GIB, text, sizeof text);
        assert_string_equal(
                text, "another headroomd (pid 18, user 0) has a budget of 4096 MiB; budgets are not shared: all together are "
                      "8192 MiB of 8192 MiB RAM");
        p.all[0].budget_bytes = UINT64_MAX;
        assert_true(peers_exceed(&p, GIB, 8 * GIB));
        p.count = 0;
        assert_false(peers_exceed(&p, 16 * GIB, 8 * GIB));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_the_living, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_another_budget, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_what_is_no_daemon, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_no_more_than_are_told, make_root, remove_root),
                cmocka_unit_test_setup_teardown(test_where_nobody_may_write, make_root, remove_root),
                cmocka_unit_test(test_what_is_said),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
