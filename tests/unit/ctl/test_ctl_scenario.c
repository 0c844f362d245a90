/* test_ctl_scenario.c - scenarios: what stays from look to look, what is refused and where, and each kind of expectation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/simulate/scenario.h"

static struct scenario scenario; /* too large for a stack */

/* TEXT in memory of exactly its size: a sanitizer sees each byte too far. */
static char *exact(const char *text, size_t size) {
        char *copy = malloc(size ? size : 1);
        assert_non_null(copy);
        memcpy(copy, text, size);
        return copy;
}

static void test_everything_stays_until_it_is_changed(void **state) {
        (void) state;
        static const char text[] = "# what it is about\n"
                                   "limits reserve=2GiB heat_ignored=yes\n"
                                   "at 0 ram=16GiB available=9GiB refaults=7 # a comment\n"
                                   "  model 4 state=busy level=q8_0 weights=3GiB priority=-2\n"
                                   "\tmodel 2 weights=1GiB weights_resident=0\n"
                                   "  sensor 9 state=missed control=yes millidegrees=-40000\n"
                                   "\n"
                                   "at 1.5s available=8GiB\n"
                                   "  model 4 weights=4GiB\n"
                                   "  gone model 2\n"
                                   "at 1.5s\n"
                                   "  gone sensor 9\n"
                                   "  gone model 4\n"
                                   "  model 4";
        char *copy = exact(text, sizeof(text) - 1);
        struct scenario *s = &scenario;
        scenario_init(s, copy, sizeof(text) - 1);
        assert_int_equal(scenario_next(s), 1);
        assert_true(s->limits.reserve_bytes == 2ull << 30 && s->limits.heat_ignored);
        assert_int_equal(s->limits.margin_target_millidegrees, 15000);
        assert_true(s->snapshot.now_ms == 0 && s->snapshot.available_bytes == 9ull << 30 && s->snapshot.refaults == 7);
        assert_int_equal(s->snapshot.models_count, 2);
        assert_true(s->snapshot.models[1].id == 4 && s->snapshot.models[1].state == ACCOUNT_BUSY &&
                    s->snapshot.models[1].priority == -2);
        assert_true(s->snapshot.models[1].weights_resident_bytes == 3ull << 30); /* never said */
        assert_true(s->snapshot.models[0].weights_resident_bytes == 0);          /* said */
        assert_true(s->snapshot.sensors[0].state == SENSOR_MISSED && s->snapshot.sensors[0].millidegrees == -40000);
        assert_int_equal(s->look_line, 3);

        assert_int_equal(scenario_next(s), 1);
        assert_true(s->snapshot.now_ms == 1500 && s->snapshot.ram_bytes == 16ull << 30 &&
                    s->snapshot.available_bytes == 8ull << 30);
        assert_true(s->snapshot.models_count == 1 && s->snapshot.models[0].level == KV_Q8_0);
        assert_true(s->snapshot.models[0].weights_resident_bytes == 4ull << 30);

        assert_int_equal(scenario_next(s), 1);
        assert_int_equal(s->snapshot.sensors_count, 0);
        assert_true(s->snapshot.models_count == 1 && s->snapshot.models[0].level == KV_F16); /* another one of that number */
        assert_int_equal(scenario_next(s), 0);
        assert_int_equal(scenario_next(s), 0);
        free(copy);
}

#define LOOK "at 0 ram=1GiB\n"

