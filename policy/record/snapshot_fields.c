/*
 * snapshot_fields.c - the tables by which a snapshot is written and read again: member, kind, name.
 *
 * A name is the member's without its unit: the value carries one ("4GiB", "250ms"). Where the value carries none, the
 * name does ("stall_us", "margin_target_millidegrees").
 */
#include "policy/record/snapshot_fields.h"

#include <assert.h>
#include <string.h>

#define FIELD(structure, kind, member, name) \
        { name, kind, offsetof(struct structure, member) }
#define END \
        { NULL, FIELD_BYTES, 0 }

const struct field policy_limits_fields[] = {
        FIELD(limits, FIELD_BYTES, reserve_bytes, "reserve"),
        FIELD(limits, FIELD_MS, min_residency_ms, "min_residency"),
        FIELD(limits, FIELD_MS, turn_ms, "turn"),
        FIELD(limits, FIELD_COUNT_U32, batch_from_minute, "batch_from_minute"),
        FIELD(limits, FIELD_COUNT_U32, batch_until_minute, "batch_until_minute"),
        FIELD(limits, FIELD_MS, wait_ms, "wait"),
        FIELD(limits, FIELD_BYTES, budget_bytes, "budget"),
        FIELD(limits, FIELD_COUNT_U32, weights_permille, "weights_permille"),
        FIELD(limits, FIELD_BOOL, passive, "passive"),
        FIELD(limits, FIELD_BOOL, heat_ignored, "heat_ignored"),
        FIELD(limits, FIELD_COUNT_U32, margin_target_millidegrees, "margin_target_millidegrees"),
        FIELD(limits, FIELD_COUNT_U32, critical_default_millidegrees, "critical_default_millidegrees"),
        END,
};

const struct field policy_snapshot_fields[] = {
        FIELD(snapshot, FIELD_BYTES, ram_bytes, "ram"),
        FIELD(snapshot, FIELD_BYTES, available_bytes, "available"),
        FIELD(snapshot, FIELD_BYTES, loading_bytes, "loading"),
        FIELD(snapshot, FIELD_BYTES, idle_file_bytes, "idle_file"),
        FIELD(snapshot, FIELD_BYTES, swap_total_bytes, "swap_total"),
        FIELD(snapshot, FIELD_BYTES, swap_free_bytes, "swap_free"),
        FIELD(snapshot, FIELD_BYTES, zram_bytes, "zram"),
        FIELD(snapshot, FIELD_COUNT_U64, swapins, "swapins"),
        FIELD(snapshot, FIELD_COUNT_U64, swapouts, "swapouts"),
        FIELD(snapshot, FIELD_COUNT_U64, refaults, "refaults"),
        FIELD(snapshot, FIELD_COUNT_U64, stall_us, "stall_us"),
        FIELD(snapshot, FIELD_COUNT_U64, own_stall_us, "own_stall_us"),
        FIELD(snapshot, FIELD_BOOL, memory_blind, "memory_blind"),
        FIELD(snapshot, FIELD_BOOL, pressure_event, "pressure_event"),
        FIELD(snapshot, FIELD_BOOL, for_loads, "for_loads"),
        FIELD(snapshot, FIELD_COUNT_U32, day_minute, "day_minute"),
        FIELD(snapshot, FIELD_COUNT_U64, throttles, "throttles"),
        FIELD(snapshot, FIELD_COUNT_U64, load_permille, "load_permille"),
        END,
};

