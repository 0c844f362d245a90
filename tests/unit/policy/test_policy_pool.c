/* test_policy_pool.c - KV pools that grow and shrink, precision that makes room, and contexts as large as there is room for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/footprint.h"
#include "policy/admission/loads.h"

#define MIB(n) ((uint64_t) (n) << 20)
#define NOW_MS 100000u

/* --- rows: a token is a MiB, a budget of 10,000 of them --- */

static const struct limits limits = { .budget_bytes = MIB(10000), .reserve_bytes = MIB(100), .min_residency_ms = 5000 };

#define MODEL(ID, STATE, POOL, HELD, NEEDED, ...)                                                                              \
        {                                                                                                                      \
                .id = (ID), .state = (STATE), .obeys = true, .loaded_ms = 10000, .last_end_ms = 99000, .load_ms = 1000,        \
                .running = (STATE) == ACCOUNT_BUSY, .account_bytes = MIB(1000 + (POOL)), .bytes = MIB(1000 + (HELD)),          \
                .account_weights_bytes = MIB(1000), .weights_bytes = MIB(1000), .taken_bytes = MIB(HELD), .pool = (POOL),      \
                .pool_asked = (POOL), .pool_floor = 500, .pool_full = 9000, .pool_held = (HELD), .pool_needed = (NEEDED),      \
                .pool_wanted = (NEEDED), .pool_token_bytes = MIB(1), .pool_since_ms = 50000, .context_full = 9000, __VA_ARGS__ \
        }
#define BUSY(ID, ...) MODEL(ID, ACCOUNT_BUSY, __VA_ARGS__)
#define IDLE(ID, ...) MODEL(ID, ACCOUNT_IDLE, __VA_ARGS__)
#define WANT(ID, N)                                                                                            \
        {                                                                                                      \
                .id = (ID), .since_ms = 99500, .context = 10, .context_full = 10, .forms_count = 1, .forms = { \
                        { MIB(N), MIB(1), 0, 0 }                                                               \
                }                                                                                              \
        }

/* At f16, all of it in use; q8_0 takes 34 bytes for 64, q4_0 18. */
#define LOWERS .floor = KV_Q4_0, .kv_bytes = { MIB(6000) }, .lower_bytes = { 0, MIB(2800), MIB(4300) }

#pragma GCC diagnostic ignored "-Woverride-init" /* a row says what is other than in MODEL */

