/* test_names.c - numbers of names: the same for the same name, another's only when more have come and gone than are kept. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "daemon/state/names.h"

static void test_numbers(void **state) {
        static struct names n;
        char name[32];
        uint32_t a, b, again;

        (void) state;
        assert_int_equal(names_take(&n, "a", &a), 0);
        assert_int_equal(names_take(&n, "b", &b), 0);
        assert_int_not_equal(a, b);
        names_leave(&n, a);
        assert_string_equal(names_text(&n, a), "a");
        assert_int_equal(names_take(&n, "a", &again), 0);
        assert_int_equal(again, a);
        names_leave(&n, a);
        for (uint32_t i = 0; i < NAMES_MAX - 2; i++) {
                (void) snprintf(name, sizeof name, "m%u", i);
                assert_int_equal(names_take(&n, name, &again), 0);
                if (i % 2)
                        names_leave(&n, again);
        }
        assert_int_equal(names_take(&n, "late", &again), 0);
        assert_int_equal(again, a); /* which left longest ago */
        assert_string_equal(names_text(&n, b), "b");
        assert_string_equal(names_text(&n, UINT32_MAX), "");
        for (uint32_t i = 1; i < NAMES_MAX; i++) {
                (void) snprintf(name, sizeof name, "n%u", i);
                if (names_take(&n, name, &again) == 0)
                        continue;
                assert_int_equal(names_take(&n, name, &again), -ENOSPC);
                names_done(&n);
                return;
        }
        fail_msg("more names than there is room for");
}

int main(void) {
        const struct CMUnitTest tests[] = { cmocka_unit_test(test_numbers) };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