static const struct bad {
        const char *text;
        uint32_t line;
        const char *error; /* a part of it */
} bad[] = {
        { "", 0, "no look" },
        { "# nothing\n", 1, "no look" },
        { "limits reserve=1GiB\nlimits reserve=lots\n" LOOK, 2, "'lots' is no value of 'reserve'" },
        { "limits reserve\n" LOOK, 1, "'reserve' is no KEY=VALUE" },
        { "limits available=1GiB\n" LOOK, 1, "no key 'available'" },
        { LOOK "limits reserve=1GiB\n", 2, "before the first look" },
        { "model 1\n" LOOK, 1, "an 'at' must come first" },
        { "expect nothing\n" LOOK, 1, "an 'at' must come first" },
        { "at\n", 1, "after 'at' stands a time" },
        { "at 5\n", 1, "after 'at' stands a time" },
        { "at -5s\n", 1, "after 'at' stands a time" },
        { "at 5s\nat 4s\n", 2, "before the one above" },
        { "at 5s ram=1GiB ram=2GiB\n", 1, "'ram' is there twice" },
        { "at 5s now_ms=1\n", 1, "no key 'now_ms'" },
        { "at 5s =1\n", 1, "no key ''" },
        { "at 5s ram=\n", 1, "'' is no value of 'ram'" },
        { LOOK "model\n", 2, "the number of the model is missing" },
        { LOOK "model one\n", 2, "'one' is no number" },
        { LOOK "model 4294967295\n", 2, "is no number" },
        { LOOK "model 4294967296\n", 2, "is no number" },
        { LOOK "model 1 state=promised\n", 2, "'promised' is no value" },
        { LOOK "model 1 level=3\n", 2, "'3' is no value" },
        { LOOK "model 1 bytes=-1\n", 2, "'-1' is no value" },
        { LOOK "sensor 1 millidegrees=99999999999\n", 2, "is no value" },
        { LOOK "gone\n", 2, "after 'gone' stands" },
        { LOOK "gone 1\n", 2, "after 'gone' stands" },
        { LOOK "gone model\n", 2, "is missing" },
        { LOOK "gone model 1\n", 2, "no model 1" },
        { LOOK "model 1\ngone model 1 2\n", 3, "more than belongs" },
        { LOOK "gone sensor 1\n", 2, "no sensor 1" },
        { LOOK "forget 1\n", 2, "no line begins with 'forget'" },
        { LOOK "a\x01\n", 2, "control character (byte 1)" },
        { LOOK "model 1\r\n", 2, "control character (byte 13)" },
        { LOOK "expect\n", 2, "what is expected" },
        { LOOK "expect no\n", 2, "what is expected" },
        { LOOK "expect everything\n", 2, "nothing of this name" },
        { LOOK "expect no nothing\n", 2, "says nothing" },
        { LOOK "expect nothing else\n", 2, "more than belongs" },
        { LOOK "expect evict 1 because\n", 2, "no such reason" },
        { LOOK "expect evict 1 because of_you\n", 2, "no such reason" },
        { LOOK "expect evict 1 to q8_0\n", 2, "has no value" },
        { LOOK "expect downshift 1 to q5_0\n", 2, "none of this act" },
        { LOOK "expect downshift 1 to 2\n", 2, "none of this act" },
        { LOOK "expect context 1 to q8_0\n", 2, "none of this act" },
        { LOOK "expect rung\n", 2, "no such rung" },
        { LOOK "expect rung at_least\n", 2, "no such rung" },
        { LOOK "expect rung over hold\n", 2, "no such rung" },
        { LOOK "expect verified nothing\n", 2, "no such act" },
        { LOOK "expect headroom at_least\n", 2, "none of this number" },
        { LOOK "expect headroom at_least 5s\n", 2, "none of this number" },
        { LOOK "expect exhaustion 5GiB\n", 2, "none of this number" },
        { LOOK "expect heat_level never\n", 2, "none of this number" },
        { LOOK "expect until_now hold_loads\n", 2, "nothing of this name" },
        { LOOK "expect until_now rung hold\n", 2, "nothing of this name" },
        { LOOK "want\n", 2, "the number of the want is missing" },
        { LOOK "want 1 forms=0\n", 2, "1 to 4 forms, not 0" },
        { LOOK "want 1 forms=5\n", 2, "1 to 4 forms, not 5" },
        { LOOK "gone want 1\n", 2, "no want 1 that could go" },
        { LOOK "gone\n", 2, "'model', 'want' or 'sensor'" },
        { LOOK "expect load\n", 2, "after 'load' stands the number" },
        { LOOK "expect load 1\n", 2, "no such verdict" },
        { LOOK "expect load 1 perhaps\n", 2, "no such verdict" },
        { LOOK "expect load 1 never because x\n", 2, "no such reason" },
        { LOOK "expect unload\n", 2, "after 'unload' stands the number" },
        { LOOK "expect unload 1 for\n", 2, "after 'for' stands the number" },
        { LOOK "expect unload 1 now\n", 2, "more than belongs to it" },
};

