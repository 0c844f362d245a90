/*
 * snapshot_lists.h - the arrays of a snapshot by name: sensors, models, wants. The flight recorder writes and the simulator reads all
 * of them by the same rows, so another array is a row here and a table of its fields.
 *
 * Each element begins with the number that names it (key or id), and no two of one snapshot have the same.
 */
#ifndef HEADROOM_POLICY_RECORD_SNAPSHOT_LISTS_H
#define HEADROOM_POLICY_RECORD_SNAPSHOT_LISTS_H

#include "policy/record/snapshot_fields.h"

struct snapshot_list {
        const char *word; /* begins the lines of its elements: "model" */
        const struct field *fields;
        size_t count, first, size; /* offset of the count, offset of the first element, bytes of an element */
        uint32_t max;
};

enum { LIST_SENSORS, LIST_MODELS, LIST_WANTS, LIST_COUNT };
extern const struct snapshot_list policy_lists[LIST_COUNT];

uint32_t policy_list_count(const struct snapshot_list *l, const struct snapshot *s);
/* The element at I, which may be one behind the last: what is there is anything. */
const void *policy_list_at(const struct snapshot_list *l, const struct snapshot *s, uint32_t i);
uint32_t policy_list_id(const struct snapshot_list *l, const struct snapshot *s, uint32_t i);
/* The element of that number, or NULL. */
const void *policy_list_find(const struct snapshot_list *l, const struct snapshot *s, uint32_t id);

void *policy_list_edit(const struct snapshot_list *l, struct snapshot *s, uint32_t i);
/* One more at the end, all zero but for its number. NULL: it is full. */
void *policy_list_append(const struct snapshot_list *l, struct snapshot *s, uint32_t id);
/*
 * The element of that number and its place; a new one is all zero, and stands in the order of numbers, as the daemon lists models and
 * wants: of equals policy takes the first. NULL: it is not there, and the list is full.
 */
void *policy_list_insert(const struct snapshot_list *l, struct snapshot *s, uint32_t id, uint32_t *ret_place, bool *ret_is_new);
/* False: there is none of that number. Else it is gone from *ret_place. */
bool policy_list_remove(const struct snapshot_list *l, struct snapshot *s, uint32_t id, uint32_t *ret_place);

#endif
