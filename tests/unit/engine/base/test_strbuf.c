/* test_strbuf.c - text that grows, from its front to its limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/base/strbuf.h"

static void it_grows_and_stays_terminated(void **state) {
        (void) state;
        struct text t = { 0 };
        assert_string_equal(text_string(&t), "");
        for (unsigned i = 0; i < 1000; i++)
                assert_true(text_add(&t, "ab", 2));
        assert_true(text_printf(&t, "%03u", 7u));
        assert_int_equal(t.used, 2003);
        assert_string_equal(text_string(&t) + 1998, "ab007");
        text_clear(&t);
        assert_string_equal(text_string(&t), "");
        text_done(&t);
        assert_null(t.bytes);
}

static void bytes_leave_at_the_front(void **state) {
        (void) state;
        struct text t = { 0 };
        text_drop(&t, 0);
        assert_null(t.bytes);
        text_puts(&t, "first second");
        text_drop(&t, 6);
        assert_string_equal(text_string(&t), "second");
        assert_int_equal(t.used, 6);
        text_drop(&t, 6);
        assert_string_equal(text_string(&t), "");
        text_add(&t, "a\0b", 3);
        text_drop(&t, 1);
        assert_int_equal(t.used, 2);
        assert_memory_equal(t.bytes, "\0b", 3);
        text_done(&t);
}

static void the_limit_sticks(void **state) {
        (void) state;
        struct text t = { .max = 300 };
        char line[300];
        memset(line, 'x', sizeof(line));
        assert_true(text_add(&t, line, sizeof(line)));
        assert_true(text_add(&t, "", 0));
        assert_false(text_add(&t, "y", 1));
        assert_true(t.failed && t.is_full && t.used == 300);
        text_drop(&t, 300);
        assert_false(text_puts(&t, "y"));
        text_clear(&t);
        assert_true(text_puts(&t, "y") && !t.is_full);
        assert_string_equal(text_string(&t), "y");
        text_done(&t);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(it_grows_and_stays_terminated),
                cmocka_unit_test(bytes_leave_at_the_front),
                cmocka_unit_test(the_limit_sticks),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