static const struct row {
        const char *what;
        struct model_view models[3];
        struct want want;
        struct {
                uint32_t model;
                enum action_kind kind;
                uint32_t to; /* tokens, or the level */
        } orders[3];
        uint32_t unloaded;
        enum verdict verdict;
        bool hold_loads;
} rows[] = {
        /* growing */
        { "a part more than is needed",
          { BUSY(1, 1000, 900, 1500, .prefix_bytes = 0) },
          { 0 },
          { { 1, ACTION_POOL, 2048 } },
          0,
          0,
          false },
        { "with prefixes, where there is room",
          { BUSY(1, 1000, 900, 800, .pool_wanted = 3000) },
          { 0 },
          { { 1, ACTION_POOL, 4096 } },
          0,
          0,
          false },
        { "no more than it can",
          { BUSY(1, 1000, 900, 8900, .pool_full = 4000) },
          { 0 },
          { { 1, ACTION_POOL, 4000 } },
          0,
          0,
          false },
        { "the oldest first, what it needs, the other as far as there is room",
          { BUSY(1, 2000, 2000, 3500, .pool_since_ms = 60000), BUSY(2, 2000, 2000, 3500) },
          { 0 },
          { { 2, ACTION_POOL, 4096 }, { 1, ACTION_POOL, 3904 } },
          0,
          0,
          false },
        { "not while memory is short", { BUSY(1, 1000, 900, 1500, .prefix_bytes = 0) }, { 0 }, { { 0 } }, 0, 0, true },
        { "what another does not use goes first",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0), BUSY(2, 5000, 1000, 2000) },
          { 0 },
          { { 2, ACTION_POOL, 2000 } },
          0,
          0,
          false },
        { "then its prefixes",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0), BUSY(2, 5000, 5000, 2000, .prefix_bytes = MIB(3000)) },
          { 0 },
          { { 2, ACTION_POOL, 2000 } },
          0,
          0,
          false },
        { "one order at a time",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0), BUSY(2, 5000, 1000, 2000, .pool_asked = 2000) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "then an idle model leaves",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0), IDLE(2, 5000, 5000, 0, .last_end_ms = 80000, .pool_floor = 5000) },
          { 0 },
          { { 0 } },
          2,
          0,
          false },
        { "a busy one never",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0), BUSY(2, 5000, 5000, 5000) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "but who came later waits for who came first",
          { BUSY(1, 3000, 3000, 4000, .prefix_bytes = 0),
            BUSY(2, 5000, 5000, 5000, .pool_since_ms = 51000, .kv_bytes = { MIB(5000) }) },
          { 0 },
          { { 2, ACTION_TURN_OUT, 500 } },
          0,
          0,
          false },
        { "once its turn has come",
          { BUSY(1, 3000, 3000, 4000, .pool_since_ms = 99000), BUSY(2, 5000, 5000, 5000, .pool_since_ms = 99500) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "none before the engine has answered the last",
          { BUSY(1, 1000, 900, 1500, .pool_told = true) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "... nor is it cut before",
          { BUSY(1, 6000, 1000, 2000, .pool_told = true) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "what is not needed is for when no other pool lacks it",
          { BUSY(1, 1000, 900, 800, .pool_wanted = 3000), BUSY(2, 1000, 900, 1500) },
          { 0 },
          { { 2, ACTION_POOL, 2048 } },
          0,
          0,
          false },
        { "... and nobody waits to be loaded",
          { BUSY(1, 1000, 900, 800, .pool_wanted = 3000) },
          WANT(7, 7000),
          { { 0 } },
          0,
          VERDICT_ADMIT,
          false },
        { "nobody makes room for what is not needed",
          { BUSY(1, 1472, 1472, 1472, .pool_wanted = 2000), BUSY(2, 6528, 100, 100, .pool_since_ms = 60000) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "it has its size for ever",
          { BUSY(1, 1000, 900, 1500, .lacks = ACTION_BIT(ACTION_POOL)) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "it does not obey", { BUSY(1, 1000, 900, 1500, .obeys = false) }, { 0 }, { { 0 } }, 0, 0, false },
        /* loads */
        { "a load takes what nobody uses",
          { BUSY(1, 6000, 1000, 2000, .prefix_bytes = 0) },
          WANT(7, 5000),
          { { 1, ACTION_POOL, 2000 } },
          0,
          VERDICT_WAIT,
          false },
        { "... and prefixes",
          { BUSY(1, 6000, 6000, 2000, .prefix_bytes = MIB(4000)) },
          WANT(7, 5000),
          { { 1, ACTION_POOL, 2000 } },
          0,
          VERDICT_WAIT,
          false },
        { "... of as few as are enough",
          { BUSY(1, 3000, 500, 500, .prefix_bytes = 0), BUSY(2, 3000, 500, 500) },
          WANT(7, 4000),
          { { 1, ACTION_POOL, 500 } },
          0,
          VERDICT_WAIT,
          false },
        { "... and never what answers hold",
          { BUSY(1, 6000, 6000, 6000, .loaded_ms = 99900) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "what is on its way back is waited for",
          { BUSY(1, 6000, 1000, 2000, .pool_asked = 2000) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "an idle model that would have to leave gives its prefixes instead",
          { IDLE(1, 6000, 6000, 0, .prefix_bytes = MIB(6000), .last_end_ms = 99900) },
          WANT(7, 5000),
          { { 1, ACTION_POOL, 500 } },
          0,
          VERDICT_WAIT,
          false },
        { "then precision of what runs, one level where that is enough",
          { BUSY(1, 6000, 6000, 6000, LOWERS) },
          WANT(7, 5000),
          { { 1, ACTION_DOWNSHIFT, KV_Q8_0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... else the next",
          { BUSY(1, 6000, 6000, 6000, LOWERS) },
          WANT(7, 6500),
          { { 1, ACTION_DOWNSHIFT, KV_Q4_0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... of the lower priority first, and of no more than that takes",
          { BUSY(1, 3000, 3000, 3000, LOWERS, .priority = 0), BUSY(2, 3000, 3000, 3000, LOWERS, .priority = -1) },
          WANT(7, 3000),
          { { 2, ACTION_DOWNSHIFT, KV_Q8_0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... before one that could leave has to",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .pool_since_ms = 51000) },
          { .id = 7, .since_ms = 50000, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 1, ACTION_DOWNSHIFT, KV_Q8_0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... after idle ones",
          { BUSY(1, 3000, 3000, 3000, LOWERS), IDLE(2, 3000, 3000, 0, .last_end_ms = 80000, .pool_floor = 3000) },
          WANT(7, 3000),
          { { 0 } },
          2,
          VERDICT_EVICT,
          false },
        { "... not to a level that is not allowed",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .floor = KV_F16, .loaded_ms = 99900) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... not for nothing: all of it would not be enough",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .loaded_ms = 99900) },
          WANT(7, 8500),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... not for who is worth less",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .priority = 1, .loaded_ms = 99900) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... not interactive ones for batch work",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .loaded_ms = 99900) },
          { .id = 7, .batch = true, .since_ms = 99500, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... once: what comes down is waited for",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .lower_told = true, .lower_bytes = { 0, MIB(2800), 0 }) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... by who can",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .lacks = ACTION_BIT(ACTION_DOWNSHIFT), .loaded_ms = 99900) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "... never where they could not do beside each other",
          { BUSY(1, 6000, 6000, 6000, LOWERS, .loaded_ms = 99900, .pool_whole_bytes = MIB(9900)) },
          WANT(7, 5000),
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        { "last, requests that came later wait, where nobody leaves in its turn",
          { BUSY(1, 6000, 6000, 6000, .pinned = true, .pool_since_ms = 51000, .kv_bytes = { MIB(6000) }) },
          { .id = 7, .since_ms = 50000, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 1, ACTION_TURN_OUT, 500 } },
          0,
          VERDICT_WAIT,
          false },
        { "... not those that came before it",
          { BUSY(1, 6000, 6000, 6000, .pinned = true, .pool_since_ms = 49000, .kv_bytes = { MIB(6000) }) },
          { .id = 7, .since_ms = 50000, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 0 } },
          0,
          VERDICT_BLOCKED,
          false },
        { "... and not for batch work",
          { BUSY(1, 6000, 6000, 6000, .pinned = true, .pool_since_ms = 51000, .kv_bytes = { MIB(6000) }) },
          { .id = 7, .batch = true, .since_ms = 50000, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 0 } },
          0,
          VERDICT_BLOCKED,
          false },
        { "... and not before its turn has come",
          { BUSY(1, 6000, 6000, 6000, .loaded_ms = 98000, .pool_since_ms = 99000, .kv_bytes = { MIB(6000) }) },
          { .id = 7, .since_ms = 98500, .forms_count = 1, .forms = { { MIB(5000), MIB(1), 0, 0 } } },
          { { 0 } },
          0,
          VERDICT_WAIT,
          false },
        /* rest */
        { "nobody has asked for a while: what is not used goes",
          { IDLE(1, 6000, 1000, 0, .last_end_ms = 80000) },
          { 0 },
          { { 1, ACTION_POOL, 1000 } },
          0,
          0,
          false },
        { "somebody may be between two questions",
          { IDLE(1, 6000, 1000, 0, .last_end_ms = 95000) },
          { 0 },
          { { 0 } },
          0,
          0,
          false },
        { "less than a step stays", { IDLE(1, 1900, 1000, 0, .last_end_ms = 80000) }, { 0 }, { { 0 } }, 0, 0, false },
};

static uint32_t is_to(const struct action *a) {
        return a->kind == ACTION_DOWNSHIFT ? (uint32_t) a->level : a->value;
}

static void one_row_after_another(void **state) {
        (void) state;
        for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
                static struct snapshot snapshot;
                static struct plan plan;
                struct loads_past past = { 0 };
                const struct row *row = &rows[i];
                snapshot = (struct snapshot){ .now_ms = NOW_MS, .ram_bytes = MIB(20000), .available_bytes = MIB(15000) };
                plan = (struct plan){ .hold_loads = row->hold_loads };
                while (snapshot.models_count < 3 && row->models[snapshot.models_count].id) {
                        snapshot.models[snapshot.models_count] = row->models[snapshot.models_count];
                        snapshot.models_count++;
                }
                if (row->want.id)
                        snapshot.wants[snapshot.wants_count++] = row->want;
                policy_loads(&limits, &snapshot, &past, &plan);
                uint32_t orders = 0;
                while (orders < 3 && row->orders[orders].model)
                        orders++;
                if (plan.actions_count != orders)
                        fail_msg("%s: %u orders, first %s %u to %u", row->what, plan.actions_count,
                                 policy_action_word(plan.actions[0].kind), plan.actions[0].model, plan.actions[0].value);
                for (uint32_t k = 0; k < orders; k++)
                        if (plan.actions[k].model != row->orders[k].model || plan.actions[k].kind != row->orders[k].kind ||
                            is_to(&plan.actions[k]) != row->orders[k].to)
                                fail_msg("%s: %s %u to %u", row->what, policy_action_word(plan.actions[k].kind),
                                         plan.actions[k].model, is_to(&plan.actions[k]));
                if ((plan.unloads_count ? plan.unloads[0].model : 0) != row->unloaded)
                        fail_msg("%s: %u leave", row->what, plan.unloads_count);
                if (row->want.id && plan.loads[0].verdict != row->verdict)
                        fail_msg("%s: %s", row->what, policy_verdict_word(plan.loads[0].verdict));
        }
}

/* What grows needs no place among as many models as there may be: nobody leaves for one. */
static void a_full_house_has_room_to_grow(void **state) {
        (void) state;
        static struct snapshot snapshot;
        static struct plan plan;
        struct loads_past past = { 0 };
        plan = (struct plan){ 0 };
        snapshot = (struct snapshot){
                .now_ms = NOW_MS, .ram_bytes = MIB(20000), .available_bytes = MIB(15000), .models_count = ACCOUNTS_MAX
        };
        for (uint32_t i = 0; i < ACCOUNTS_MAX; i++)
                snapshot.models[i] = (struct model_view){
                        .id = i + 1, .state = ACCOUNT_IDLE, .loaded_ms = 10000, .last_end_ms = 60000, .account_bytes = MIB(10)
                };
        snapshot.models[0] = (struct model_view) BUSY(1, 1000, 900, 1500, .prefix_bytes = 0);
        assert_true(policy_has_room(&limits, &snapshot, MIB(500)));
        policy_loads(&limits, &snapshot, &past, &plan);
        assert_int_equal(plan.unloads_count, 0);
        assert_int_equal(plan.actions_count, 1);
        assert_int_equal(plan.actions[0].value, 2048);
}

/* --- contexts --- */

static void as_large_as_there_is_room_for(void **state) {
        (void) state;
        static const struct {
                const char *what;
                uint32_t least, full, bytes_mib, whole_mib, context;
                enum verdict verdict;
        } contexts[] = {
                { "all that it was trained for", 4096, 4500, 1000, 4500, 4500, VERDICT_ADMIT },
                { "half of what is free, in whole steps", 1024, 40000, 1000, 1524, 4096, VERDICT_ADMIT },
                { "the least, where there is no more", 9000, 40000, 1000, 10000, 9000, VERDICT_ADMIT },
                { "one that is configured", 3000, 3000, 1000, 3500, 3000, VERDICT_ADMIT },
                { "not even the least could ever fit", 9600, 40000, 1000, 10100, 9600, VERDICT_NEVER },
        };
        for (size_t i = 0; i < sizeof(contexts) / sizeof(contexts[0]); i++) {
                static struct snapshot snapshot;
                static struct plan plan;
                struct loads_past past = { 0 };
                plan = (struct plan){ 0 };
                snapshot = (struct snapshot){
                        .now_ms = NOW_MS, .ram_bytes = MIB(20000), .available_bytes = MIB(15000), .wants_count = 1
                };
                snapshot.wants[0] =
                        (struct want){ .id = 7,
                                       .context = contexts[i].least,
                                       .context_full = contexts[i].full,
                                       .forms_count = 1,
                                       .forms = { { MIB(contexts[i].bytes_mib), MIB(1), MIB(contexts[i].whole_mib), MIB(1) } } };
                policy_loads(&limits, &snapshot, &past, &plan);
                if (plan.loads[0].verdict != contexts[i].verdict || plan.loads[0].context != contexts[i].context)
                        fail_msg("%s: %s, %u tokens", contexts[i].what, policy_verdict_word(plan.loads[0].verdict),
                                 plan.loads[0].context);
        }
        struct context_range mad = { UINT32_MAX, UINT32_MAX, UINT64_MAX, 0 };
        assert_int_equal(policy_context(&mad, UINT64_MAX), UINT32_MAX);
        mad = (struct context_range){ 1, UINT32_MAX, 0, 0 };
        assert_int_equal(policy_context(&mad, 0), UINT32_MAX);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
                cmocka_unit_test(a_full_house_has_room_to_grow),
                cmocka_unit_test(as_large_as_there_is_room_for),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
