/* test_policy_wait.c - the forecast of a queue: rows of facts and what a request is told by them, and what is learned of requests. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "policy/admission/hours.h"
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

/* Behind a stream of interactive requests, one of the batch class stands before all that come more than its age later. */
static void batch_comes_forward_by_waiting(void **state) {
        (void) state;
        assert_int_equal(policy_place_ms(1000, false, 60000), 1000);
        assert_int_equal(policy_place_ms(1000, true, 60000), 61000);
        assert_int_equal(policy_place_ms(1000, true, UINT64_MAX), INT64_MAX); /* never, if that is wanted */
}

static void hours_of_the_day(void **state) {
        (void) state;
        static const struct {
                uint32_t from, until, minute, open_in;
        } rows_of_hours[] = {
                { 0, 0, 700, 0 },         { 1320, 420, 1320, 0 }, { 1320, 420, 0, 0 },    { 1320, 420, 419, 0 },
                { 1320, 420, 420, 900 },  { 1320, 420, 1319, 1 }, { 540, 1020, 540, 0 },  { 540, 1020, 1019, 0 },
                { 540, 1020, 1020, 960 }, { 540, 1020, 0, 540 },  { 540, 1020, 1440, 0 }, { 540, 540, 3, 0 },
        };
        for (size_t i = 0; i < sizeof(rows_of_hours) / sizeof(rows_of_hours[0]); i++) {
                const struct limits limits = { .batch_from_minute = rows_of_hours[i].from,
                                               .batch_until_minute = rows_of_hours[i].until };
                assert_int_equal(policy_hours_open_in_ms(&limits, rows_of_hours[i].minute), rows_of_hours[i].open_in * 60000);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(each_position_has_its_time),
                cmocka_unit_test(the_usual_time_follows_slowly),
                cmocka_unit_test(batch_comes_forward_by_waiting),
                cmocka_unit_test(hours_of_the_day),
                cmocka_unit_test(loading_takes_what_it_took_or_goes_by_size),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
