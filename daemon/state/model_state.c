/* model_state.c - the table. */
#include "daemon/state/model_state.h"

#include <assert.h>

#define GO(LIFE, ACT) \
        { true, LIFE_##LIFE, LIFE_ACT_##ACT }
#define STAY(LIFE) \
        { true, LIFE_##LIFE, LIFE_ACT_NONE }

/* clang-format off */
static const struct life_step steps[LIFE_COUNT][LIFE_EVENT_COUNT] = {
        [LIFE_ABSENT] = {
                [LIFE_EVENT_WANTED]    = STAY(INSPECTING),        /* the tick finds out its size */
        },
        [LIFE_INSPECTING] = {
                [LIFE_EVENT_WANTED]    = STAY(INSPECTING),
                [LIFE_EVENT_UNWANTED]  = STAY(ABSENT),          /* the answer is kept for the next time */
                [LIFE_EVENT_INSPECTED] = STAY(WAITING),
                [LIFE_EVENT_REFUSED]   = STAY(ABSENT),
                [LIFE_EVENT_LEAVE]     = STAY(ABSENT),
        },
        [LIFE_WAITING] = {
                [LIFE_EVENT_WANTED]    = STAY(WAITING),
                [LIFE_EVENT_UNWANTED]  = STAY(ABSENT),
                [LIFE_EVENT_REFUSED]   = STAY(ABSENT),
                [LIFE_EVENT_ADMITTED]  = GO(LOADING, START),
                [LIFE_EVENT_LEAVE]     = STAY(ABSENT),
        },
        [LIFE_LOADING] = {
                [LIFE_EVENT_WANTED]    = STAY(LOADING),
                [LIFE_EVENT_REFUSED]   = STAY(ABSENT),          /* no process could be started */
                [LIFE_EVENT_READY]     = STAY(READY),
                [LIFE_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [LIFE_EVENT_LEAVE]     = GO(STOPPING, KILL),    /* it may read its file for a minute before it listens */
                [LIFE_EVENT_END]       = GO(STOPPING, KILL),
                [LIFE_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [LIFE_READY] = {
                [LIFE_EVENT_WANTED]    = STAY(READY),
                [LIFE_EVENT_LEAVE]     = STAY(DRAINING),
                [LIFE_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [LIFE_EVENT_END]       = GO(STOPPING, KILL),
                [LIFE_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [LIFE_DRAINING] = {
                [LIFE_EVENT_WANTED]    = STAY(DRAINING),        /* its turn comes again when it is gone */
                [LIFE_EVENT_LEAVE]     = STAY(DRAINING),
                [LIFE_EVENT_EMPTY]     = GO(STOPPING, SHUT_DOWN),
                [LIFE_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [LIFE_EVENT_END]       = GO(STOPPING, KILL),
                [LIFE_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [LIFE_STOPPING] = {
                [LIFE_EVENT_WANTED]    = STAY(STOPPING),
                [LIFE_EVENT_LEAVE]     = STAY(STOPPING),
                [LIFE_EVENT_READY]     = STAY(STOPPING),        /* said before it heard us */
                [LIFE_EVENT_FAILED]    = STAY(STOPPING),
                [LIFE_EVENT_END]       = GO(STOPPING, KILL),
                [LIFE_EVENT_EXITED]    = GO(STOPPING, SETTLE),
                [LIFE_EVENT_FREED]     = GO(ABSENT, FORGET),
        },
};
/* clang-format on */

struct life_step life_next(enum life life, enum life_event event) {
        assert(life < LIFE_COUNT && event < LIFE_EVENT_COUNT);
        return steps[life][event];
}

const char *life_name(enum life life) {
        static const char *const names[LIFE_COUNT] = {
                [LIFE_ABSENT] = "absent",     [LIFE_INSPECTING] = "inspecting", [LIFE_WAITING] = "waiting",
                [LIFE_LOADING] = "loading",   [LIFE_READY] = "ready",           [LIFE_DRAINING] = "draining",
                [LIFE_STOPPING] = "stopping",
        };
        assert(life < LIFE_COUNT);
        return names[life];
}

const char *life_event_name(enum life_event event) {
        static const char *const names[LIFE_EVENT_COUNT] = {
                [LIFE_EVENT_WANTED] = "wanted",   [LIFE_EVENT_UNWANTED] = "unwanted", [LIFE_EVENT_INSPECTED] = "inspected",
                [LIFE_EVENT_REFUSED] = "refused", [LIFE_EVENT_ADMITTED] = "admitted", [LIFE_EVENT_READY] = "ready",
                [LIFE_EVENT_FAILED] = "failed",   [LIFE_EVENT_LEAVE] = "leave",       [LIFE_EVENT_EMPTY] = "empty",
                [LIFE_EVENT_END] = "end",         [LIFE_EVENT_EXITED] = "exited",     [LIFE_EVENT_FREED] = "freed",
        };
        assert(event < LIFE_EVENT_COUNT);
        return names[event];
}
