/* test_policy_victim.c - who leaves for whom. One row is one situation; to report a bug, add the row that shows it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "policy/admission/victim.h"

#define GIB(n) ((uint64_t) (n) << 30)
#define MIB(n) ((uint64_t) (n) << 20)

/* clang-format off */
/* id, GiB, priority, when its last request ended */
#define IDLE(ID, SIZE, PRIORITY, ENDED) { .id = (ID), .state = ACCOUNT_IDLE, .asked = true, .bytes = GIB(SIZE), .weights_bytes = GIB(SIZE), .priority = (PRIORITY), .last_end_ms = (ENDED), .load_ms = 1000 * (SIZE) }
#define BUSY(ID, SIZE, PRIORITY, ENDED) { .id = (ID), .state = ACCOUNT_BUSY, .asked = true, .bytes = GIB(SIZE), .weights_bytes = GIB(SIZE), .priority = (PRIORITY), .last_end_ms = (ENDED), .load_ms = 1000 * (SIZE) }
#define SLOW(ID, SIZE, ENDED, LOAD) { .id = (ID), .state = ACCOUNT_IDLE, .asked = true, .bytes = GIB(SIZE), .weights_bytes = GIB(SIZE), .last_end_ms = (ENDED), .load_ms = (LOAD) }

#define ACCOUNTS 8

static const struct row {
        const char *what;
        struct account accounts[ACCOUNTS];
        uint32_t count;
        struct shortage shortage;
        bool suffices;
        uint32_t leave[ACCOUNTS];
        uint32_t leave_count;
} rows[] = {
        { "nothing is missing: nobody leaves", { IDLE(1, 4, 0, 10) }, 1, { 0, 0 }, true, { 0 }, 0 },
        { "one byte is missing: one leaves", { IDLE(1, 4, 0, 10) }, 1, { 1, 0 }, true, { 1 }, 1 },
        { "exactly its bytes are missing", { IDLE(1, 4, 0, 10) }, 1, { GIB(4), 0 }, true, { 1 }, 1 },
        { "one byte more than all have: nobody leaves in vain", { IDLE(1, 4, 0, 10), IDLE(2, 2, 0, 20) }, 2, { GIB(6) + 1, 0 }, false, { 0 }, 0 },
        { "there is nobody", { { 0 } }, 0, { 1, 0 }, false, { 0 }, 0 },
        { "of equals, the least recently finished", { IDLE(1, 4, 0, 30), IDLE(2, 4, 0, 10), IDLE(3, 4, 0, 20) }, 3, { GIB(1), 0 }, true, { 2 }, 1 },
        { "of equals that finished together, the lowest id", { IDLE(3, 4, 0, 10), IDLE(1, 4, 0, 10), IDLE(2, 4, 0, 10) }, 3, { GIB(1), 0 }, true, { 1 }, 1 },
        { "one that suffices is taken before two that also would", { IDLE(1, 2, 0, 10), IDLE(2, 2, 0, 20), IDLE(3, 4, 0, 30) }, 3, { GIB(4), 0 }, true, { 3 }, 1 },
        { "two are taken where no one suffices", { IDLE(1, 2, 0, 10), IDLE(2, 2, 0, 20), IDLE(3, 2, 0, 30) }, 3, { GIB(4), 0 }, true, { 1, 2 }, 2 },
        { "the most recent is spared, though it and the oldest would do", { IDLE(1, 1, 0, 10), IDLE(2, 2, 0, 20), IDLE(3, 2, 0, 30), IDLE(4, 3, 0, 40) }, 4, { GIB(4), 0 }, true, { 2, 3 }, 2 },
        { "lower priority leaves first, however recent", { IDLE(1, 4, 5, 10), IDLE(2, 4, -5, 99) }, 2, { GIB(1), 0 }, true, { 2 }, 1 },
        { "two of low priority leave before one of high", { IDLE(1, 4, 5, 10), IDLE(2, 2, 0, 20), IDLE(3, 2, 0, 30) }, 3, { GIB(4), 0 }, true, { 2, 3 }, 2 },
        { "one of high priority alone, where the low one is not needed", { IDLE(1, 8, 5, 10), IDLE(2, 1, 0, 20) }, 2, { GIB(8), 0 }, true, { 1 }, 1 },
        { "idle before busy, however low the busy one's priority", { BUSY(1, 4, -9, 10), IDLE(2, 4, 9, 99) }, 2, { GIB(4), 0 }, true, { 2 }, 1 },
        { "a busy one only where the idle ones do not suffice", { BUSY(1, 4, 0, 10), IDLE(2, 2, 0, 20) }, 2, { GIB(4), 0 }, true, { 1 }, 1 },
        { "cheaper to load again per byte leaves first", { SLOW(1, 4, 10, 400000), SLOW(2, 4, 20, 1000) }, 2, { GIB(1), 0 }, true, { 2 }, 1 },
        { "nearly the same load time does not outweigh who was used last", { SLOW(1, 4, 10, 5100), SLOW(2, 4, 20, 4900) }, 2, { GIB(1), 0 }, true, { 1 }, 1 },
        { "weights are missing: size alone does not count",
          { { .id = 1, .bytes = GIB(9), .weights_bytes = GIB(1), .last_end_ms = 10 }, { .id = 2, .bytes = GIB(9), .weights_bytes = GIB(4), .last_end_ms = 20 } },
          2, { 1, GIB(3) }, true, { 2 }, 1 },
        { "both are missing, and two cover them together",
          { { .id = 1, .bytes = GIB(8), .weights_bytes = GIB(1), .last_end_ms = 10 }, { .id = 2, .bytes = GIB(4), .weights_bytes = GIB(4), .last_end_ms = 20 } },
          2, { GIB(9), GIB(4) }, true, { 1, 2 }, 2 },
        { "sizes at the end of the scale do not wrap",
          { { .id = 1, .bytes = UINT64_MAX, .weights_bytes = UINT64_MAX }, { .id = 2, .bytes = UINT64_MAX, .weights_bytes = 0, .last_end_ms = 5 } },
          2, { UINT64_MAX, 1 }, true, { 1 }, 1 },
};
/* clang-format on */

