/*
 * methods.c - see interpreter.h: what stands behind a dot, for each type. Rows without parameters are members, not methods.
 */
#include "engine/jinja/interpreter.h"
#include "engine/jinja/methods.h"

/* ---- lists ---- */

static struct value list_append(struct interpreter *in, struct value self, const struct arguments *a) {
        value_append(in->job, self, a->values[0]);
        return value_of_none();
}

static struct value list_extend(struct interpreter *in, struct value self, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, a->values[0]);
        for (size_t i = 0, count = items->count; i < count; i++)
                value_append(in->job, self, items->items[i]);
        return value_of_none();
}

/* Into fresh storage, so that who walks over the old items may go on. */
static void list_cut(struct interpreter *in, struct value self, size_t place, const struct value *instead) {
        struct value_list *l = self.list, old = *l;
        *l = (struct value_list){ 0 };
        for (size_t i = 0; i < old.count || (instead && i == old.count); i++) {
                if (i == place && instead)
                        value_append(in->job, self, *instead);
                if (i < old.count && (i != place || instead))
                        value_append(in->job, self, old.items[i]);
        }
}

static struct value list_pop(struct interpreter *in, struct value self, const struct arguments *a) {
        int64_t count = (int64_t) self.list->count, place = integer_argument(in, a->values[0], "index", -1);
        place += place < 0 ? count : 0;
        if (place < 0 || place >= count)
                jinja_fail(in->job, "there is no item of that number");
        struct value item = self.list->items[place];
        list_cut(in, self, (size_t) place, NULL);
        return item;
}

static struct value list_insert(struct interpreter *in, struct value self, const struct arguments *a) {
        int64_t count = (int64_t) self.list->count, place = integer_argument(in, a->values[0], "index", 0);
        place = place < 0 ? (place < -count ? 0 : place + count) : place > count ? count : place;
        list_cut(in, self, (size_t) place, &a->values[1]);
        return value_of_none();
}

static struct value list_index(struct interpreter *in, struct value self, const struct arguments *a) {
        for (size_t i = 0; i < self.list->count; i++)
                if (value_equals(in->job, self.list->items[i], a->values[0]))
                        return value_of_integer((int64_t) i);
        jinja_fail(in->job, "the item is not there");
}

static struct value list_count(struct interpreter *in, struct value self, const struct arguments *a) {
        int64_t count = 0;
        for (size_t i = 0; i < self.list->count; i++)
                count += value_equals(in->job, self.list->items[i], a->values[0]);
        return value_of_integer(count);
}

static struct value list_copy(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        struct value made = value_new_list(in->job);
        for (size_t i = 0; i < self.list->count; i++)
                value_append(in->job, made, self.list->items[i]);
        return made;
}

/* A group of the filter groupby is a pair with names. */
static struct value tuple_grouper(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return subscript_of(in, self, value_of_integer(0));
}

static struct value tuple_list(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return subscript_of(in, self, value_of_integer(1));
}

/* ---- mappings ---- */

static struct value map_items(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        struct value made = value_new_list(in->job);
        for (size_t i = 0; i < self.map->count; i++) {
                struct value pair = value_new_tuple(in->job);
                value_append(in->job, pair, self.map->pairs[i].key);
                value_append(in->job, pair, self.map->pairs[i].value);
                value_append(in->job, made, pair);
        }
        return made;
}

static struct value map_keys(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return (struct value){ .kind = VALUE_LIST, .list = (struct value_list *) (uintptr_t) value_items(in->job, self) };
}

static struct value map_values(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        struct value made = value_new_list(in->job);
        for (size_t i = 0; i < self.map->count; i++)
                value_append(in->job, made, self.map->pairs[i].value);
        return made;
}

static struct value map_get(struct interpreter *in, struct value self, const struct arguments *a) {
        const struct value *item = value_get(in->job, self, a->values[0]);
        return item ? *item : a->values[1].kind == VALUE_UNDEFINED ? value_of_none() : a->values[1];
}

static struct value map_pop(struct interpreter *in, struct value self, const struct arguments *a) {
        const struct value *found = value_get(in->job, self, a->values[0]);
        if (!found && a->values[1].kind == VALUE_UNDEFINED)
                jinja_fail(in->job, "the key is not there");
        struct value item = found ? *found : a->values[1];
        (void) value_remove(in->job, self, a->values[0]);
        return item;
}

static struct value map_update(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value other = a->values[0];
        if (other.kind != VALUE_MAP)
                jinja_fail(in->job, "a mapping is needed, not a value of type '%s'", value_kind_name(other));
        for (size_t i = 0; i < other.map->count; i++)
                value_set(in->job, self, other.map->pairs[i].key, other.map->pairs[i].value);
        return value_of_none();
}

static struct value map_setdefault(struct interpreter *in, struct value self, const struct arguments *a) {
        const struct value *item = value_get(in->job, self, a->values[0]);
        if (item)
                return *item;
        value_set(in->job, self, a->values[0], a->values[1]);
        return a->values[1];
}

static struct value map_copy(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        struct value made = value_new_map(in->job);
        (void) map_update(in, made, &(struct arguments){ .values = &self, .count = 1 });
        return made;
}

/* ---- loops ---- */

