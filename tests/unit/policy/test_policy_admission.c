/* test_policy_admission.c - may it be loaded now, and who must leave for it? One row is one situation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/admission.h"

#define GIB(n) ((uint64_t) (n) << 30)
#define FAR    UINT64_MAX

/* The box of most rows: 32 GiB, budget 16, weights 20, reserve 1, residency 30 s, a wait of 5 min; the time is 100 s. */
#define NOW       100000
#define RESIDENCY 30000
#define WAIT      300000
static const struct admission_limits box = { GIB(16), GIB(20), GIB(1), GIB(32), .min_residency_ms = RESIDENCY, .wait_ms = WAIT };

/* clang-format off */
/* An account of N GiB that has taken all its bytes, loaded at second L, last asked at second E. */
#define ACCOUNT(ID, STATE, N, L, E) .id = (ID), .state = ACCOUNT_##STATE, .asked = true, .bytes = GIB(N), .weights_bytes = GIB(N), .taken_bytes = GIB(N), .loaded_ms = 1000 * (L), .last_end_ms = 1000 * (E), .load_ms = 2000
#define OLD(ID, STATE, N) { ACCOUNT(ID, STATE, N, 10, 20) }
#define PINNED(ID, STATE, N) { ACCOUNT(ID, STATE, N, 10, 20), .pinned = true }
/* Loaded 10 s ago, its last request ended E seconds after the start. */
#define YOUNG(ID, STATE, N, E) { ACCOUNT(ID, STATE, N, 90, E) }
#define PROTECTED(ID, STATE, N, UNTIL) { ACCOUNT(ID, STATE, N, 10, 20), .protected_until_ms = (UNTIL) }
#define FRESH(ID, N) { .id = (ID), .state = ACCOUNT_IDLE, .bytes = GIB(N), .weights_bytes = GIB(N), .taken_bytes = GIB(N), .loaded_ms = 99000, .load_ms = 2000 }

#define ACCOUNTS 6

