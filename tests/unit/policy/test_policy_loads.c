/*
 * test_policy_loads.c - the loads of a plan: who comes in, who leaves for whom, what a later waiter may not take, who is told
 * that there is no room, and who was considered. One row, one situation.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/loads.h"
#include "policy/policy.h"

#define GIB(n)  ((uint64_t) (n) << 30)
#define NOW_MS  100000u
#define MODEL_A 1u
#define MODEL_B 2u

/* A box of 64 GiB with a budget of 40 and a reserve of 1. */
static const struct limits limits = {
        .budget_bytes = GIB(40), .weights_permille = 900, .reserve_bytes = GIB(1), .min_residency_ms = 10000, .wait_ms = 300000
};

#define IDLE(ID, N, ...)                                                                                            \
        {                                                                                                           \
                .id = (ID), .state = ACCOUNT_IDLE, .bytes = GIB(N), .weights_bytes = GIB(N), .taken_bytes = GIB(N), \
                .loaded_ms = 10000, .last_end_ms = 60000, .load_ms = 2000, __VA_ARGS__                              \
        }
#define BUSY(ID, N, ...)                                                                                            \
        {                                                                                                           \
                .id = (ID), .state = ACCOUNT_BUSY, .bytes = GIB(N), .weights_bytes = GIB(N), .taken_bytes = GIB(N), \
                .loaded_ms = 99000, .running = 1, __VA_ARGS__                                                       \
        }
#define WANT(ID, N, SINCE, ...) \
        { .id = (ID), .since_ms = (SINCE), .forms_count = 1, .forms = { { GIB(N), GIB(N) } }, __VA_ARGS__ }

struct row {
        const char *what;
        uint64_t available_gib;
        bool hold_loads, hold_batch;
        struct model_view models[4];
        struct want wants[4];
        struct {
                uint32_t model;
                enum verdict verdict;
                bool refused;
                enum reason because;
        } loads[4]; /* in the order of their answers */
        struct unload unloads[4];
};

