/*
 * test_policy_decide.c - what is done about memory, as a row of situations in a played box (policy_world.h).
 *
 * A row tells the box, what others do with its memory, and every act that must follow, in order: "trim:1 evict:2".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/policy_world.h"

/* clang-format off */
#define MODEL(ID, STATE, WEIGHTS, PREFIX, KV, ...) { .id = (ID), .generation = 1, .state = ACCOUNT_##STATE, .obeys = true, .running = ACCOUNT_##STATE == ACCOUNT_BUSY, \
        .last_end_ms = 500000, .load_ms = 2000, .loaded_ms = 1, .weights_bytes = MIB(WEIGHTS), .prefix_bytes = MIB(PREFIX), .kv_bytes = { MIB(KV) }, .floor = KV_LEVEL_Q4_0, \
        .context = 4096, .context_full = 4096, .context_floor = 4096, .chunk = 64, .chunk_full = 64, .usual_rate = 20000, __VA_ARGS__ }
#define BUSY(ID, WEIGHTS, PREFIX, KV, ...) MODEL(ID, BUSY, WEIGHTS, PREFIX, KV, __VA_ARGS__)
#define IDLE(ID, WEIGHTS, PREFIX, ...)     MODEL(ID, IDLE, WEIGHTS, PREFIX, 0, __VA_ARGS__)

static const struct row {
        const char *what;
        uint64_t ram, reserve, free; /* MiB */
        struct world world;
        int64_t per_s;               /* MiB that others take a second ... */
        uint64_t taking_ms;          /* ... for so long */
        uint64_t run_ms;
        const char *acts;
        enum rung highest;
} rows[] = {
        { "nothing happens: nothing is done", 24000, 1024, 4000, { .seen = { .models_count = 1, .models = { BUSY(1, 2000, 100, 200) } } }, 0, 0, 600000, "", RUNG_CALM },
        { "a box that lives at 90 %", 24000, 1000, 3400, { .seen = { .models_count = 2, .models = { BUSY(1, 1000, 100, 200), IDLE(2, 1000, 50) } }, .noise_bytes = MIB(60) }, 0, 0, 3600000, "", RUNG_CALM },
        { "a small box at 90 %", 1024, 64, 300, { .seen = { .models_count = 1, .models = { BUSY(1, 200, 10, 20) } }, .noise_bytes = MIB(4) }, 0, 0, 3600000, "", RUNG_CALM },
        { "breathing in saws: at first it looks like a hog, and costs a trim; ever after it is what this box does", 24000, 1000, 3600, { .seen = { .models_count = 1, .models = { IDLE(1, 1500, 50) } }, .saw_bytes = MIB(400), .saw_ms = 20000 }, 0, 0, 3600000, "trim:1", RUNG_HOLD },
        { "a slow decline that will last for an hour", 24000, 1000, 8000, { .seen = { .models_count = 1, .models = { IDLE(1, 1500, 50) } } }, 1, 600000, 600000, "", RUNG_CALM },
        { "a hog: trim, then evict the idle one, then downshift the busy one", 24000, 1000, 8000, { .seen = { .models_count = 2, .models = { BUSY(1, 1000, 100, 800), IDLE(2, 2000, 0) } } }, 60, 116000, 150000, "trim:1 chunk:1 evict:2 downshift:1 downshift:1", RUNG_DOWNSHIFT },
};
/* clang-format on */

static void one_row_after_another(void **state) {
        (void) state;
        unsigned failed = 0;
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
                const struct row *row = &rows[r];
                struct world w = row->world;
                world_begin(&w, MIB(row->ram), MIB(row->reserve), MIB(row->free));
                world_run(&w, 20000);
                w.foreign_per_s = (int64_t) MIB(1) * row->per_s;
                world_run(&w, row->taking_ms);
                w.foreign_per_s = 0;
                world_run(&w, row->run_ms > row->taking_ms ? row->run_ms - row->taking_ms : 0);
                if (strcmp(w.acts, row->acts) == 0 && w.highest == row->highest)
                        continue;
                failed++;
                print_error("%s: '%s', up to %s, the first after %lld ms, headroom down to %lld MiB\n", row->what, w.acts,
                            policy_rung_word(w.highest), (long long) (w.first_act_ms - 1020001),
                            (long long) (w.least_headroom >> 20));
        }
        assert_int_equal(failed, 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
