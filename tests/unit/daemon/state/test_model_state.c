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
        enum model_event_kind events[PATH_MAX_EVENTS];
        uint32_t count;
        enum model_state ends;
        enum model_action action; /* of the last event */
} paths[] = {
        { "asked for: its size is read", { MODEL_EVENT_WANTED }, 1, MODEL_INSPECTING, MODEL_ACTION_NONE },
        { "loaded",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY },
          4,
          MODEL_READY,
          MODEL_ACTION_NONE },
        { "the waiter leaves while its size is read",
          { MODEL_EVENT_WANTED, MODEL_EVENT_UNWANTED },
          2,
          MODEL_ABSENT,
          MODEL_ACTION_NONE },
        { "the waiter leaves while it waits for room",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_UNWANTED },
          3,
          MODEL_ABSENT,
          MODEL_ACTION_NONE },
        { "refused for ever",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_REFUSED },
          3,
          MODEL_ABSENT,
          MODEL_ACTION_NONE },
        { "the file is damaged",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_FAILED },
          4,
          MODEL_STOPPING,
          MODEL_ACTION_AWAIT_EXIT },
        { "it dies while it loads",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_EXITED },
          4,
          MODEL_STOPPING,
          MODEL_ACTION_SETTLE },
        { "loading takes too long",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_END },
          4,
          MODEL_STOPPING,
          MODEL_ACTION_KILL },
        { "a victim stops admitting first",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE },
          5,
          MODEL_DRAINING,
          MODEL_ACTION_NONE },
        { "and goes when its last request has ended",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE,
            MODEL_EVENT_EMPTY },
          6,
          MODEL_STOPPING,
          MODEL_ACTION_SHUT_DOWN },
        { "a request meanwhile does not bring it back",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE,
            MODEL_EVENT_WANTED },
          6,
          MODEL_DRAINING,
          MODEL_ACTION_NONE },
        { "gone, but its memory is not back",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE,
            MODEL_EVENT_EMPTY, MODEL_EVENT_EXITED },
          7,
          MODEL_STOPPING,
          MODEL_ACTION_SETTLE },
        { "and now it is",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE,
            MODEL_EVENT_EMPTY, MODEL_EVENT_EXITED, MODEL_EVENT_FREED },
          8,
          MODEL_ABSENT,
          MODEL_ACTION_FORGET },
        { "it dies in the middle of answers",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_EXITED,
            MODEL_EVENT_FREED },
          6,
          MODEL_ABSENT,
          MODEL_ACTION_FORGET },
        { "it says something impossible",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_END },
          5,
          MODEL_STOPPING,
          MODEL_ACTION_KILL },
        { "it does not stop when asked to",
          { MODEL_EVENT_WANTED, MODEL_EVENT_INSPECTED, MODEL_EVENT_ADMITTED, MODEL_EVENT_READY, MODEL_EVENT_LEAVE,
            MODEL_EVENT_EMPTY, MODEL_EVENT_END },
          7,
          MODEL_STOPPING,
          MODEL_ACTION_KILL },
};

static void lives(void **state) {
        (void) state;
        for (size_t p = 0; p < sizeof(paths) / sizeof(paths[0]); p++) {
                enum model_state now = MODEL_ABSENT;
                struct model_transition step = { 0 };
                for (uint32_t e = 0; e < paths[p].count; e++) {
                        step = model_state_next(now, paths[p].events[e]);
                        if (!step.known)
                                fail_msg("%s: %s cannot happen to one that is %s", paths[p].what,
                                         model_event_name(paths[p].events[e]), model_state_name(now));
                        now = step.next;
                }
                if (now != paths[p].ends || step.action != paths[p].action)
                        fail_msg("%s: ends %s, act %d", paths[p].what, model_state_name(now), step.action);
        }
}

static void what_cannot_happen_is_said_not_guessed(void **state) {
        (void) state;
        assert_false(model_state_next(MODEL_ABSENT, MODEL_EVENT_READY).known);
        assert_false(model_state_next(MODEL_ABSENT, MODEL_EVENT_EXITED).known);
        assert_false(model_state_next(MODEL_READY, MODEL_EVENT_READY).known);
        assert_false(model_state_next(MODEL_READY, MODEL_EVENT_ADMITTED).known);
        assert_false(model_state_next(MODEL_LOADING, MODEL_EVENT_EMPTY).known);
        assert_false(model_state_next(MODEL_WAITING, MODEL_EVENT_EXITED).known);
}

/* From every state with a process, its exit is a possible event, and from everywhere there is a way back to absent. */
static void there_is_always_a_way_out(void **state) {
        (void) state;
        const enum model_state with_process[] = { MODEL_LOADING, MODEL_READY, MODEL_DRAINING, MODEL_STOPPING };
        for (size_t i = 0; i < sizeof(with_process) / sizeof(with_process[0]); i++) {
                assert_true(model_state_next(with_process[i], MODEL_EVENT_EXITED).known);
                assert_int_equal(model_state_next(with_process[i], MODEL_EVENT_EXITED).next, MODEL_STOPPING);
                assert_true(model_state_next(with_process[i], MODEL_EVENT_END).known);
        }
        assert_int_equal(model_state_next(MODEL_STOPPING, MODEL_EVENT_FREED).next, MODEL_ABSENT);
        assert_int_equal(model_state_next(MODEL_INSPECTING, MODEL_EVENT_LEAVE).next, MODEL_ABSENT);
        assert_int_equal(model_state_next(MODEL_WAITING, MODEL_EVENT_LEAVE).next, MODEL_ABSENT);
        for (unsigned now = 0; now < MODEL_COUNT; now++)
                assert_true(strlen(model_state_name((enum model_state) now)) > 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(lives),
                cmocka_unit_test(what_cannot_happen_is_said_not_guessed),
                cmocka_unit_test(there_is_always_a_way_out),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
