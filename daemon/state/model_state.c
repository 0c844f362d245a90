/* model_state.c - the table. */
#include "daemon/state/model_state.h"

#include <assert.h>

#define GO(STATE, ACTION) \
        { true, MODEL_##STATE, MODEL_ACTION_##ACTION }
#define STAY(STATE) \
        { true, MODEL_##STATE, MODEL_ACTION_NONE }

/* clang-format off */
static const struct model_transition steps[MODEL_COUNT][MODEL_EVENT_COUNT] = {
        [MODEL_ABSENT] = {
                [MODEL_EVENT_WANTED]    = STAY(INSPECTING),        /* the tick finds out its size */
        },
        [MODEL_INSPECTING] = {
                [MODEL_EVENT_WANTED]    = STAY(INSPECTING),
                [MODEL_EVENT_UNWANTED]  = STAY(ABSENT),          /* the answer is kept for the next time */
                [MODEL_EVENT_INSPECTED] = STAY(WAITING),
                [MODEL_EVENT_REFUSED]   = STAY(ABSENT),
                [MODEL_EVENT_LEAVE]     = STAY(ABSENT),
        },
        [MODEL_WAITING] = {
                [MODEL_EVENT_WANTED]    = STAY(WAITING),
                [MODEL_EVENT_UNWANTED]  = STAY(ABSENT),
                [MODEL_EVENT_REFUSED]   = STAY(ABSENT),
                [MODEL_EVENT_ADMITTED]  = GO(LOADING, START),
                [MODEL_EVENT_LEAVE]     = STAY(ABSENT),
        },
        [MODEL_LOADING] = {
                [MODEL_EVENT_WANTED]    = STAY(LOADING),
                [MODEL_EVENT_REFUSED]   = STAY(ABSENT),          /* no process could be started */
                [MODEL_EVENT_READY]     = STAY(READY),
                [MODEL_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [MODEL_EVENT_LEAVE]     = GO(STOPPING, KILL),    /* an engine may read its file for a minute before it listens */
                [MODEL_EVENT_END]       = GO(STOPPING, KILL),
                [MODEL_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [MODEL_READY] = {
                [MODEL_EVENT_WANTED]    = STAY(READY),
                [MODEL_EVENT_LEAVE]     = STAY(DRAINING),
                [MODEL_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [MODEL_EVENT_END]       = GO(STOPPING, KILL),
                [MODEL_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [MODEL_DRAINING] = {
                [MODEL_EVENT_WANTED]    = STAY(DRAINING),        /* the turn of the model comes again when it is gone */
                [MODEL_EVENT_LEAVE]     = STAY(DRAINING),
                [MODEL_EVENT_EMPTY]     = GO(STOPPING, SHUT_DOWN),
                [MODEL_EVENT_FAILED]    = GO(STOPPING, AWAIT_EXIT),
                [MODEL_EVENT_END]       = GO(STOPPING, KILL),
                [MODEL_EVENT_EXITED]    = GO(STOPPING, SETTLE),
        },
        [MODEL_STOPPING] = {
                [MODEL_EVENT_WANTED]    = STAY(STOPPING),
                [MODEL_EVENT_LEAVE]     = STAY(STOPPING),
                [MODEL_EVENT_READY]     = STAY(STOPPING),        /* said before it heard us */
                [MODEL_EVENT_FAILED]    = STAY(STOPPING),
                [MODEL_EVENT_END]       = GO(STOPPING, KILL),
                [MODEL_EVENT_EXITED]    = GO(STOPPING, SETTLE),
                [MODEL_EVENT_FREED]     = GO(ABSENT, FORGET),
        },
};
/* clang-format on */

struct model_transition model_state_next(enum model_state state, enum model_event_kind event) {
        assert(state < MODEL_COUNT && event < MODEL_EVENT_COUNT);
        return steps[state][event];
}

const char *model_state_name(enum model_state state) {
        static const char *const names[MODEL_COUNT] = {
                [MODEL_ABSENT] = "absent",     [MODEL_INSPECTING] = "inspecting", [MODEL_WAITING] = "waiting",
                [MODEL_LOADING] = "loading",   [MODEL_READY] = "ready",           [MODEL_DRAINING] = "draining",
                [MODEL_STOPPING] = "stopping",
        };
        assert(state < MODEL_COUNT);
        return names[state];
}

const char *model_event_name(enum model_event_kind event) {
        static const char *const names[MODEL_EVENT_COUNT] = {
                [MODEL_EVENT_WANTED] = "wanted",   [MODEL_EVENT_UNWANTED] = "unwanted", [MODEL_EVENT_INSPECTED] = "inspected",
                [MODEL_EVENT_REFUSED] = "refused", [MODEL_EVENT_ADMITTED] = "admitted", [MODEL_EVENT_READY] = "ready",
                [MODEL_EVENT_FAILED] = "failed",   [MODEL_EVENT_LEAVE] = "leave",       [MODEL_EVENT_EMPTY] = "empty",
                [MODEL_EVENT_END] = "end",         [MODEL_EVENT_EXITED] = "exited",     [MODEL_EVENT_FREED] = "freed",
        };
        assert(event < MODEL_EVENT_COUNT);
        return names[event];
}