const struct field policy_model_fields[] = {
        FIELD(model_view, FIELD_COUNT_U32, generation, "generation"),
        FIELD(model_view, FIELD_STATE, state, "state"),
        FIELD(model_view, FIELD_BOOL, pinned, "pinned"),
        FIELD(model_view, FIELD_BOOL, batch, "batch"),
        FIELD(model_view, FIELD_BOOL, obeys, "obeys"),
        FIELD(model_view, FIELD_ACTIONS, lacks, "lacks"),
        FIELD(model_view, FIELD_INT, priority, "priority"),
        FIELD(model_view, FIELD_COUNT_U32, running, "running"),
        FIELD(model_view, FIELD_COUNT_U32, waiting, "waiting"),
        FIELD(model_view, FIELD_MS, loaded_ms, "loaded"),
        FIELD(model_view, FIELD_MS, last_end_ms, "last_end"),
        FIELD(model_view, FIELD_MS, load_ms, "load"),
        FIELD(model_view, FIELD_MS, service_ms, "service"),
        FIELD(model_view, FIELD_MS, protected_until_ms, "protected_until"),
        FIELD(model_view, FIELD_BYTES, bytes, "bytes"),
        FIELD(model_view, FIELD_BYTES, account_bytes, "account"),
        FIELD(model_view, FIELD_BYTES, account_weights_bytes, "account_weights"),
        FIELD(model_view, FIELD_BYTES, taken_bytes, "taken"),
        FIELD(model_view, FIELD_BYTES, upshift_bytes, "upshift"),
        FIELD(model_view, FIELD_BYTES, lower_bytes[KV_F16], "lower_f16"),
        FIELD(model_view, FIELD_BYTES, lower_bytes[KV_Q8_0], "lower_q8_0"),
        FIELD(model_view, FIELD_BYTES, lower_bytes[KV_Q4_0], "lower_q4_0"),
        FIELD(model_view, FIELD_BOOL, lower_told, "lower_told"),
        FIELD(model_view, FIELD_BYTES, weights_bytes, "weights"),
        FIELD(model_view, FIELD_BYTES, weights_resident_bytes, "weights_resident"),
        FIELD(model_view, FIELD_BYTES, prefix_bytes, "prefix"),
        FIELD(model_view, FIELD_BYTES, kv_bytes[KV_F16], "kv_f16"),
        FIELD(model_view, FIELD_BYTES, kv_bytes[KV_Q8_0], "kv_q8_0"),
        FIELD(model_view, FIELD_BYTES, kv_bytes[KV_Q4_0], "kv_q4_0"),
        FIELD(model_view, FIELD_LEVEL, level, "level"),
        FIELD(model_view, FIELD_LEVEL, floor, "floor"),
        FIELD(model_view, FIELD_LEVEL, ceiling, "ceiling"),
        FIELD(model_view, FIELD_COUNT_U32, context, "context"),
        FIELD(model_view, FIELD_COUNT_U32, context_full, "context_full"),
        FIELD(model_view, FIELD_COUNT_U32, context_floor, "context_floor"),
        FIELD(model_view, FIELD_COUNT_U32, chunk, "chunk"),
        FIELD(model_view, FIELD_COUNT_U32, chunk_full, "chunk_full"),
        FIELD(model_view, FIELD_COUNT_U32, pool, "pool"),
        FIELD(model_view, FIELD_COUNT_U32, pool_asked, "pool_asked"),
        FIELD(model_view, FIELD_COUNT_U32, pool_floor, "pool_floor"),
        FIELD(model_view, FIELD_COUNT_U32, pool_full, "pool_full"),
        FIELD(model_view, FIELD_COUNT_U32, pool_held, "pool_held"),
        FIELD(model_view, FIELD_COUNT_U32, pool_needed, "pool_needed"),
        FIELD(model_view, FIELD_COUNT_U32, pool_wanted, "pool_wanted"),
        FIELD(model_view, FIELD_BOOL, pool_told, "pool_told"),
        FIELD(model_view, FIELD_BYTES, pool_token_bytes, "pool_token"),
        FIELD(model_view, FIELD_BYTES, pool_whole_bytes, "pool_whole"),
        FIELD(model_view, FIELD_MS, pool_since_ms, "pool_since"),
        FIELD(model_view, FIELD_BYTES, suspendable_bytes, "suspendable"),
        FIELD(model_view, FIELD_COUNT_U32, suspended, "suspended"),
        FIELD(model_view, FIELD_BYTES, suspended_bytes, "suspended_need"),
        FIELD(model_view, FIELD_COUNT_U32, rate, "rate"),
        FIELD(model_view, FIELD_COUNT_U32, usual_rate, "usual_rate"),
        FIELD(model_view, FIELD_COUNT_U64, stall_us, "stall_us"),
        FIELD(model_view, FIELD_COUNT_U64, refaults, "refaults"),
        FIELD(model_view, FIELD_COUNT_U64, swapins, "swapins"),
        FIELD(model_view, FIELD_COUNT_U64, high_events, "high_events"),
        FIELD(model_view, FIELD_COUNT_U64, oom_kills, "oom_kills"),
        END,
};

const struct field policy_want_fields[] = {
        FIELD(want, FIELD_BOOL, batch, "batch"),
        FIELD(want, FIELD_INT, priority, "priority"),
        FIELD(want, FIELD_MS, since_ms, "since"),
        FIELD(want, FIELD_MS, load_ms, "load"),
        FIELD(want, FIELD_COUNT_U32, context, "context"),
        FIELD(want, FIELD_COUNT_U32, context_full, "context_full"),
        FIELD(want, FIELD_COUNT_U32, forms_count, "forms"),
        FIELD(want, FIELD_BYTES, forms[0].bytes, "bytes"),
        FIELD(want, FIELD_BYTES, forms[0].weights_bytes, "weights"),
        FIELD(want, FIELD_BYTES, forms[0].whole_bytes, "whole"),
        FIELD(want, FIELD_BYTES, forms[0].token_bytes, "token"),
        FIELD(want, FIELD_BYTES, forms[1].bytes, "bytes_1"),
        FIELD(want, FIELD_BYTES, forms[1].weights_bytes, "weights_1"),
        FIELD(want, FIELD_BYTES, forms[1].whole_bytes, "whole_1"),
        FIELD(want, FIELD_BYTES, forms[1].token_bytes, "token_1"),
        FIELD(want, FIELD_BYTES, forms[2].bytes, "bytes_2"),
        FIELD(want, FIELD_BYTES, forms[2].weights_bytes, "weights_2"),
        FIELD(want, FIELD_BYTES, forms[2].whole_bytes, "whole_2"),
        FIELD(want, FIELD_BYTES, forms[2].token_bytes, "token_2"),
        FIELD(want, FIELD_BYTES, forms[3].bytes, "bytes_3"),
        FIELD(want, FIELD_BYTES, forms[3].weights_bytes, "weights_3"),
        FIELD(want, FIELD_BYTES, forms[3].whole_bytes, "whole_3"),
        FIELD(want, FIELD_BYTES, forms[3].token_bytes, "token_3"),
        END,
};
static_assert(FORMS_MAX == 4, "policy_want_fields has a row for each form");