#define LOOP_MEMBER(what, given)                                                                                \
        static struct value loop_##what(struct interpreter *in, struct value self, const struct arguments *a) { \
                (void) in, (void) a;                                                                            \
                const struct loop *l = self.loop;                                                               \
                return given;                                                                                   \
        }

LOOP_MEMBER(index, value_of_integer((int64_t) l->index + 1))
LOOP_MEMBER(index0, value_of_integer((int64_t) l->index))
LOOP_MEMBER(revindex, value_of_integer((int64_t) (l->count - l->index)))
LOOP_MEMBER(revindex0, value_of_integer((int64_t) (l->count - l->index) - 1))
LOOP_MEMBER(first, value_of_bool(l->index == 0))
LOOP_MEMBER(last, value_of_bool(l->index + 1 == l->count))
LOOP_MEMBER(length, value_of_integer((int64_t) l->count))
LOOP_MEMBER(depth, value_of_integer(l->depth))
LOOP_MEMBER(depth0, value_of_integer((int64_t) l->depth - 1))
LOOP_MEMBER(previtem, l->index > 0 ? l->items[l->index - 1] : (struct value){ .kind = VALUE_UNDEFINED })
LOOP_MEMBER(nextitem, l->index + 1 < l->count ? l->items[l->index + 1] : (struct value){ .kind = VALUE_UNDEFINED })

static struct value loop_cycle(struct interpreter *in, struct value self, const struct arguments *a) {
        if (a->count == 0)
                jinja_fail(in->job, "there is nothing to cycle through");
        return a->values[self.loop->index % a->count];
}

static struct value loop_changed(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value now = value_new_tuple(in->job);
        for (size_t i = 0; i < a->count; i++)
                value_append(in->job, now, a->values[i]);
        bool changed = self.loop->changed.kind != VALUE_TUPLE || !value_equals(in->job, self.loop->changed, now);
        self.loop->changed = now;
        return value_of_bool(changed);
}

/* clang-format off */
static const struct method {
        enum value_kind kind;
        struct callable row;
} methods[] = {
        { VALUE_LIST, { .name = "append", .parameters = "item",       .call = list_append } },
        { VALUE_LIST, { .name = "extend", .parameters = "items",      .call = list_extend } },
        { VALUE_LIST, { .name = "insert", .parameters = "index item", .call = list_insert } },
        { VALUE_LIST, { .name = "pop",    .parameters = "index",      .call = list_pop } },
        { VALUE_LIST, { .name = "index",  .parameters = "item",       .call = list_index } },
        { VALUE_LIST, { .name = "count",  .parameters = "item",       .call = list_count } },
        { VALUE_LIST, { .name = "copy",   .parameters = "",           .call = list_copy } },

        { VALUE_TUPLE, { .name = "index",   .parameters = "item", .call = list_index } },
        { VALUE_TUPLE, { .name = "count",   .parameters = "item", .call = list_count } },
        { VALUE_TUPLE, { .name = "grouper", .parameters = NULL,   .call = tuple_grouper } },
        { VALUE_TUPLE, { .name = "list",    .parameters = NULL,   .call = tuple_list } },

        { VALUE_MAP, { .name = "items",      .parameters = "",            .call = map_items } },
        { VALUE_MAP, { .name = "keys",       .parameters = "",            .call = map_keys } },
        { VALUE_MAP, { .name = "values",     .parameters = "",            .call = map_values } },
        { VALUE_MAP, { .name = "get",        .parameters = "key default", .call = map_get } },
        { VALUE_MAP, { .name = "pop",        .parameters = "key default", .call = map_pop } },
        { VALUE_MAP, { .name = "update",     .parameters = "other",       .call = map_update } },
        { VALUE_MAP, { .name = "setdefault", .parameters = "key default", .call = map_setdefault } },
        { VALUE_MAP, { .name = "copy",       .parameters = "",            .call = map_copy } },

        { VALUE_LOOP, { .name = "index",     .call = loop_index } },
        { VALUE_LOOP, { .name = "index0",    .call = loop_index0 } },
        { VALUE_LOOP, { .name = "revindex",  .call = loop_revindex } },
        { VALUE_LOOP, { .name = "revindex0", .call = loop_revindex0 } },
        { VALUE_LOOP, { .name = "first",     .call = loop_first } },
        { VALUE_LOOP, { .name = "last",      .call = loop_last } },
        { VALUE_LOOP, { .name = "length",    .call = loop_length } },
        { VALUE_LOOP, { .name = "depth",     .call = loop_depth } },
        { VALUE_LOOP, { .name = "depth0",    .call = loop_depth0 } },
        { VALUE_LOOP, { .name = "previtem",  .call = loop_previtem } },
        { VALUE_LOOP, { .name = "nextitem",  .call = loop_nextitem } },
        { VALUE_LOOP, { .name = "cycle",     .parameters = "*", .call = loop_cycle } },
        { VALUE_LOOP, { .name = "changed",   .parameters = "*", .call = loop_changed } },
};
/* clang-format on */

const struct callable *find_method(enum value_kind kind, struct tainted name) {
        for (const struct callable *c = methods_of_texts; kind == VALUE_TEXT && c->name; c++)
                if (tainted_is(name, c->name))
                        return c;
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                if (methods[i].kind == kind && tainted_is(name, methods[i].row.name))
                        return &methods[i].row;
        return NULL;
}