/* clang-format off */
static const struct row rows[] = {
        { "there is room", 60, false, false, { { 0 } }, { WANT(5, 8, 90000) }, { { 5, VERDICT_ADMIT, false, REASON_NONE } }, { { 0 } } },
        { "an idle one leaves", 60, false, false, { IDLE(MODEL_A, 20), IDLE(MODEL_B, 12) }, { WANT(5, 12, 90000) },
          { { 5, VERDICT_EVICT, false, REASON_NONE } }, { { MODEL_A, REASON_MAKE_ROOM, 5 } } }, /* cheapest to load again per byte */
        { "the busy one stays in its turn", 60, false, false, { BUSY(MODEL_A, 30) }, { WANT(5, 12, 99500) },
          { { 5, VERDICT_WAIT, false, REASON_NONE } }, { { 0 } } },
        { "only pinned ones stand in the way", 60, false, false, { IDLE(MODEL_A, 30, .pinned = true) }, { WANT(5, 12, 90000) },
          { { 5, VERDICT_BLOCKED, true, REASON_INSUFFICIENT_MEMORY } }, { { 0 } } },
        { "larger than the budget", 60, false, false, { { 0 } }, { WANT(5, 41, 90000) }, { { 5, VERDICT_NEVER, true, REASON_NEVER_FITS } }, { { 0 } } },
        { "others hold the memory: it is hoped for at first", 6, false, false, { { 0 } }, { WANT(5, 8, 90000) },
          { { 5, VERDICT_SHORT, false, REASON_INSUFFICIENT_MEMORY } }, { { 0 } } },
        { "a smaller form is taken where the larger one is refused", 60, false, false, { { 0 } },
          { { .id = 5, .since_ms = 90000, .forms_count = 2, .forms = { { GIB(48), GIB(8) }, { GIB(30), GIB(8) } } } },
          { { 5, VERDICT_ADMIT, false, REASON_NONE } }, { { 0 } } },
        { "nothing is loaded while memory is short", 60, true, false, { { 0 } }, { WANT(5, 8, 90000) }, { { 5, VERDICT_HELD, false, REASON_MEMORY_HELD } }, { { 0 } } },
        { "batch waits for the box to cool down", 60, false, true, { { 0 } }, { WANT(5, 8, 90000, .batch = true), WANT(6, 8, 95000) },
          { { 5, VERDICT_HELD, false, REASON_TOO_HOT }, { 6, VERDICT_ADMIT, false, REASON_NONE } }, { { 0 } } },
        { "the first waiter comes first, wherever it stands", 60, false, false, { { 0 } }, { WANT(5, 30, 95000), WANT(6, 30, 90000) },
          { { 6, VERDICT_ADMIT, false, REASON_NONE }, { 5, VERDICT_WAIT, false, REASON_NONE } }, { { 0 } } },
        { "of equals the first of the configuration, wherever it stands", 60, false, false, { { 0 } }, { WANT(6, 30, 90000), WANT(5, 30, 90000) },
          { { 5, VERDICT_ADMIT, false, REASON_NONE }, { 6, VERDICT_WAIT, false, REASON_NONE } }, { { 0 } } },
        { "what one was admitted with is not there for the next", 60, false, false, { { 0 } }, { WANT(5, 24, 90000), WANT(6, 24, 95000) },
          { { 5, VERDICT_ADMIT, false, REASON_NONE }, { 6, VERDICT_WAIT, false, REASON_NONE } }, { { 0 } } },
        { "room that is being made is promised", 60, false, false, { IDLE(MODEL_A, 30) }, { WANT(5, 30, 90000), WANT(6, 20, 95000) },
          { { 5, VERDICT_EVICT, false, REASON_NONE }, { 6, VERDICT_WAIT, false, REASON_NONE } }, { { MODEL_A, REASON_MAKE_ROOM, 5 } } },
        { "a small one passes the one that waits where both fit", 60, false, false, { IDLE(MODEL_A, 30) }, { WANT(5, 30, 90000), WANT(6, 4, 95000) },
          { { 5, VERDICT_EVICT, false, REASON_NONE }, { 6, VERDICT_ADMIT, false, REASON_NONE } }, { { MODEL_A, REASON_MAKE_ROOM, 5 } } },
        { "one that grew past its prediction: an idle one leaves for none", 60, false, false, { BUSY(MODEL_A, 30, .account_bytes = GIB(35)), IDLE(MODEL_B, 12) }, { { 0 } },
          { { 0 } }, { { MODEL_B, REASON_OVER_BUDGET, UINT32_MAX } } },
        { "a protected one is waited for", 60, false, false, { IDLE(MODEL_A, 30, .protected_until_ms = NOW_MS + 60000) }, { WANT(5, 12, 90000) },
          { { 5, VERDICT_WAIT, false, REASON_PROTECTED } }, { { 0 } } },
        { "a protected one for longer than a request waits", 60, false, false, { IDLE(MODEL_A, 30, .protected_until_ms = NOW_MS + 600000) }, { WANT(5, 12, 90000) },
          { { 5, VERDICT_PROTECTED, true, REASON_PROTECTED } }, { { 0 } } },
        { "one that grew past its prediction is not spared for it", 60, false, false, { BUSY(MODEL_A, 30, .account_bytes = GIB(35)), IDLE(MODEL_B, 12, .protected_until_ms = NOW_MS + 60000) }, { { 0 } },
          { { 0 } }, { { MODEL_B, REASON_OVER_BUDGET, UINT32_MAX } } },
};
/* clang-format on */

static void set_up(const struct row *row, struct snapshot *snapshot, struct plan *plan) {
        *snapshot = (struct snapshot){ .now_ms = NOW_MS, .ram_bytes = GIB(64), .available_bytes = GIB(row->available_gib) };
        *plan = (struct plan){ .hold_loads = row->hold_loads,
                               .hold_batch = row->hold_batch,
                               .batch_because = row->hold_batch ? REASON_TOO_HOT : REASON_NONE };
        while (snapshot->models_count < 4 && row->models[snapshot->models_count].id != 0) {
                snapshot->models[snapshot->models_count] = row->models[snapshot->models_count];
                snapshot->models_count++;
        }
        while (snapshot->wants_count < 4 && row->wants[snapshot->wants_count].id != 0) {
                snapshot->wants[snapshot->wants_count] = row->wants[snapshot->wants_count];
                snapshot->wants_count++;
        }
}

