/* words.c - rungs and actions by name, for logs, JSON and scenarios: stable. */
#include "policy/state/past.h"

#include <assert.h>

const char *policy_rung_word(enum rung rung) {
        static const char *const words[RUNG_COUNT] = {
                [RUNG_CALM] = "calm",           [RUNG_TRIM] = "trim",     [RUNG_HOLD] = "hold",       [RUNG_EVICT] = "evict",
                [RUNG_DOWNSHIFT] = "downshift", [RUNG_SHRINK] = "shrink", [RUNG_SUSPEND] = "suspend", [RUNG_LAST] = "last",
        };
        assert(rung < RUNG_COUNT);
        return words[rung];
}

const char *policy_action_word(enum action_kind kind) {
        static const char *const words[ACTION_COUNT] = {
                [ACTION_NONE] = "none",       [ACTION_TRIM] = "trim",
                [ACTION_CHUNK] = "chunk",     [ACTION_DROP_FILES] = "drop_files",
                [ACTION_EVICT] = "evict",     [ACTION_DOWNSHIFT] = "downshift",
                [ACTION_UPSHIFT] = "upshift", [ACTION_CONTEXT] = "context",
                [ACTION_POOL] = "pool",       [ACTION_TURN_OUT] = "turn_out",
                [ACTION_SUSPEND] = "suspend", [ACTION_RESUME] = "resume",
                [ACTION_END] = "end",
        };
        assert(kind < ACTION_COUNT);
        return words[kind];
}

bool policy_action_has_value(enum action_kind kind) {
        return kind == ACTION_CHUNK || kind == ACTION_CONTEXT || kind == ACTION_POOL || kind == ACTION_TURN_OUT;
}
