/* test_ctl_fit.c - the rows of `fit`: one situation each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "ctl/base/bounds.h"
#include "ctl/fit/rows.h"

#define MIB(n) ((uint64_t) (n) << 20)
#define GIB(n) ((uint64_t) (n) << 30)

struct situation {
        const char *what;
        uint64_t weights, available;
        uint32_t context, parallel;
        struct machine_engine engines[3]; /* all zero: none */
        enum fit fit;
        enum admission_rule rule;
        uint64_t short_bytes;
};

/* A machine of 32 GiB: budget 25, weights at most 19, reserve 1. A model of 1 MiB of KV a token, nothing but weights. */
/* clang-format off */
static const struct situation situations[] = {
        { "plenty of room", GIB(4), GIB(30), 1024, 1, { { 0 } }, FIT_NOW, RULE_NONE, 0 },
        { "exactly as much as is free", GIB(4), GIB(6), 1024, 1, { { 0 } }, FIT_NOW, RULE_NONE, 0 },
        { "one MiB more than is free: others hold it", GIB(4), GIB(6) - MIB(1), 1024, 1, { { 0 } }, FIT_NOT_NOW, RULE_AVAILABLE, MIB(1) },
        { "an engine holds it", GIB(4), GIB(3), 1024, 1, { { 0, GIB(4) } }, FIT_AFTER_UNLOADING, RULE_AVAILABLE, GIB(3) },
        { "mapped weights count as available and are not", GIB(4), GIB(8), 1024, 1, { { GIB(4), 0 } }, FIT_AFTER_UNLOADING, RULE_AVAILABLE, GIB(2) },
        { "two engines fill the budget", GIB(4), GIB(12), 1024, 1, { { GIB(8), GIB(3) }, { GIB(8), GIB(3) } }, FIT_AFTER_UNLOADING, RULE_BUDGET, GIB(2) },
        { "engines fill the share of weights", GIB(6), GIB(29), 1024, 1, { { GIB(14), 0 } }, FIT_AFTER_UNLOADING, RULE_WEIGHTS, GIB(1) },
        { "larger than the budget", GIB(19), GIB(30), 8192, 1, { { 0 } }, FIT_NEVER, RULE_BUDGET, GIB(2) },
        { "only too large for two at once", GIB(19), GIB(30), 4096, 2, { { 0 } }, FIT_NEVER, RULE_BUDGET, GIB(2) },
        { "too many weights", GIB(20), GIB(30), 1024, 1, { { 0 } }, FIT_NEVER, RULE_WEIGHTS, GIB(1) },
        { "absurd sizes saturate", UINT64_MAX, GIB(30), UINT32_MAX, 1024, { { 0 } }, FIT_NEVER, RULE_BUDGET, UINT64_MAX - GIB(25) },
};
/* clang-format on */

static void test_situations(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(situations) / sizeof(situations[0]); i++) {
                const struct situation *s = &situations[i];
                struct machine machine = { .ram_bytes = GIB(32), .available_bytes = s->available };
                while (machine.engines_count < 3 &&
                       s->engines[machine.engines_count].file_bytes + s->engines[machine.engines_count].taken_bytes > 0) {
                        machine.engines[machine.engines_count] = s->engines[machine.engines_count];
                        machine.engines_count++;
                }
                struct fit_model model = { .weights_bytes = s->weights,
                                           .kv_bytes_per_token = { MIB(1), MIB(1) / 2, MIB(1) / 4 } };
                struct fit_question q = {
                        .parallel = s->parallel,
                        .limits = { .budget_bytes = GIB(25),
                                    .weights_max_bytes = GIB(19),
                                    .reserve_bytes = GIB(1),
                                    .ram_bytes = GIB(32) },
                        .machine = &machine,
                };
                struct fit_row row = fit_row(&model, &q, s->context, KV_F16);
                if (row.fit != s->fit || row.rule != s->rule || row.short_bytes != s->short_bytes)
                        fail_msg("%s: %s, %s, short of %llu", s->what, fit_word(row.fit), policy_rule_word(row.rule),
                                 (unsigned long long) row.short_bytes);
                assert_int_equal(fit_is_possible(row.fit), s->fit == FIT_NOW || s->fit == FIT_AFTER_UNLOADING);
        }
}

static void test_sums(void **state) {
        (void) state;
        struct machine machine = { .ram_bytes = GIB(32), .available_bytes = GIB(30) };
        struct fit_model model = {
                .weights_bytes = GIB(1),
                .scratch_bytes = MIB(20),
                .overhead_bytes = MIB(12),
                .kv_bytes_per_token = { 1000, 500, 0 },
        };
        struct fit_question q = { .parallel = 2, .limits = { GIB(25), GIB(19), GIB(1), GIB(32), 0 }, .machine = &machine };
        struct fit_row row = fit_row(&model, &q, 4096, KV_Q8_0);
        assert_int_equal(row.kv_bytes, 2 * 4096 * 500);
        assert_int_equal(row.total_bytes, GIB(1) + MIB(32) + 2 * 4096 * 500);
        assert_int_equal(row.context, 4096);
}

static void test_speed(void **state) {
        (void) state;
        struct machine machine = { .ram_bytes = GIB(32), .available_bytes = GIB(30) };
        struct fit_model model = { .weights_bytes = 2000000000,
                                   .decode_bytes = 1000000000,
                                   .kv_bytes_per_token = { 100000, 0, 0 } };
        struct fit_question q = { .parallel = 4, .machine = &machine, .bandwidth = 50e9, .cache_bytes = MIB(32) };
        /* one request reads the weights and its own 10,000 tokens: 2e9 bytes */
        double speed = fit_row(&model, &q, 10000, KV_F16).tokens_per_second;
        assert_true(speed > 21.99 && speed < 22.01);
        q.bandwidth = 0;
        assert_false(fit_row(&model, &q, 10000, KV_F16).tokens_per_second > 0);
        /* what fits into the cache is not bound by memory */
        q.bandwidth = 50e9;
        model.decode_bytes = MIB(1);
        assert_false(fit_row(&model, &q, 16, KV_F16).tokens_per_second > 0);
}

static void test_contexts(void **state) {
        uint32_t contexts[CONTEXTS_MAX];
        (void) state;
        assert_int_equal(fit_contexts(512, contexts), 1);
        assert_int_equal(contexts[0], 512);
        assert_int_equal(fit_contexts(2048, contexts), 1);
        assert_int_equal(fit_contexts(8192, contexts), 3);
        assert_int_equal(contexts[2], 8192);
        assert_int_equal(fit_contexts(10000, contexts), 4);
        assert_int_equal(contexts[3], 10000);
        assert_true(fit_contexts(UINT32_MAX, contexts) <= CONTEXTS_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_situations),
                cmocka_unit_test(test_sums),
                cmocka_unit_test(test_speed),
                cmocka_unit_test(test_contexts),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
