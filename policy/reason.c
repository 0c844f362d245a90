/* reason.c - the one table behind log lines, HTTP answers and the command line. */
#include "policy/reason.h"

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
};
/* clang-format on */

const struct reason_info *reason_info(enum reason reason) {
        assert(reason < REASON_COUNT);
        return &reasons[reason];
}