static void one_row_after_another(void **state) {
        (void) state;
        for (size_t r = 0; r < sizeof(rows) / sizeof(rows[0]); r++) {
                const struct row *row = &rows[r];
                const struct account *candidates[ACCOUNTS];
                for (uint32_t i = 0; i < row->count; i++)
                        candidates[i] = &row->accounts[i];
                bool suffices;
                struct victims v = policy_victims(candidates, row->count, row->shortage, &suffices);
                bool good = suffices == row->suffices && v.count == row->leave_count;
                for (uint32_t i = 0; good && i < v.count; i++)
                        good = v.leave[i]->id == row->leave[i];
                if (!good)
                        fail_msg("%s: %u leave, the first is %u", row->what, v.count, v.count > 0 ? v.leave[0]->id : 0);
        }
}

/* For any accounts: those taken suffice, none of them could have been spared, and the order of the input does not matter. */
static void always_enough_and_never_too_many(void **state) {
        (void) state;
        uint32_t seed = 1;
        for (int round = 0; round < 3000; round++) {
                struct account accounts[40];
                const struct account *forward[40], *backward[40];
                uint32_t count = 1 + (seed = seed * 1664525 + 1013904223) % 40;
                uint64_t sum = 0;
                for (uint32_t i = 0; i < count; i++) {
                        uint32_t dice = (seed = seed * 1664525 + 1013904223) >> 8;
                        accounts[i] = (struct account){ .id = i,
                                                        .state = dice % 5 ? ACCOUNT_IDLE : ACCOUNT_BUSY,
                                                        .priority = (int) (dice / 5 % 3),
                                                        .bytes = MIB(1 + dice / 16 % 4000),
                                                        .last_end_ms = dice / 7 % 50,
                                                        .load_ms = dice % 9000 };
                        sum += accounts[i].bytes;
                        forward[i] = backward[count - 1 - i] = &accounts[i];
                }
                struct shortage s = { sum * ((seed = seed * 1664525 + 1013904223) >> 16 & 127) / 120, 0 };
                bool suffices, suffices_too;
                struct victims v = policy_victims(forward, count, s, &suffices),
                               w = policy_victims(backward, count, s, &suffices_too);
                assert_int_equal(suffices, suffices_too);
                assert_int_equal(suffices, s.bytes <= sum);
                assert_int_equal(v.count, w.count);
                uint64_t freed = 0, smallest = UINT64_MAX;
                for (uint32_t i = 0; i < v.count; i++) {
                        assert_ptr_equal(v.leave[i], w.leave[i]);
                        freed += v.leave[i]->bytes;
                        smallest = v.leave[i]->bytes < smallest ? v.leave[i]->bytes : smallest;
                }
                assert_true(!suffices || freed >= s.bytes);
                assert_true(v.count == 0 || freed - smallest < s.bytes);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(one_row_after_another),
                cmocka_unit_test(always_enough_and_never_too_many),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
