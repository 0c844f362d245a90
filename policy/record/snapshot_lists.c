/* snapshot_lists.c - see snapshot_lists.h. */
#include "policy/record/snapshot_lists.h"

#include <assert.h>
#include <string.h>

static_assert(offsetof(struct sensor_view, key) == 0 && offsetof(struct model_view, id) == 0 && offsetof(struct want, id) == 0,
              "an element begins with its number");

#define LIST(word, table, member, limit) \
        { word, table, offsetof(struct snapshot, member##_count), offsetof(struct snapshot, member), \
          sizeof(((struct snapshot *) NULL)->member[0]), limit }

const struct snapshot_list policy_lists[LIST_COUNT] = {
        [LIST_SENSORS] = LIST("sensor", policy_sensor_fields, sensors, SENSORS_MAX),
        [LIST_MODELS] = LIST("model", policy_model_fields, models, ACCOUNTS_MAX),
        [LIST_WANTS] = LIST("want", policy_want_fields, wants, WANTS_MAX),
};

uint32_t policy_list_count(const struct snapshot_list *l, const struct snapshot *s) {
        uint32_t count;
        memcpy(&count, (const char *) s + l->count, sizeof(count));
        return count;
}

static void set_count(const struct snapshot_list *l, struct snapshot *s, uint32_t count) {
        memcpy((char *) s + l->count, &count, sizeof(count));
}

const void *policy_list_at(const struct snapshot_list *l, const struct snapshot *s, uint32_t i) {
        return (const char *) s + l->first + i * l->size;
}

void *policy_list_edit(const struct snapshot_list *l, struct snapshot *s, uint32_t i) {
        return (char *) s + l->first + i * l->size;
}

uint32_t policy_list_id(const struct snapshot_list *l, const struct snapshot *s, uint32_t i) {
        uint32_t id;
        memcpy(&id, policy_list_at(l, s, i), sizeof(id));
        return id;
}

const void *policy_list_find(const struct snapshot_list *l, const struct snapshot *s, uint32_t id) {
        for (uint32_t i = 0; i < policy_list_count(l, s); i++) {
                if (policy_list_id(l, s, i) == id)
                        return policy_list_at(l, s, i);
        }
        return NULL;
}

static void *put(const struct snapshot_list *l, struct snapshot *s, uint32_t place, uint32_t id) {
        uint32_t count = policy_list_count(l, s);
        char *item = policy_list_edit(l, s, place);
        if (count == l->max)
                return NULL;
        memmove(item + l->size, item, (count - place) * l->size);
        memset(item, 0, l->size);
        memcpy(item, &id, sizeof(id));
        set_count(l, s, count + 1);
        return item;
}

void *policy_list_append(const struct snapshot_list *l, struct snapshot *s, uint32_t id) {
        return put(l, s, policy_list_count(l, s), id);
}

void *policy_list_insert(const struct snapshot_list *l, struct snapshot *s, uint32_t id, uint32_t *ret_place, bool *ret_is_new) {
        uint32_t place = 0, count = policy_list_count(l, s);
        while (place < count && policy_list_id(l, s, place) < id)
                place++;
        *ret_place = place;
        *ret_is_new = place == count || policy_list_id(l, s, place) != id;
        return *ret_is_new ? put(l, s, place, id) : policy_list_edit(l, s, place);
}

bool policy_list_remove(const struct snapshot_list *l, struct snapshot *s, uint32_t id, uint32_t *ret_place) {
        const char *item = policy_list_find(l, s, id);
        uint32_t count = policy_list_count(l, s);
        if (item == NULL)
                return false;
        uint32_t place = (uint32_t) ((size_t) (item - (const char *) policy_list_at(l, s, 0)) / l->size);
        memmove(policy_list_edit(l, s, place), policy_list_edit(l, s, place + 1), (count - place - 1) * l->size);
        set_count(l, s, count - 1);
        *ret_place = place;
        return true;
}
