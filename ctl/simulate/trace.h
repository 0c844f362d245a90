/*
 * trace.h - the data of a replay for its plot: a few numbers per look, and the changes. All of it in growing arrays.
 */
#ifndef HEADROOM_CTL_SIMULATE_TRACE_H
#define HEADROOM_CTL_SIMULATE_TRACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "ctl/base/bounds.h"
#include "policy/policy.h"

struct trace_look {
        uint64_t time_ms, exhaustion_ms; /* UINT64_MAX: never */
        int64_t headroom_bytes;
        int32_t millidegrees, critical_millidegrees; /* INT32_MAX: no sensor */
        uint16_t duty_permille;
        uint8_t rung, heat_level;
};

/* From this time on. */
struct trace_level {
        uint64_t time_ms;
        uint32_t model;
        bool gone;
        enum kv_type level;
};

struct trace_action {
        uint64_t time_ms;
        uint32_t model;
        enum action_kind kind;
};

struct trace {
        struct trace_look *looks;
        size_t looks_count, looks_room;
        struct trace_level *levels;
        size_t levels_count, levels_room;
        struct trace_action *actions; /* the first TRACE_ACTIONS_MAX */
        size_t actions_count, actions_room, actions_left_out;
        uint64_t reserve_bytes, margin_target_millidegrees;
        /* Models of the last look. */
        uint32_t known_count;
        struct {
                uint32_t id;
                enum kv_type level;
        } known[ACCOUNTS_MAX];
};

/* T is all zero at first; release with trace_done. */
void trace_add(struct trace *t, const struct limits *limits, const struct snapshot *snapshot, const struct plan *plan);
void trace_done(struct trace *t);

#endif
