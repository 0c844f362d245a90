/* test_user_dirs.c - where the files of an ordinary user go, by what is set in the environment. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/base/user_dirs.h"

static void set(const char *name, const char *value) {
        assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void test_runtime(void **state) {
        (void) state;
        static const struct {
                const char *runtime, *state_home, *home;
                const char *expected; /* where there is no /run/user of ours */
        } rows[] = {
                { "/run/user/7", "/s", "/home/a", "/run/user/7/x/y.sock" },
                { NULL, "/s", "/home/a", "/s/x/y.sock" },
                { "", NULL, "/home/a", "/home/a/.local/state/x/y.sock" },
                { "relative", "relative", "/home/a", "/home/a/.local/state/x/y.sock" },
                { NULL, NULL, "relative", NULL },
                { NULL, NULL, NULL, NULL },
        };
        char ours[64], path[128];
        (void) snprintf(ours, sizeof(ours), "/run/user/%u", (unsigned) getuid());
        bool has_ours = access(ours, W_OK) == 0;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                set("XDG_RUNTIME_DIR", rows[i].runtime);
                set("XDG_STATE_HOME", rows[i].state_home);
                set("HOME", rows[i].home);
                size_t length = user_dirs_runtime("x/y.sock", path, sizeof(path));
                if (i > 0 && has_ours) {
                        assert_memory_equal(path, ours, strlen(ours));
                        continue;
                }
                if (rows[i].expected)
                        assert_string_equal(path, rows[i].expected);
                assert_int_equal(length, rows[i].expected ? strlen(rows[i].expected) : 0);
        }
        set("XDG_RUNTIME_DIR", "/run/user/7");
        assert_int_equal(user_dirs_runtime("x/y.sock", path, strlen("/run/user/7/x/y.sock")), 0); /* no room for its end */
}

static void test_find(void **state) {
        (void) state;
        char path[128];
        set("XDG_DATA_HOME", NULL);
        set("HOME", "/home/a");
        assert_int_equal(user_dirs_find("XDG_DATA_HOME", ".local/share", "m", path, sizeof(path)),
                         strlen("/home/a/.local/share/m"));
        assert_string_equal(path, "/home/a/.local/share/m");
        set("XDG_DATA_HOME", "/d");
        assert_int_equal(user_dirs_find("XDG_DATA_HOME", ".local/share", "m", path, sizeof(path)), 4);
        assert_string_equal(path, "/d/m");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_runtime), cmocka_unit_test(test_find) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