static void test_what_is_wrong_is_named_with_its_line(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
                uint32_t looks;
                char *copy = exact(bad[i].text, strlen(bad[i].text));
                if (scenario_check(&scenario, copy, strlen(bad[i].text), &looks) == 0)
                        fail_msg("row %zu was taken", i);
                if (scenario.line != bad[i].line || !strstr(scenario.error, bad[i].error))
                        fail_msg("row %zu: line %u, %s", i, scenario.line, scenario.error);
                free(copy);
        }
}

/* COUNT times FORMAT with a number. */
static char *repeat(const char *format, unsigned count) {
        char *text = calloc(count + 1, 64);
        assert_non_null(text);
        size_t used = 0;
        for (unsigned i = 0; i < count; i++)
                used += (size_t) snprintf(text + used, 64, format, i);
        return text;
}

static void test_everything_is_bounded(void **state) {
        (void) state;
        static const struct {
                const char *format;
                unsigned fits; /* so many are taken, one more is not */
                const char *error;
        } rows[] = {
                { "model %u\n", ACCOUNTS_MAX, "more than 64 models" },
                { "sensor %u\n", SENSORS_MAX, "more than 32 sensors" },
                { "want %u\n", WANTS_MAX, "more than 64 wants" },
                { "expect acts %u\n", SCENARIO_EXPECTATIONS_MAX, "more than 256 expectations" },
        };
        uint32_t looks;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
                for (unsigned more = 0; more < 2; more++) {
                        char *lines = repeat(rows[i].format, rows[i].fits + more), *text;
                        assert_true(asprintf(&text, LOOK "%s", lines) > 0);
                        int rc = scenario_check(&scenario, text, strlen(text), &looks);
                        assert_int_equal(rc == 0, more == 0);
                        if (rc)
                                assert_non_null(strstr(scenario.error, rows[i].error));
                        free(text);
                        free(lines);
                }
        char *words = repeat("word ", SCENARIO_WORDS_MAX + 1);
        assert_true(scenario_check(&scenario, words, strlen(words), &looks) < 0);
        assert_non_null(strstr(scenario.error, "more than 64 words"));
        free(words);
        char *line = malloc(SCENARIO_LINE_MAX + 1);
        assert_non_null(line);
        memset(line, ' ', SCENARIO_LINE_MAX + 1);
        assert_true(scenario_check(&scenario, line, SCENARIO_LINE_MAX + 1, &looks) < 0);
        assert_non_null(strstr(scenario.error, "longer than"));
        free(line);
}

/* Every way to cut a good scenario short is read or refused, and never reads too far. */
static void test_truncation(void **state) {
        (void) state;
        static const char text[] =
                "limits reserve=1GiB\nat 0 ram=16GiB\n model 1 level=q8_0\n gone model 1\n expect until_now no "
                "downshift 1 to q8_0 because forecast\nat 1h\n";
        for (size_t size = 0; size < sizeof(text); size++) {
                uint32_t looks;
                char *copy = exact(text, size);
                (void) scenario_check(&scenario, copy, size, &looks);
                free(copy);
        }
}

/* --- expectations --- */

/* The scenario that every row is compared with. */
static void some_plan(struct snapshot *snapshot, struct plan *plan) {
        *snapshot = (struct snapshot){ .now_ms = 1000 };
        *plan = (struct plan){
                .rung = RUNG_EVICT,
                .because = REASON_FORECAST,
                .hold_loads = true,
                .actions_count = 2,
                .actions = { { .kind = ACTION_EVICT, .model = 2, .because = REASON_FORECAST },
                             { .kind = ACTION_DOWNSHIFT, .model = 1, .level = KV_Q8_0, .because = REASON_STALL } },
                .verified = { .kind = ACTION_TRIM, .model = 3 },
                .verified_freed_bytes = 5 << 20,
                .heat_level = 3,
                .heat_because = REASON_HEAT,
                .headroom_bytes = -(1 << 30),
                .exhaustion_ms = UINT64_MAX,
                .cliff_ms = 2500,
                .look_again_ms = 1250,
                .loads_count = 2,
                .loads = { { .model = 4, .verdict = VERDICT_EVICT },
                           { .model = 5, .verdict = VERDICT_NEVER, .refused = true, .because = REASON_NEVER_FITS } },
                .unloads_count = 1,
                .unloads = { { .model = 1, .because = REASON_MAKE_ROOM, .for_model = 4 } }
        };
}