static void one_row_after_another(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                static struct snapshot snapshot;
                static struct plan plan;
                struct loads_past past = { 0 };
                uint32_t unloads = 0;
                set_up(&rows[i], &snapshot, &plan);
                policy_loads(&limits, &snapshot, &past, &plan);
                assert_int_equal(plan.loads_count, snapshot.wants_count);
                for (uint32_t k = 0; k < plan.loads_count; k++) {
                        const struct load *load = &plan.loads[k];
                        if (load->model != rows[i].loads[k].model || load->verdict != rows[i].loads[k].verdict ||
                            load->refused != rows[i].loads[k].refused || load->because != rows[i].loads[k].because)
                                fail_msg("%s: %s of model %u because %s", rows[i].what, policy_verdict_word(load->verdict),
                                         load->model, reason_info(load->because)->word);
                }
                while (unloads < 4 && rows[i].unloads[unloads].model != 0)
                        unloads++;
                if (plan.unloads_count != unloads || memcmp(plan.unloads, rows[i].unloads, unloads * sizeof(struct unload)) != 0)
                        fail_msg("%s: %u unloads, the first of model %u", rows[i].what, plan.unloads_count,
                                 plan.unloads[0].model);
        }
}

/* Hoped for while the grace lasts, refused then; and a grace begins anew once it was not short. */
static void what_is_hoped_for_is_refused_in_the_end(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        static const struct row row = { "", 6, false, false, { { 0 } }, { WANT(5, 8, 90000) }, { { 0 } }, { { 0 } } };
        for (uint64_t ms = 0; ms <= SHORT_GRACE_MS + SHORT_POLL_MS; ms += SHORT_POLL_MS) {
                set_up(&row, &snapshot, &plan);
                snapshot.now_ms += ms;
                policy_loads(&limits, &snapshot, &past, &plan);
                assert_int_equal(plan.loads[0].verdict, VERDICT_SHORT);
                assert_int_equal(plan.loads[0].refused, ms >= SHORT_GRACE_MS);
                assert_int_equal(plan.loads[0].look_again_ms, snapshot.now_ms + SHORT_POLL_MS);
        }
        set_up(&row, &snapshot, &plan);
        snapshot.available_bytes = GIB(20);
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_ADMIT);
        set_up(&row, &snapshot, &plan);
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_false(plan.loads[0].refused);
}

static void not_seeing_is_no_reason_to_admit(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        set_up(&rows[0], &snapshot, &plan);
        snapshot.memory_blind = true;
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_SHORT);
}

/* A look that comes a moment after a jump, since a model changed its state, knows no more than that one. */
static void a_jump_holds_at_the_next_look_too(void **state) {
        (void) state;
        static struct past past;
        static struct snapshot snapshot;
        static struct plan plan;
        static const struct row row = { "", 60, false, false, { BUSY(MODEL_A, 4) }, { { 0 } }, { { 0 } }, { { 0 } } };
        memset(&past, 0, sizeof(past));
        set_up(&row, &snapshot, &plan);
        for (int i = 0; i < 4; i++, snapshot.now_ms += 250)
                policy_decide(&limits, &snapshot, &past, &plan);
        snapshot.available_bytes -= GIB(10);
        policy_decide(&limits, &snapshot, &past, &plan);
        assert_true(plan.hold_loads);
        snapshot.now_ms += 5;
        snapshot.wants_count = 1;
        snapshot.wants[0] = (struct want) WANT(5, 8, snapshot.now_ms);
        policy_decide(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_HELD);
        assert_true(plan.look_again_ms <= snapshot.now_ms + LOOK_SOON_MS);
}

