/* test_policy_wait.c - the forecast of a queue: rows of facts and what a request is told by them, and what is learned of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/admission/wait.h"
#include "policy/base/bounds.h"

static const struct row {
        const char *what;
        struct queue_facts facts;
        uint64_t wait_ms;
} rows[] = {
        { "a free place", { 0, 3, 4, 8000, 0 }, 0 },
        { "the last free place", { 1, 2, 4, 8000, 0 }, 0 },
        { "no place: until the first of four ends", { 0, 4, 4, 8000, 0 }, 2000 },
        { "behind nine others", { 9, 4, 4, 8000, 0 }, 20000 },
        { "one at a time", { 2, 1, 1, 8000, 0 }, 24000 },
        { "not loaded yet: the first", { 0, 0, 4, 8000, 3000 }, 3000 },
        { "not loaded yet: behind as many as run at once", { 4, 0, 4, 8000, 3000 }, 5000 },
        { "none has ended yet", { 0, 1, 1, 0, 0 }, SERVICE_UNKNOWN_MS },
        { "nobody can tell when it begins", { 5, 0, 4, 8000, UINT64_MAX }, UINT64_MAX },
        { "numbers that cannot be", { UINT32_MAX, UINT32_MAX, 0, UINT64_MAX, UINT64_MAX - 1 }, UINT64_MAX },
};

static void each_position_has_its_time(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                if (policy_wait_ms(&rows[i].facts) != rows[i].wait_ms)
                        fail_msg("%s: %llu ms instead of %llu", rows[i].what, (unsigned long long) policy_wait_ms(&rows[i].facts),
                                 (unsigned long long) rows[i].wait_ms);
}

static void the_usual_time_follows_slowly(void **state) {
        (void) state;
        uint64_t usual = policy_service_learn(0, 4000);
        assert_int_equal(usual, 4000);
        usual = policy_service_learn(usual, 60000); /* one long answer */
        assert_in_range(usual, 10000, 12000);
        for (int i = 0; i < 40; i++)
                usual = policy_service_learn(usual, 1000);
        assert_in_range(usual, 1000, 1100);
        assert_int_equal(policy_service_learn(0, 0), 1); /* known, though it took no time */
        assert_int_equal(policy_service_learn(0, UINT64_MAX), SERVICE_MAX_MS);
}

static void loading_takes_what_it_took_or_goes_by_size(void **state) {
        (void) state;
        assert_int_equal(policy_load_ms(1234, UINT64_MAX), 1234);
        assert_int_equal(policy_load_ms(0, 0), RELOAD_FLOOR_MS);
        assert_int_equal(policy_load_ms(0, 5000000000u), RELOAD_FLOOR_MS + 10000);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_position_has_its_time),
                cmocka_unit_test(the_usual_time_follows_slowly),
                cmocka_unit_test(loading_takes_what_it_took_or_goes_by_size),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
