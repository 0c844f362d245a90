/*
 * field_text.h - one member of a snapshot as text and back: "available=7GiB", "state=busy", "loaded=1250ms", "lacks=trim,suspend".
 *
 * What the flight recorder prints the simulator parses: both sides use this, so they cannot differ. Printing is exact (the
 * largest unit that divides the value), parsing takes fractions as well ("11.5GiB"). Neither allocates.
 */
#ifndef HEADROOM_POLICY_RECORD_FIELD_TEXT_H
#define HEADROOM_POLICY_RECORD_FIELD_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/record/snapshot_fields.h"

#define FIELD_TEXT_MAX 96u /* the longest name, '=', all actions with commas between them, and the end */

/* Writes "name=value" and a final 0 to RET; returns its length. */
size_t policy_field_print(const struct field *f, const void *object, char ret[FIELD_TEXT_MAX]);
/* The member of that name (LENGTH bytes); NULL when there is none. */
const struct field *policy_field_find(const struct field *fields, const char *name, size_t length);
/* VALUE (LENGTH bytes, without the name). False, and nothing set, when it is none of the kind. */
bool policy_field_parse(const struct field *f, const char *value, size_t length, void *object);

/* A number as such a value: FIELD_BYTES "7GiB" (B may be left out), FIELD_MS "250ms" (the unit may not, but for 0), others
 * digits. */
bool policy_number_parse(enum field_kind kind, const char *text, size_t length, int64_t *ret);

#endif
