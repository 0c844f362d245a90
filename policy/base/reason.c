/* reason.c - the one table behind log lines, HTTP answers and the command line. */
#include "policy/base/reason.h"

#include <assert.h>

/* clang-format off */
static const struct reason_info reasons[REASON_COUNT] = {
        [REASON_NONE]                = { "none", "nothing happened", 0, "", 0, -1 },
        [REASON_MODEL_NOT_FOUND]     = { "model_not_found", "there is no model of that name", 404, "invalid_request_error", 0, -1 },
        [REASON_NEVER_FITS]          = { "never_fits", "the model is larger than this box may use for models", 503, "server_error", 120, 0 },
        [REASON_INSUFFICIENT_MEMORY] = { "insufficient_memory", "there is not enough memory for the model now", 503, "server_error", 10, 1 },
        [REASON_LOAD_COOLDOWN]       = { "load_cooldown", "the model's engine ended repeatedly; waiting before the next try", 503, "server_error", 10, 1 },
        [REASON_LOAD_FAILED]         = { "load_failed", "the model could not be loaded", 500, "server_error", 0, 0 },
        [REASON_QUEUE_FULL]          = { "queue_full", "too many requests are waiting", 503, "server_error", 1, 1 },
        [REASON_CONCURRENCY_LIMIT]   = { "concurrency_limit", "too many requests are waiting for this model", 429, "rate_limit_error", 1, 1 },
        [REASON_WAIT_TOO_LONG]       = { "wait_too_long", "the model did not become free in time", 503, "server_error", 5, 1 },
        [REASON_ENGINE_DIED]         = { "engine_died", "the model's engine ended in the middle of the answer", 502, "server_error", 1, 1 },
        [REASON_SHUTTING_DOWN]       = { "shutting_down", "the service is stopping", 503, "server_error", 5, 1 },
        [REASON_UNLOADED]            = { "unloaded", "the operator unloaded the model", 503, "server_error", 5, 1 },
        [REASON_REQUEST]             = { "request", "a request asked for it", 0, "", 0, -1 },
        [REASON_MAKE_ROOM]           = { "make_room", "another model needs its memory", 0, "", 0, -1 },
        [REASON_OVER_BUDGET]         = { "over_budget", "the engines hold more than the budget allows", 0, "", 0, -1 },
        [REASON_IDLE]                = { "idle", "nobody asked for it in a while", 0, "", 0, -1 },
        [REASON_OPERATOR]            = { "operator", "the operator said so", 0, "", 0, -1 },
        [REASON_PRELOAD]             = { "preload", "the configuration says so", 0, "", 0, -1 },
        [REASON_MEMORY_HELD]         = { "memory_held", "memory is running short on this machine; nothing new is begun until there is room", 503, "server_error", 15, 1 },
        [REASON_TOO_HOT]             = { "too_hot", "the machine is too hot for work that can wait", 503, "server_error", 60, 1 },
        [REASON_CONTEXT_LOWERED]     = { "context_lowered", "memory is short, so less context is given at the moment", 503, "server_error", 60, 1 },
        [REASON_FORECAST]            = { "forecast", "at this pace memory will soon be gone", 0, "", 0, -1 },
        [REASON_JUMP]                = { "jump", "a large piece of memory went at once", 0, "", 0, -1 },
        [REASON_RESERVE]             = { "reserve", "the reserve is being used up", 0, "", 0, -1 },
        [REASON_STALL]               = { "stall", "programs wait for memory and dropped pages come back", 0, "", 0, -1 },
        [REASON_THRASH]              = { "thrash", "a model is far below its usual speed while it waits for memory", 0, "", 0, -1 },
        [REASON_LIVELOCK]            = { "livelock", "a memory.high limit above the engine stalls it without end", 0, "", 0, -1 },
        [REASON_CALM]                = { "calm", "there has been room for a while", 0, "", 0, -1 },
        [REASON_FLAPPING]            = { "flapping", "it was changed too often, so it stays as it is", 0, "", 0, -1 },
        [REASON_HEAT]                = { "heat", "it is too close to the critical temperature", 0, "", 0, -1 },
        [REASON_THROTTLED]           = { "throttled", "the processor slows itself down for its heat", 0, "", 0, -1 },
        [REASON_SENSOR_LOST]         = { "sensor_lost", "the temperature cannot be read, so it counts as hot", 0, "", 0, -1 },
};
/* clang-format on */

const struct reason_info *reason_info(enum reason reason) {
        assert(reason < REASON_COUNT);
        return &reasons[reason];
}