/* While one waits, the box is looked at every 20 ms: 5 GiB that go in a tenth of a second are a jump then too, and no slope. */
static void looks_for_loads_do_not_make_a_slope_of_a_jump(void **state) {
        (void) state;
        static struct past past;
        static struct snapshot snapshot;
        static struct plan plan;
        static const struct row row = { "",
                                        40,
                                        false,
                                        false,
                                        { BUSY(MODEL_A, 4, .obeys = true, .prefix_bytes = GIB(1)) },
                                        { WANT(5, 39, 99500) },
                                        { { 0 } },
                                        { { 0 } } };
        memset(&past, 0, sizeof(past));
        set_up(&row, &snapshot, &plan);
        for (int look = 0; look < 400; look++, snapshot.now_ms += 20) {
                snapshot.for_loads = look > 0 && snapshot.now_ms < plan.look_again_ms;
                snapshot.available_bytes -= look >= 150 && look < 155 ? GIB(1) : 0;
                policy_decide(&limits, &snapshot, &past, &plan);
                assert_int_equal(plan.actions_count, 0);
                assert_true(plan.rung <= RUNG_HOLD);
                assert_true(plan.look_again_ms > snapshot.now_ms && plan.look_again_ms <= snapshot.now_ms + LOOK_CALM_MS);
        }
}

/* What the governor ends in this very plan is leaving: its room is on its way, and it is not unloaded a second time. */
static void what_an_action_ends_makes_room_too(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        static const struct row row = {
                "", 60, false, false, { IDLE(MODEL_A, 30) }, { WANT(5, 30, 90000) }, { { 0 } }, { { 0 } }
        };
        set_up(&row, &snapshot, &plan);
        plan.actions_count = 1;
        plan.actions[0] = (struct action){ .kind = ACTION_EVICT, .model = MODEL_A, .because = REASON_FORECAST };
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_WAIT);
        assert_int_equal(plan.unloads_count, 0);
}

/* A governor that only looks holds nothing, and what it would end stays. */
static void a_passive_one_only_answers_loads(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        struct limits passive = limits;
        passive.passive = true;
        set_up(&rows[7], &snapshot, &plan);
        policy_loads(&passive, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_ADMIT);
}

static void whoever_was_considered_is_told(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        struct candidate all[ACCOUNTS_MAX];
        static const struct row row = { "",
                                        60,
                                        false,
                                        false,
                                        { BUSY(MODEL_A, 10), IDLE(MODEL_B, 10, .protected_until_ms = NOW_MS + 1),
                                          IDLE(3, 9, .pinned = true), IDLE(4, 11) },
                                        { WANT(5, 10, 99000) },
                                        { { 0 } },
                                        { { 0 } } };
        set_up(&row, &snapshot, &plan);
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(policy_candidates(&limits, &snapshot, &plan, &plan.loads[0], all), 4);
        assert_true(all[0].model == 4 && all[0].fate == CANDIDATE_LEAVES && all[0].idle_ms == 40000 && all[0].bytes == GIB(11));
        for (uint32_t i = 1; i < 4; i++) {
                static const enum candidate_fate fates[] = {
                        [MODEL_A] = CANDIDATE_BUSY, [MODEL_B] = CANDIDATE_PROTECTED, [3] = CANDIDATE_PINNED
                };
                assert_int_equal(all[i].fate, fates[all[i].model]);
        }
}

static enum candidate_fate fate_in(const struct row *row, bool passive, struct action ended, uint32_t load, uint32_t model) {
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        struct candidate all[ACCOUNTS_MAX];
        struct limits here = limits;
        here.passive = passive;
        set_up(row, &snapshot, &plan);
        plan.actions[0] = ended;
        plan.actions_count = ended.kind != ACTION_NONE;
        policy_loads(&here, &snapshot, &past, &plan);
        uint32_t count = policy_candidates(&here, &snapshot, &plan, load < plan.loads_count ? &plan.loads[load] : NULL, all);
        for (uint32_t i = 0; i < count; i++)
                if (all[i].model == model)
                        return all[i].fate;
        return CANDIDATE_FATES;
}

