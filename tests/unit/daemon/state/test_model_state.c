/* test_model_state.c - what may happen to a model, and what follows. Whatever happens, it can always become absent again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "daemon/state/model_state.h"

#define PATH_MAX_EVENTS 8

static const struct row {
        const char *what;
        enum life_event events[PATH_MAX_EVENTS];
        uint32_t count;
        enum life ends;
        enum life_act act; /* of the last event */
} paths[] = {
        { "asked for: its size is read", { LIFE_EVENT_WANTED }, 1, LIFE_INSPECTING, LIFE_ACT_NONE },
        { "loaded",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY },
          4,
          LIFE_READY,
          LIFE_ACT_NONE },
        { "the waiter leaves while its size is read", { LIFE_EVENT_WANTED, LIFE_EVENT_UNWANTED }, 2, LIFE_ABSENT, LIFE_ACT_NONE },
        { "the waiter leaves while it waits for room",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_UNWANTED },
          3,
          LIFE_ABSENT,
          LIFE_ACT_NONE },
        { "refused for ever", { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_REFUSED }, 3, LIFE_ABSENT, LIFE_ACT_NONE },
        { "the file is damaged",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_FAILED },
          4,
          LIFE_STOPPING,
          LIFE_ACT_AWAIT_EXIT },
        { "it dies while it loads",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_EXITED },
          4,
          LIFE_STOPPING,
          LIFE_ACT_SETTLE },
        { "loading takes too long",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_END },
          4,
          LIFE_STOPPING,
          LIFE_ACT_KILL },
        { "a victim stops admitting first",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE },
          5,
          LIFE_DRAINING,
          LIFE_ACT_NONE },
        { "and goes when its last request has ended",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE, LIFE_EVENT_EMPTY },
          6,
          LIFE_STOPPING,
          LIFE_ACT_SHUT_DOWN },
        { "a request meanwhile does not bring it back",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE, LIFE_EVENT_WANTED },
          6,
          LIFE_DRAINING,
          LIFE_ACT_NONE },
        { "gone, but its memory is not back",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE, LIFE_EVENT_EMPTY,
            LIFE_EVENT_EXITED },
          7,
          LIFE_STOPPING,
          LIFE_ACT_SETTLE },
        { "and now it is",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE, LIFE_EVENT_EMPTY,
            LIFE_EVENT_EXITED, LIFE_EVENT_FREED },
          8,
          LIFE_ABSENT,
          LIFE_ACT_FORGET },
        { "it dies in the middle of answers",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_EXITED, LIFE_EVENT_FREED },
          6,
          LIFE_ABSENT,
          LIFE_ACT_FORGET },
        { "it says something impossible",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_END },
          5,
          LIFE_STOPPING,
          LIFE_ACT_KILL },
        { "it does not stop when asked to",
          { LIFE_EVENT_WANTED, LIFE_EVENT_INSPECTED, LIFE_EVENT_ADMITTED, LIFE_EVENT_READY, LIFE_EVENT_LEAVE, LIFE_EVENT_EMPTY,
            LIFE_EVENT_END },
          7,
          LIFE_STOPPING,
          LIFE_ACT_KILL },
};

static void lives(void **state) {
        (void) state;
        for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
                enum life life = LIFE_ABSENT;
                struct life_step step = { 0 };
                for (uint32_t e = 0; e < paths[p].count; e++) {
                        step = life_next(life, paths[p].events[e]);
                        if (!step.known)
                                fail_msg("%s: %s cannot happen to one that is %s", paths[p].what,
                                         life_event_name(paths[p].events[e]), life_name(life));
                        life = step.next;
                }
                if (life != paths[p].ends || step.act != paths[p].act)
                        fail_msg("%s: ends %s, act %d", paths[p].what, life_name(life), step.act);
        }
}

static void what_cannot_happen_is_said_not_guessed(void **state) {
        (void) state;
        assert_false(life_next(LIFE_ABSENT, LIFE_EVENT_READY).known);
        assert_false(life_next(LIFE_ABSENT, LIFE_EVENT_EXITED).known);
        assert_false(life_next(LIFE_READY, LIFE_EVENT_READY).known);
        assert_false(life_next(LIFE_READY, LIFE_EVENT_ADMITTED).known);
        assert_false(life_next(LIFE_LOADING, LIFE_EVENT_EMPTY).known);
        assert_false(life_next(LIFE_WAITING, LIFE_EVENT_EXITED).known);
}

/* From every state with a process, its exit is a possible event, and from everywhere there is a way back to absent. */
static void there_is_always_a_way_out(void **state) {
        (void) state;
        const enum life with_process[] = { LIFE_LOADING, LIFE_READY, LIFE_DRAINING, LIFE_STOPPING };
        for (size_t i = 0; i < sizeof(with_process) / sizeof(with_process[0]); i++) {
                assert_true(life_next(with_process[i], LIFE_EVENT_EXITED).known);
                assert_int_equal(life_next(with_process[i], LIFE_EVENT_EXITED).next, LIFE_STOPPING);
                assert_true(life_next(with_process[i], LIFE_EVENT_END).known);
        }
        assert_int_equal(life_next(LIFE_STOPPING, LIFE_EVENT_FREED).next, LIFE_ABSENT);
        assert_int_equal(life_next(LIFE_INSPECTING, LIFE_EVENT_LEAVE).next, LIFE_ABSENT);
        assert_int_equal(life_next(LIFE_WAITING, LIFE_EVENT_LEAVE).next, LIFE_ABSENT);
        for (unsigned life = 0; life < LIFE_COUNT; life++)
                assert_true(strlen(life_name((enum life) life)) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lives),
                cmocka_unit_test(what_cannot_happen_is_said_not_guessed),
                cmocka_unit_test(there_is_always_a_way_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
