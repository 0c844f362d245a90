/* test_json_get.c - fields of any type, of any size, or not there. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/base/json_get.h"

static const char text[] =
        "{\"null\":null,\"text\":\"7\",\"minus\":-3,\"zero\":0,\"seven\":7,\"part\":7.9,\"large\":5e9,\"huge\":1e999}";

static int setup(void **state) {
        *state = cJSON_Parse(text);
        return *state ? 0 : -1;
}

static int teardown(void **state) {
        cJSON_Delete(*state);
        return 0;
}

static void absent_and_null_are_the_same(void **state) {
        assert_null(json_get(*state, "absent"));
        assert_null(json_get(*state, "null"));
        assert_null(json_get(NULL, "seven"));
        assert_non_null(json_get(*state, "zero"));
}

static void a_count_is_told_or_left_as_it_was(void **state) {
        static const char *const bad[] = { "absent", "null", "text", "minus", "large", "huge" };
        uint64_t count = 1;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                assert_false(json_get_count(*state, bad[i], UINT32_MAX, &count));
                assert_int_equal(count, 1);
        }
        assert_true(json_get_count(*state, "part", 8, &count));
        assert_int_equal(count, 7);
        assert_true(json_get_count(*state, "zero", 0, &count));
        assert_int_equal(count, 0);
}

static void a_clamped_one_is_always_within(void **state) {
        assert_int_equal(json_get_clamped(*state, "absent", 1, 9), 1);
        assert_int_equal(json_get_clamped(*state, "text", 1, 9), 1);
        assert_int_equal(json_get_clamped(*state, "minus", 1, 9), 1);
        assert_int_equal(json_get_clamped(*state, "part", 1, 9), 7);
        assert_int_equal(json_get_clamped(*state, "huge", 1, UINT32_MAX), UINT32_MAX);
}

static void a_finite_one_is_never_infinite(void **state) {
        assert_true(json_get_finite(*state, "minus", -DBL_MAX) == -3);
        assert_true(json_get_finite(*state, "minus", 0) == 0);
        assert_true(json_get_finite(*state, "part", 0) == 7.9);
        assert_true(json_get_finite(*state, "huge", 0) == 0);
        assert_true(json_get_finite(*state, "text", 0) == 0);
}

static void a_whole_one_has_no_fraction(void **state) {
        assert_true(json_is_whole(json_get(*state, "seven"), 0, 7));
        assert_false(json_is_whole(json_get(*state, "seven"), 0, 6));
        assert_false(json_is_whole(json_get(*state, "part"), 0, 9));
        assert_false(json_is_whole(json_get(*state, "text"), 0, 9));
        assert_false(json_is_whole(NULL, 0, 9));
        assert_false(json_is_whole(json_get(*state, "huge"), 0, DBL_MAX));
        assert_true(json_is_whole(json_get(*state, "huge"), 0, HUGE_VAL));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(absent_and_null_are_the_same, setup, teardown),
                cmocka_unit_test_setup_teardown(a_count_is_told_or_left_as_it_was, setup, teardown),
                cmocka_unit_test_setup_teardown(a_clamped_one_is_always_within, setup, teardown),
                cmocka_unit_test_setup_teardown(a_finite_one_is_never_infinite, setup, teardown),
                cmocka_unit_test_setup_teardown(a_whole_one_has_no_fraction, setup, teardown),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