const struct field policy_sensor_fields[] = {
        FIELD(sensor_view, FIELD_SENSOR, state, "state"),
        FIELD(sensor_view, FIELD_BOOL, control, "control"),
        FIELD(sensor_view, FIELD_BOOL, trusted, "trusted"),
        FIELD(sensor_view, FIELD_SIGNED_I32, millidegrees, "millidegrees"),
        FIELD(sensor_view, FIELD_SIGNED_I32, critical_millidegrees, "critical_millidegrees"),
        END,
};

static_assert(sizeof(enum kv_type) == 4 && sizeof(enum account_state) == 4 && sizeof(enum sensor_state) == 4 && sizeof(int) == 4,
              "policy_field_size takes every word and int for four bytes");

static const char *const states[] = { [ACCOUNT_IDLE] = "idle",
                                      [ACCOUNT_BUSY] = "busy",
                                      [ACCOUNT_LOADING] = "loading",
                                      [ACCOUNT_DRAINING] = "draining",
                                      [ACCOUNT_STOPPING] = "stopping" };
static const char *const sensors[] = {
        [SENSOR_READ] = "read", [SENSOR_OLD] = "old", [SENSOR_MISSED] = "missed", [SENSOR_ASLEEP] = "asleep"
};

#define COUNT(array) ((uint32_t) (sizeof(array) / sizeof((array)[0])))

const char *policy_field_word(enum field_kind kind, uint32_t value) {
        switch (kind) {
        case FIELD_LEVEL: return value < KV_TYPE_COUNT ? kv_type_name((enum kv_type) value) : NULL;
        case FIELD_STATE: return value < COUNT(states) ? states[value] : NULL;
        case FIELD_SENSOR: return value < COUNT(sensors) ? sensors[value] : NULL;
        default: return NULL;
        }
}

size_t policy_field_size(enum field_kind kind) {
        switch (kind) {
        case FIELD_BYTES:
        case FIELD_COUNT_U64:
        case FIELD_MS: return 8;
        case FIELD_BOOL: return sizeof(bool);
        default: return 4;
        }
}

int64_t policy_field_get(const struct field *f, const void *object) {
        const char *member = (const char *) object + f->offset;
        uint64_t wide;
        uint32_t narrow;
        int32_t whole;
        bool yes;
        switch (f->kind) {
        case FIELD_BYTES:
        case FIELD_COUNT_U64:
        case FIELD_MS: memcpy(&wide, member, sizeof(wide)); return wide > INT64_MAX ? INT64_MAX : (int64_t) wide;
        case FIELD_SIGNED_I32:
        case FIELD_INT: memcpy(&whole, member, sizeof(whole)); return whole;
        case FIELD_BOOL: memcpy(&yes, member, sizeof(yes)); return yes;
        default: memcpy(&narrow, member, sizeof(narrow)); return narrow;
        }
}

/* Whether VALUE is one of the kind. */
static bool fits(enum field_kind kind, int64_t value) {
        switch (kind) {
        case FIELD_SIGNED_I32:
        case FIELD_INT: return value >= INT32_MIN && value <= INT32_MAX;
        case FIELD_BOOL: return value == 0 || value == 1;
        case FIELD_COUNT_U32: return value >= 0 && value <= UINT32_MAX;
        case FIELD_ACTIONS: return value >= 0 && (value & ~(int64_t) FIELD_ACTIONS_ALL) == 0;
        case FIELD_LEVEL:
        case FIELD_STATE:
        case FIELD_SENSOR: return value >= 0 && value <= UINT32_MAX && policy_field_word(kind, (uint32_t) value) != NULL;
        default: return value >= 0;
        }
}

bool policy_field_set(const struct field *f, void *object, int64_t value) {
        if (!fits(f->kind, value))
                return false;
        char *member = (char *) object + f->offset;
        uint64_t wide = (uint64_t) value;
        uint32_t narrow = (uint32_t) wide; /* two's complement: a negative int keeps its bits */
        bool yes = value != 0;
        switch (policy_field_size(f->kind)) {
        case sizeof(wide): memcpy(member, &wide, sizeof(wide)); break;
        case sizeof(narrow): memcpy(member, &narrow, sizeof(narrow)); break;
        default: memcpy(member, &yes, sizeof(yes)); break;
        }
        return true;
}