static const struct row {
        const char *what;
        uint64_t available;
        struct account accounts[ACCOUNTS];
        uint32_t count;
        struct admission_want want;     /* bytes, weights, priority, since */
        enum verdict verdict;
        enum admission_rule rule;
        uint32_t victims[ACCOUNTS];
        uint32_t victims_count;
        uint64_t look_again_ms;
} rows[] = {
        { "an empty box", GIB(30), { { 0 } }, 0, { GIB(4), GIB(4), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },
        { "exactly the budget", GIB(30), { OLD(1, IDLE, 12) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },
        { "one byte over the budget: the idle one leaves", GIB(30), { OLD(1, IDLE, 12) }, 1, { GIB(4) + 1, GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, FAR },
        { "larger than the budget: never", GIB(30), { { 0 } }, 0, { GIB(16) + 1, GIB(4), 0, NOW }, VERDICT_NEVER, RULE_BUDGET, { 0 }, 0, FAR },
        { "exactly the budget alone", GIB(30), { { 0 } }, 0, { GIB(16), GIB(4), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },
        { "never fits: nobody is evicted in vain", GIB(30), { OLD(1, IDLE, 12) }, 1, { GIB(17), GIB(4), 0, NOW }, VERDICT_NEVER, RULE_BUDGET, { 0 }, 0, FAR },
        { "more weights than RAM may hold: never", GIB(30), { { 0 } }, 0, { GIB(15), GIB(21), 0, NOW }, VERDICT_NEVER, RULE_WEIGHTS, { 0 }, 0, FAR },
        { "two fit where three do not: the least recently used leaves", GIB(30), { { ACCOUNT(1, IDLE, 8, 10, 30) }, { ACCOUNT(2, IDLE, 8, 10, 20) } }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },
        { "pinned is never a victim", GIB(30), { PINNED(1, IDLE, 8), OLD(2, IDLE, 8) }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },
        { "only pinned ones in the way: say so", GIB(30), { PINNED(1, IDLE, 16) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_BLOCKED, RULE_BUDGET, { 0 }, 0, FAR },
        { "pinned and busy in the way", GIB(30), { PINNED(1, BUSY, 16) }, 1, { GIB(4), GIB(4), 0, 0 }, VERDICT_BLOCKED, RULE_BUDGET, { 0 }, 0, FAR },
        { "too little pinned to matter, the rest leaves", GIB(30), { PINNED(1, IDLE, 2), OLD(2, IDLE, 14) }, 2, { GIB(14), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },

        { "a protected one is not turned out, idle as it is", GIB(30), { PROTECTED(1, IDLE, 16, NOW + 60000) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, NOW + 60000 },
        { "nor when its turn is over", GIB(30), { PROTECTED(1, BUSY, 16, NOW + 60000) }, 1, { GIB(4), GIB(4), 0, NOW - RESIDENCY }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, NOW + 60000 },
        { "another one leaves in its place, though it is worth more", GIB(30), { PROTECTED(1, IDLE, 8, NOW + 60000), OLD(2, IDLE, 8) }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },
        { "the end of a wait is soon enough", GIB(30), { PROTECTED(1, IDLE, 16, NOW + WAIT) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, NOW + WAIT },
        { "for longer than a waiter waits: told at once", GIB(30), { PROTECTED(1, IDLE, 16, NOW + WAIT + 1) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_PROTECTED, RULE_BUDGET, { 0 }, 0, NOW + WAIT + 1 },
        { "over: it is like any", GIB(30), { PROTECTED(1, IDLE, 16, NOW) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, FAR },
        { "pinned ones stand in the way whatever ends", GIB(30), { PROTECTED(1, IDLE, 2, NOW + 60000), PINNED(2, IDLE, 14) }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_BLOCKED, RULE_BUDGET, { 0 }, 0, NOW + 60000 },

        { "a busy one is not cut: its turn ends 30 s after the waiter came", GIB(30), { OLD(1, BUSY, 16) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, NOW + RESIDENCY },
        { "the waiter has waited its turn: the busy one drains", GIB(30), { OLD(1, BUSY, 16) }, 1, { GIB(4), GIB(4), 0, NOW - RESIDENCY }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, NOW + 0 },
        { "it has waited long, but the busy one has just come: residency first", GIB(30), { YOUNG(1, BUSY, 16, 99) }, 1, { GIB(4), GIB(4), 0, 1000 }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, 90000 + RESIDENCY },
        { "a busy one of higher priority: four turns", GIB(30), { { ACCOUNT(1, BUSY, 16, 10, 20), .priority = 1 } }, 1, { GIB(4), GIB(4), 0, NOW - RESIDENCY }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, NOW + 3 * RESIDENCY },
        { "a busy one of lower priority: one turn", GIB(30), { { ACCOUNT(1, BUSY, 16, 10, 20), .priority = -1 } }, 1, { GIB(4), GIB(4), 0, NOW - RESIDENCY }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, NOW + 0 },
        { "idle is enough: the busy one is left alone", GIB(30), { OLD(1, BUSY, 8), OLD(2, IDLE, 8) }, 2, { GIB(4), GIB(4), 0, 0 }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },
        { "idle is not enough: the busy one drains first, the idle one stays until then", GIB(30), { OLD(1, BUSY, 8), OLD(2, IDLE, 8) }, 2, { GIB(12), GIB(4), 0, 0 }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, NOW + 0 },
        { "one drains already and will be enough", GIB(30), { OLD(1, DRAINING, 16) }, 1, { GIB(4), GIB(4), 0, 0 }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "one drains and an idle one will be needed too: not yet", GIB(30), { OLD(1, DRAINING, 8), OLD(2, IDLE, 8) }, 2, { GIB(12), GIB(4), 0, 0 }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "one drains for someone else, an idle one is enough: take it", GIB(30), { OLD(1, DRAINING, 8), OLD(2, IDLE, 8) }, 2, { GIB(8), GIB(4), 0, 0 }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },

        { "a stopping one still counts", GIB(30), { OLD(1, STOPPING, 16) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "what stops is enough: nobody else leaves", GIB(30), { OLD(1, STOPPING, 8), OLD(2, IDLE, 8) }, 2, { GIB(8), GIB(8), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "what stops is not enough: one more leaves", GIB(30), { OLD(1, STOPPING, 4), OLD(2, IDLE, 12) }, 2, { GIB(8), GIB(8), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },
        { "a loading one is never a victim: it will be idle or busy soon", GIB(30), { OLD(1, LOADING, 16) }, 1, { GIB(4), GIB(4), 0, 0 }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "loads that fit beside each other run at once", GIB(30), { OLD(1, LOADING, 8) }, 1, { GIB(8), GIB(8), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },

        { "room that is being made for another may not be taken", GIB(30), { OLD(1, STOPPING, 12), OLD(2, PROMISED, 12) }, 2, { GIB(6), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "beside the promised one there is room, but only when the leaving one has left", GIB(30), { OLD(1, STOPPING, 12), OLD(2, PROMISED, 12) }, 2, { GIB(4) + 1, GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, FAR },
        { "beside both there is room now", GIB(30), { OLD(1, STOPPING, 10), { .id = 2, .state = ACCOUNT_PROMISED, .bytes = GIB(12) } }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },

        { "young, idle, in use a second ago: kept for as long as a load would take", GIB(30), { YOUNG(1, IDLE, 16, 99) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_BUDGET, { 0 }, 0, 99000 + 2000 },
        { "young, idle for longer than a load would take: it may leave", GIB(30), { YOUNG(1, IDLE, 16, 98) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, FAR },
        { "young, never asked: it may leave", GIB(30), { FRESH(1, 16) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 1 }, 1, FAR },
        { "a young one and an old one: the old one leaves though used later", GIB(30), { YOUNG(1, IDLE, 8, 99), { ACCOUNT(2, IDLE, 8, 10, 99) } }, 2, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_BUDGET, { 2 }, 1, FAR },

        { "weights rule: both fit the budget of bytes, not the weights", GIB(30), { { .id = 1, .state = ACCOUNT_IDLE, .bytes = GIB(9), .weights_bytes = GIB(17), .taken_bytes = GIB(9) } }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_WEIGHTS, { 1 }, 1, FAR },

        { "available: exactly enough above the reserve", GIB(5), { { 0 } }, 0, { GIB(4), GIB(4), 0, NOW }, VERDICT_ADMIT, RULE_NONE, { 0 }, 0, FAR },
        { "available: one byte short, and nobody of ours holds it", GIB(5) - 1, { { 0 } }, 0, { GIB(4), GIB(4), 0, NOW }, VERDICT_SHORT, RULE_AVAILABLE, { 0 }, 0, FAR },
        { "mapped weights look free to the kernel and are not", GIB(10), { { .id = 1, .state = ACCOUNT_BUSY, .asked = true, .bytes = GIB(8), .weights_bytes = GIB(7), .taken_bytes = GIB(1), .loaded_ms = 10000, .last_end_ms = 20000 } }, 1,
          { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_AVAILABLE, { 0 }, 0, NOW + RESIDENCY },
        { "the same, idle: it leaves, and its weights are free in truth", GIB(10), { { .id = 1, .state = ACCOUNT_IDLE, .asked = true, .bytes = GIB(8), .weights_bytes = GIB(7), .taken_bytes = GIB(1), .loaded_ms = 10000, .last_end_ms = 20000 } }, 1,
          { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_AVAILABLE, { 1 }, 1, FAR },
        { "a load in flight has taken nothing yet: its bytes are reserved", GIB(12), { { .id = 1, .state = ACCOUNT_LOADING, .bytes = GIB(8), .weights_bytes = GIB(7) } }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_AVAILABLE, { 0 }, 0, FAR },
        { "other programs hold so much that evicting would not help: nobody leaves", GIB(2), { OLD(1, IDLE, 2) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_SHORT, RULE_AVAILABLE, { 0 }, 0, FAR },
        { "evicting just helps", GIB(3), { OLD(1, IDLE, 2) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_EVICT, RULE_AVAILABLE, { 1 }, 1, FAR },
        { "stopping gives back what it took: wait for it", GIB(3), { OLD(1, STOPPING, 2) }, 1, { GIB(4), GIB(4), 0, NOW }, VERDICT_WAIT, RULE_AVAILABLE, { 0 }, 0, FAR },

        { "absurd sizes from a file never wrap into a yes", GIB(30), { OLD(1, IDLE, 8) }, 1, { UINT64_MAX, UINT64_MAX, 0, NOW }, VERDICT_NEVER, RULE_BUDGET, { 0 }, 0, FAR },
        { "an absurd measurement never wraps into a yes", GIB(30), { { .id = 1, .state = ACCOUNT_BUSY, .pinned = true, .bytes = UINT64_MAX, .weights_bytes = UINT64_MAX } }, 1, { 1, 1, 0, NOW }, VERDICT_BLOCKED, RULE_BUDGET, { 0 }, 0, FAR },
};
/* clang-format on */

static void one_row_after_another(void **state) {
        (void) state;
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
                const struct row *row = &rows[r];
                const struct admission_snapshot snapshot = { NOW, row->available, row->accounts, row->count, false };
                struct admission a = policy_admission(&box, &snapshot, &row->want);
                bool good = a.verdict == row->verdict && a.rule == row->rule && a.victims_count == row->victims_count;
                for (uint32_t i = 0; good && i < a.victims_count; i++)
                        good = a.victims[i] == row->victims[i];
                /* With victims to drain the time is only a hint. */
                if (good && a.verdict != VERDICT_EVICT)
                        good = a.look_again_ms == row->look_again_ms;
                if (!good)
                        fail_msg("%s: verdict %d rule %s, %u victims (%u), look again %llu", row->what, a.verdict,
                                 policy_rule_word(a.rule), a.victims_count, a.victims_count > 0 ? a.victims[0] : 0,
                                 (unsigned long long) a.look_again_ms);
        }
}

static void a_refusal_carries_the_numbers(void **state) {
        (void) state;
        const struct account held[] = { PINNED(1, IDLE, 14) };
        const struct admission_snapshot snapshot = { NOW, GIB(30), held, 1, false };
        const struct admission_want want = { GIB(4), GIB(4), 0, NOW };
        struct admission a = policy_admission(&box, &snapshot, &want);
        assert_int_equal(a.limit_bytes, GIB(16));
        assert_int_equal(a.used_bytes, GIB(14));
        assert_int_equal(a.needed_bytes, GIB(4));

        const struct admission_want vast = { GIB(40), GIB(40), 0, NOW };
        a = policy_admission(&box, &snapshot, &vast);
        assert_int_equal(a.verdict, VERDICT_NEVER);
        assert_int_equal(a.limit_bytes, GIB(16));
        assert_int_equal(a.needed_bytes, GIB(40));
}

static void a_smaller_form_is_taken_only_where_a_larger_one_is_refused(void **state) {
        (void) state;
        static const struct {
                const char *what;
                uint64_t available;
                struct account held;
                uint64_t needs[FORMS_MAX]; /* GiB of each form */
                uint32_t form;
                enum verdict verdict;
        } cases[] = {
                { "the wanted form fits", GIB(30), OLD(1, IDLE, 1), { 8, 6, 5, 4 }, 0, VERDICT_ADMIT },
                { "larger than the budget as wanted: the next form",
                  GIB(30),
                  OLD(1, IDLE, 1),
                  { 17, 6, 5, 4 },
                  1,
                  VERDICT_ADMIT },
                { "an idle model leaves before precision does", GIB(30), OLD(1, IDLE, 10), { 8, 6, 5, 4 }, 0, VERDICT_EVICT },
                { "a turn is waited for", GIB(30), OLD(1, BUSY, 10), { 8, 6, 5, 4 }, 0, VERDICT_WAIT },
                { "a pinned one stays: what fits beside it", GIB(30), PINNED(1, IDLE, 11), { 8, 6, 5, 4 }, 2, VERDICT_ADMIT },
                { "others hold the memory: what fits beside them",
                  GIB(6) - 1,
                  OLD(1, IDLE, 0),
                  { 8, 6, 5, 4 },
                  3,
                  VERDICT_ADMIT },
                { "refused in every form: the numbers of the smallest",
                  GIB(30),
                  OLD(1, IDLE, 1),
                  { 40, 30, 20, 17 },
                  3,
                  VERDICT_NEVER },
                { "not now in any form", GIB(30), PINNED(1, IDLE, 15), { 8, 6, 5, 4 }, 3, VERDICT_BLOCKED },
        };
        for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
                struct admission_want want[FORMS_MAX];
                for (uint32_t n = 0; n < FORMS_MAX; n++)
                        want[n] = (struct admission_want){ GIB(cases[i].needs[n]), GIB(3), 0, NOW };
                const struct admission_snapshot snapshot = { NOW, cases[i].available, &cases[i].held, 1, false };
                uint32_t form = UINT32_MAX;
                struct admission a = policy_admission_of_forms(&box, &snapshot, want, FORMS_MAX, &form);
                if (form != cases[i].form || a.verdict != cases[i].verdict)
                        fail_msg("%s: form %u, verdict %d", cases[i].what, form, a.verdict);
                if (a.verdict == VERDICT_NEVER)
                        assert_int_equal(a.needed_bytes, GIB(17));
        }
}

/* Small models that relieve each other are never both old; the large one must get in all the same. */
static void whose_turn_has_come_is_promised_the_room(void **state) {
        (void) state;
        const struct account held[] = { OLD(1, BUSY, 8), YOUNG(2, BUSY, 8, 99) };
        const struct admission_snapshot snapshot = { NOW, GIB(30), held, 2, false };
        const struct admission_want early = { GIB(16), GIB(16), 0, NOW - RESIDENCY + 1 },
                                    due = { GIB(16), GIB(16), 0, NOW - RESIDENCY };
        struct admission a = policy_admission(&box, &snapshot, &early);
        assert_int_equal(a.verdict, VERDICT_WAIT);
        assert_false(a.promised);
        a = policy_admission(&box, &snapshot, &due);
        assert_int_equal(a.verdict, VERDICT_WAIT);
        assert_true(a.promised);
        assert_int_equal(a.look_again_ms, 90000 + RESIDENCY);
}

static void more_than_ram_less_the_reserve_never_fits(void **state) {
        (void) state;
        const struct admission_limits generous = { GIB(64), GIB(64), GIB(1), GIB(32), .min_residency_ms = RESIDENCY };
        const struct admission_snapshot snapshot = { NOW, GIB(31), NULL, 0, false };
        const struct admission_want just = { GIB(31), GIB(1), 0, NOW }, over = { GIB(31) + 1, GIB(1), 0, NOW };
        assert_int_equal(policy_admission(&generous, &snapshot, &just).verdict, VERDICT_SHORT);
        assert_int_equal(policy_admission(&generous, &snapshot, &over).verdict, VERDICT_NEVER);
}

static void a_full_table_of_engines_makes_a_place(void **state) {
        (void) state;
        static struct account all[ACCOUNTS_MAX];
        for (uint32_t i = 0; i < ACCOUNTS_MAX; i++)
                all[i] = (struct account){ .id = i, .state = ACCOUNT_IDLE, .asked = true, .bytes = 1, .last_end_ms = 500 - i };
        const struct admission_snapshot snapshot = { NOW, GIB(30), all, ACCOUNTS_MAX, false };
        const struct admission_want want = { GIB(1), GIB(1), 0, NOW };
        struct admission a = policy_admission(&box, &snapshot, &want);
        assert_int_equal(a.verdict, VERDICT_EVICT);
        assert_int_equal(a.rule, RULE_PLACES);
        assert_int_equal(a.victims_count, 1);
        assert_int_equal(a.victims[0], ACCOUNTS_MAX - 1);
        all[7].state = ACCOUNT_STOPPING;
        assert_int_equal(policy_admission(&box, &snapshot, &want).verdict, VERDICT_WAIT);
}

/* clang-format off */
static const struct overrun {
        const char *what;
        struct account accounts[ACCOUNTS];
        uint32_t count;
        enum verdict verdict;
        uint32_t victims[ACCOUNTS];
        uint32_t victims_count;
} overruns[] = {
        { "within the budget", { OLD(1, IDLE, 8), OLD(2, BUSY, 8) }, 2, VERDICT_ADMIT, { 0 }, 0 },
        { "over: the idle one goes", { OLD(1, IDLE, 9), OLD(2, BUSY, 8) }, 2, VERDICT_EVICT, { 1 }, 1 },
        { "over: one of two idle ones is enough", { { ACCOUNT(1, IDLE, 4, 10, 30) }, { ACCOUNT(2, IDLE, 4, 10, 20) }, OLD(3, BUSY, 9) }, 3, VERDICT_EVICT, { 2 }, 1 },
        { "over by more than all idle ones hold: they all go", { OLD(1, IDLE, 4), OLD(2, BUSY, 18) }, 2, VERDICT_EVICT, { 1 }, 1 },
        { "over, and all are busy: nobody is cut", { OLD(1, BUSY, 18) }, 1, VERDICT_WAIT, { 0 }, 0 },
        { "over, but enough is leaving already", { OLD(1, STOPPING, 9), OLD(2, IDLE, 8) }, 2, VERDICT_ADMIT, { 0 }, 0 },
        { "over by pinned ones alone", { PINNED(1, IDLE, 18) }, 1, VERDICT_WAIT, { 0 }, 0 },
        { "an idle one that alone outgrew the budget goes", { OLD(1, IDLE, 18) }, 1, VERDICT_EVICT, { 1 }, 1 },
};
/* clang-format on */

static void engines_that_grew_too_large(void **state) {
        (void) state;
        for (size_t r = 0; r < sizeof(overruns) / sizeof(overruns[0]); r++) {
                const struct overrun *row = &overruns[r];
                const struct admission_snapshot snapshot = { NOW, GIB(30), row->accounts, row->count, false };
                struct admission a = policy_admission_overrun(&box, &snapshot);
                bool good = a.verdict == row->verdict && a.victims_count == row->victims_count;
                for (uint32_t i = 0; good && i < a.victims_count; i++)
                        good = a.victims[i] == row->victims[i];
                if (!good)
                        fail_msg("%s: verdict %d, %u victims", row->what, a.verdict, a.victims_count);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
                cmocka_unit_test(a_refusal_carries_the_numbers),
                cmocka_unit_test(a_smaller_form_is_taken_only_where_a_larger_one_is_refused),
                cmocka_unit_test(whose_turn_has_come_is_promised_the_room),
                cmocka_unit_test(more_than_ram_less_the_reserve_never_fits),
                cmocka_unit_test(a_full_table_of_engines_makes_a_place),
                cmocka_unit_test(engines_that_grew_too_large),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