/* clang-format off */
static void what_is_told_of_candidates_is_true(void **state) {
        (void) state;
        static const struct action none = { .kind = ACTION_NONE }, end = { .kind = ACTION_END, .model = MODEL_B };
        static const struct row two = { "", 60, false, false, { IDLE(MODEL_A, 20), IDLE(MODEL_B, 18, .priority = 1) },
                                        { WANT(5, 20, 90000), WANT(6, 41, 95000) }, { { 0 } }, { { 0 } } },
                                over = { "", 60, false, false, { BUSY(MODEL_A, 30, .account_bytes = GIB(35)), IDLE(MODEL_B, 12),
                                           { .id = 3, .state = ACCOUNT_IDLE, .bytes = GIB(1), .loaded_ms = 10000, .last_end_ms = 99000 } },
                                         { { 0 } }, { { 0 } }, { { 0 } } };
        assert_int_equal(fate_in(&two, false, none, 0, MODEL_A), CANDIDATE_LEAVES);
        assert_int_equal(fate_in(&two, false, none, 1, MODEL_A), CANDIDATE_LEAVING); /* for the one before */
        assert_int_equal(fate_in(&two, false, none, 1, MODEL_B), CANDIDATE_SPARED);
        assert_int_equal(fate_in(&over, false, none, UINT32_MAX, MODEL_B), CANDIDATE_LEAVES);
        assert_int_equal(fate_in(&over, false, none, UINT32_MAX, 3), CANDIDATE_SPARED); /* its use protects it from no overrun */
        assert_int_equal(fate_in(&two, false, end, UINT32_MAX, MODEL_B), CANDIDATE_LEAVES);
        assert_int_equal(fate_in(&two, true, end, UINT32_MAX, MODEL_B), CANDIDATE_SPARED); /* nobody carries that out */
}
/* clang-format on */

/* An upshift asks for the room that its account grows by; and what it takes is not there for a load of the same plan. */
static void precision_comes_back_only_into_room(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        static const struct row row = {
                "", 60, false, false, { IDLE(MODEL_A, 30, .upshift_bytes = GIB(6)) }, { WANT(5, 5, 90000) }, { { 0 } }, { { 0 } }
        };
        set_up(&row, &snapshot, &plan);
        assert_true(policy_has_room(&limits, &snapshot, GIB(6)));
        assert_false(policy_has_room(&limits, &snapshot, GIB(11)));
        plan.actions_count = 1;
        plan.actions[0] = (struct action){ .kind = ACTION_UPSHIFT, .model = MODEL_A, .because = REASON_CALM };
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.loads[0].verdict, VERDICT_EVICT);
}

/* When each of those who wait is expected to have its room. */
static void room_is_expected(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        static const struct row expected[] = {
                { "a turn of 10 s, the answer that runs by then, and for the second the load and the turn of the first",
                  60,
                  false,
                  false,
                  { BUSY(MODEL_A, 30, .service_ms = 4000) },
                  { WANT(5, 30, 99500, .load_ms = 1000), WANT(6, 30, 99600) },
                  { { 0 } },
                  { { 0 } } },
                { "an idle one leaves at once; who comes later waits for a load and a turn",
                  60,
                  false,
                  false,
                  { IDLE(MODEL_A, 30) },
                  { WANT(5, 30, 90000, .load_ms = 1000), WANT(6, 20, 95000) },
                  { { 0 } },
                  { { 0 } } },
                { "nobody can tell when a hold ends",
                  60,
                  true,
                  false,
                  { { 0 } },
                  { WANT(5, 8, 90000), WANT(6, 8, 90000) },
                  { { 0 } },
                  { { 0 } } },
        };
        static const uint64_t room_ms[][2] = { { 113500, 124500 }, { NOW_MS, 111000 }, { UINT64_MAX, UINT64_MAX } };
        for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]); i++) {
                struct loads_past past = { 0 };
                set_up(&expected[i], &snapshot, &plan);
                policy_loads(&limits, &snapshot, &past, &plan);
                for (uint32_t k = 0; k < 2; k++)
                        if (plan.loads[k].room_ms != room_ms[i][k])
                                fail_msg("%s: %llu", expected[i].what, (unsigned long long) plan.loads[k].room_ms);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
                cmocka_unit_test(what_is_hoped_for_is_refused_in_the_end),
                cmocka_unit_test(not_seeing_is_no_reason_to_admit),
                cmocka_unit_test(a_jump_holds_at_the_next_look_too),
                cmocka_unit_test(looks_for_loads_do_not_make_a_slope_of_a_jump),
                cmocka_unit_test(what_an_action_ends_makes_room_too),
                cmocka_unit_test(a_passive_one_only_answers_loads),
                cmocka_unit_test(whoever_was_considered_is_told),
                cmocka_unit_test(what_is_told_of_candidates_is_true),
                cmocka_unit_test(precision_comes_back_only_into_room),
                cmocka_unit_test(room_is_expected),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
