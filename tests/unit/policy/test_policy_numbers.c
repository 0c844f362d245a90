/* test_policy_numbers.c - footprint, what is learned about it, and backoff: arithmetic that must hold for any input. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/backoff.h"
#include "policy/base/bounds.h"
#include "policy/admission/footprint.h"
#include "policy/base/reason.h"

static void footprint_is_the_sum_of_its_parts(void **state) {
        (void) state;
        const struct footprint_facts facts = {
                .weights_bytes = 4000000, .kv_bytes_per_token = 1536, .scratch_bytes = 1000, .overhead_bytes = 3000
        };
        struct footprint f = policy_footprint(&facts, 1024, LEARNED_NEUTRAL);
        assert_int_equal(f.kv_bytes, 1536 * 1024);
        assert_int_equal(f.total_bytes, 4000000 + 1536 * 1024 + 1000 + 3000);
}

static void what_was_learned_scales_the_rest_alone(void **state) {
        (void) state;
        const struct footprint_facts facts = {
                .weights_bytes = 4000000, .kv_bytes_per_token = 1000, .scratch_bytes = 1000, .overhead_bytes = 3000
        };
        struct footprint f = policy_footprint(&facts, 10, 1500);
        assert_int_equal(f.weights_bytes, 4000000);
        assert_int_equal(f.kv_bytes, 10000);
        assert_int_equal(f.scratch_bytes, 1500);
        assert_int_equal(f.overhead_bytes, 4500);
        /* A correction outside its bounds (a damaged file) is brought back into them. */
        assert_int_equal(policy_footprint(&facts, 10, 0).overhead_bytes, 1500);
        assert_int_equal(policy_footprint(&facts, 10, UINT32_MAX).overhead_bytes, 3000 * (LEARNED_MAX / LEARNED_NEUTRAL));
}

static void absurd_facts_saturate(void **state) {
        (void) state;
        const struct footprint_facts facts = { UINT64_MAX, UINT64_MAX, UINT64_MAX, UINT64_MAX };
        assert_true(policy_footprint(&facts, UINT64_MAX, 2000).total_bytes == UINT64_MAX);
        assert_true(policy_footprint(&facts, 1, LEARNED_NEUTRAL).total_bytes == UINT64_MAX);
}

static void the_rest_is_what_is_neither_weights_nor_cache(void **state) {
        (void) state;
        const struct footprint_facts facts = { .weights_bytes = 1000 };
        assert_int_equal(policy_footprint_rest(&facts, 1500, 1000, 200), 300);
        /* Weights half touched: the rest is the same. */
        assert_int_equal(policy_footprint_rest(&facts, 1000, 500, 200), 300);
        /* Pages of other files (the program itself) belong to the rest. */
        assert_int_equal(policy_footprint_rest(&facts, 1600, 1100, 200), 400);
        assert_int_equal(policy_footprint_rest(&facts, 100, 1000, 200), 0);
}

static void more_is_believed_at_once_less_slowly(void **state) {
        (void) state;
        const struct footprint_facts facts = { .scratch_bytes = 1000, .overhead_bytes = 1000 };
        assert_int_equal(policy_footprint_learn(1000, &facts, 3000, 0), 1500);
        assert_int_equal(policy_footprint_learn(1000, &facts, 3000, 1), 1500);
        assert_int_equal(policy_footprint_learn(1000, &facts, 1200, 1), 900);
        /* The engine served nothing: too early to say that it is small. */
        assert_int_equal(policy_footprint_learn(1000, &facts, 1200, 0), 1000);
        assert_int_equal(policy_footprint_learn(1000, &facts, 0, 1), 1000);
        assert_int_equal(policy_footprint_learn(1000, &facts, 1, 1), 875);
        assert_int_equal(policy_footprint_learn(1000, &facts, UINT64_MAX, 1), LEARNED_MAX);
        const struct footprint_facts nothing = { 0 };
        assert_int_equal(policy_footprint_learn(1000, &nothing, 5000, 1), 1000);
}

static const struct failure_row {
        const char *what;
        uint32_t failures_before;
        bool was_ready;
        uint64_t healthy_ms;
        uint64_t pause_ms;
        uint64_t answers;
} failures[] = {
        { "first death of an engine that was ready: at once", 0, true, 10, 0, 0 },
        { "second death: ten seconds", 1, true, 10, 10000, 0 },
        { "third", 2, true, 10, 20000, 0 },
        { "fourth", 3, true, 10, 40000, 0 },
        { "sixth", 5, true, 10, 160000, 0 },
        { "seventh: five minutes, not more", 6, true, 10, 300000, 0 },
        { "a thousandth", 999, true, 10, 300000, 0 },
        { "after a minute of health the slate is clean", 6, true, 60000, 0, 0 },
        { "a hundred answers are health", 6, true, 10, 0, 100 },
        { "ninety-nine are none", 6, true, 10, 300000, 99 },
        { "never ready: ten seconds the first time", 0, false, 0, 10000, 0 },
        { "never ready again", 1, false, 0, 20000, 0 },
        { "it was never ready, so there was no health", 6, false, 60000, 300000, 0 },
        { "the count does not wrap", UINT32_MAX, true, 10, 300000, 0 },
};

static void backoff_grows_and_forgets(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(failures) / sizeof(failures[0]); i++) {
                const struct failure_row *row = &failures[i];
                const struct engine_life life = { row->was_ready, row->healthy_ms, row->answers };
                struct backoff b = policy_backoff_failed((struct backoff){ .failures = row->failures_before }, 5000, &life);
                if (policy_backoff_left(b, 5000) != row->pause_ms)
                        fail_msg("%s: %llu ms", row->what, (unsigned long long) policy_backoff_left(b, 5000));
                assert_int_equal(policy_backoff_left(b, 5000 + row->pause_ms), 0);
        }
        assert_int_equal(policy_backoff_left((struct backoff){ 0 }, 7), 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(footprint_is_the_sum_of_its_parts),
                cmocka_unit_test(what_was_learned_scales_the_rest_alone),
                cmocka_unit_test(absurd_facts_saturate),
                cmocka_unit_test(the_rest_is_what_is_neither_weights_nor_cache),
                cmocka_unit_test(more_is_believed_at_once_less_slowly),
                cmocka_unit_test(backoff_grows_and_forgets),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
