/*
 * snapshot_fields.h - the members of a snapshot by name: one table, which the flight recorder writes by and the simulator reads by.
 *
 * A scenario is made of these names (headroom.scenario(5)). A member that is missing here cannot be recorded, so add it with
 * its row; a unit test finds it. What the lines themselves say is not in the tables: now_ms ("at 5s"), id ("model 2"),
 * key ("sensor 7"), and how many of them there are.
 */
#ifndef HEADROOM_POLICY_RECORD_SNAPSHOT_FIELDS_H
#define HEADROOM_POLICY_RECORD_SNAPSHOT_FIELDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/state/limits.h"
#include "policy/state/past.h"

enum field_kind {
        FIELD_BYTES,
        FIELD_COUNT_U64,
        FIELD_COUNT_U32,
        FIELD_SIGNED_I32,
        FIELD_INT,
        FIELD_BOOL,
        FIELD_MS,
        FIELD_LEVEL,
        FIELD_STATE,
        FIELD_SENSOR,
        FIELD_ACTIONS /* a set of actions on a model */
};

struct field {
        const char *name; /* as in a scenario: "available", "kv_f16" */
        enum field_kind kind;
        size_t offset;
};

/* Ends with a NULL name. Of struct limits, of struct snapshot without its arrays, of what these hold: models, wants, sensors. */
extern const struct field policy_limits_fields[], policy_snapshot_fields[], policy_model_fields[], policy_want_fields[],
        policy_sensor_fields[];

/* Any kind as a number and back. Values above INT64_MAX read as that. False, and nothing set, when VALUE is none of
 * the kind. */
int64_t policy_field_get(const struct field *f, const void *object);
bool policy_field_set(const struct field *f, void *object, int64_t value);
/* Bytes of a member of that kind. */
size_t policy_field_size(enum field_kind kind);
/* Actions that a model's engine may lack: those on a model, as a set. */
#define FIELD_ACTIONS_ALL ((ACTION_BIT(ACTION_COUNT) - 1) & ~ACTION_BIT(ACTION_NONE) & ~ACTION_BIT(ACTION_DROP_FILES))

/* The words of FIELD_LEVEL, FIELD_STATE and FIELD_SENSOR by number; NULL past the end, and for other kinds. */
const char *policy_field_word(enum field_kind kind, uint32_t value);

#endif
