/* words.c - rungs and acts by name, for logs, JSON and scenarios: stable. */
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

const char *policy_act_word(enum act_kind kind) {
        static const char *const words[ACT_COUNT] = {
                [ACT_NONE] = "none",       [ACT_TRIM] = "trim",
                [ACT_CHUNK] = "chunk",     [ACT_DROP_FILES] = "drop_files",
                [ACT_EVICT] = "evict",     [ACT_DOWNSHIFT] = "downshift",
                [ACT_UPSHIFT] = "upshift", [ACT_CONTEXT] = "context",
                [ACT_SUSPEND] = "suspend", [ACT_RESUME] = "resume",
                [ACT_END] = "end",
        };
        assert(kind < ACT_COUNT);
        return words[kind];
}