static const struct {
        const char *line;
        bool holds;
} rows[] = {
        { "nothing", false },
        { "evict", true },
        { "evict 2", true },
        { "evict 1", false },
        { "no evict 1", true },
        { "evict because forecast", true },
        { "evict 2 because stall", false },
        { "downshift 1 to q8_0 because stall", true },
        { "downshift 1 to q4_0", false },
        { "trim", false },
        { "no acts", false },
        { "acts 2", true },
        { "acts at_most 1", false },
        { "no acts 3", true },
        { "until_now suspend 7", true }, /* earlier */
        { "until_now no suspend 7", false },
        { "until_now evict 2", true }, /* now */
        { "until_now no end", true },
        { "until_now no acts", false },
        { "suspend 7", false },
        { "rung evict", true },
        { "rung hold", false },
        { "rung at_least hold", true },
        { "rung at_most hold", false },
        { "no rung calm", true },
        { "because forecast", true },
        { "because stall", false },
        { "heat_because heat", true },
        { "hold_loads", true },
        { "loads 2", true },
        { "unloads 1", true },
        { "load 4 evict", true },
        { "load 4 refused evict", false },
        { "load 5 refused never because never_fits", true },
        { "load 5 refused", true },
        { "load 5 never", false }, /* a refusal is more than a verdict */
        { "load 6 admit", false },
        { "no load 6 admit", true },
        { "unload 1", true },
        { "unload 1 for 4 because make_room", true },
        { "unload 1 for 5", false },
        { "unload 2", false },
        { "no hold_growth", true },
        { "emergency", false },
        { "verified trim", true },
        { "verified trim 3", true },
        { "verified trim 2", false },
        { "freed 5MiB", true },
        { "headroom -1GiB", true },
        { "headroom at_most 0", true },
        { "headroom at_least -1.5GiB", true },
        { "exhaustion never", true },
        { "exhaustion at_most 10s", false },
        { "cliff at_most 2.5s", true },
        { "cliff never", false },
        { "look_again 250ms", true },
        { "heat_level at_least 4", false },
        { "heat_level 3", true },
};

static void test_expectations(void **state) {
        (void) state;
        static struct deeds deeds;
        struct snapshot *snapshot = malloc(sizeof(*snapshot));
        struct plan *plan = malloc(sizeof(*plan)),
                    earlier = { .actions_count = 1, .actions = { { .kind = ACTION_SUSPEND, .model = 7 } } };
        assert_true(snapshot && plan && deeds_add(&deeds, &earlier));
        some_plan(snapshot, plan);
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                char text[128];
                uint32_t looks;
                snprintf(text, sizeof(text), LOOK "expect %s", rows[i].line);
                if (scenario_check(&scenario, text, strlen(text), &looks) != 0)
                        fail_msg("%s: %s", rows[i].line, scenario.error);
                assert_int_equal(scenario.expectations[0].line, 2);
                assert_int_equal(scenario.expectations[0].text.length, strlen(rows[i].line));
                if (expectation_holds(&scenario.expectations[0], snapshot, plan, &deeds) != rows[i].holds)
                        fail_msg("%s", rows[i].line);
        }
        free(snapshot);
        free(plan);
}

static void test_deeds_are_bounded(void **state) {
        (void) state;
        static struct deeds deeds;
        struct plan plan = { .actions_count = 1, .actions = { { .kind = ACTION_EVICT } } };
        for (uint32_t i = 0; i < DEEDS_MAX; i++) {
                plan.actions[0].model = i;
                assert_true(deeds_add(&deeds, &plan));
                assert_true(deeds_add(&deeds, &plan)); /* the same again takes no room */
        }
        plan.actions[0].model = DEEDS_MAX;
        assert_false(deeds_add(&deeds, &plan));
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_everything_stays_until_it_is_changed),
                cmocka_unit_test(test_what_is_wrong_is_named_with_its_line),
                cmocka_unit_test(test_everything_is_bounded),
                cmocka_unit_test(test_truncation),
                cmocka_unit_test(test_expectations),
                cmocka_unit_test(test_deeds_are_bounded),
        };
        return cmocka_run_group_tests_name("ctl_scenario", tests, NULL, NULL);
}
