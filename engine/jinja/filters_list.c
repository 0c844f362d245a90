/* filters_list.c - see interpreter.h: filters of sequences and mappings. Lazy sequences of Python are lists here. */
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/filters.h"
#include "engine/jinja_value/letter_case.h"
#include "engine/jinja_value/print.h"

static struct value filter_length(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return value_of_integer((int64_t) value_length(in->job, v));
}

static struct value filter_list(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        struct value made = value_new_list(in->job);
        const struct value_list *items = value_items(in->job, v);
        for (size_t i = 0; i < items->count; i++)
                value_append(in->job, made, items->items[i]);
        return made;
}

static struct value edge_of(struct interpreter *in, struct value v, bool last) {
        const struct value_list *items = value_items(in->job, v);
        if (items->count == 0)
                return (struct value){ .kind = VALUE_UNDEFINED, .missing = "an empty sequence has no first or last item" };
        return items->items[last ? items->count - 1 : 0];
}

static struct value filter_first(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return edge_of(in, v, false);
}

static struct value filter_last(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return edge_of(in, v, true);
}

static struct value filter_reverse(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        const struct value_list *items = value_items(in->job, v);
        struct builder b = { .job = in->job };
        struct value made = value_new_list(in->job);
        for (size_t i = items->count; i-- > 0;)
                if (v.kind == VALUE_TEXT)
                        builder_add(&b, *items->items[i].text);
                else
                        value_append(in->job, made, items->items[i]);
        return v.kind == VALUE_TEXT ? text_value(in, builder_text(&b)) : made;
}

/* The item, or what ATTRIBUTE (undefined: none) names of it. */
static struct value keyed(struct interpreter *in, struct value item, struct value attribute) {
        bool given = attribute.kind != VALUE_UNDEFINED && attribute.kind != VALUE_NONE;
        return given ? path_of(in, item, attribute) : item;
}

static struct value filter_join(struct interpreter *in, struct value v, const struct arguments *a) {
        struct tainted between = a->values[0].kind == VALUE_UNDEFINED ? TAINTED("") : print_to_text(in->job, a->values[0]);
        const struct value_list *items = value_items(in->job, v);
        struct builder b = { .job = in->job };
        for (size_t i = 0; i < items->count; i++) {
                if (i)
                        builder_add(&b, between);
                jinja_spend(in->job, 1);
                print_string(&b, keyed(in, items->items[i], a->values[1]));
        }
        return text_value(in, builder_text(&b));
}

static struct value filter_items(struct interpreter *in, struct value v, const struct arguments *a) {
        if (v.kind == VALUE_UNDEFINED)
                return value_new_list(in->job);
        if (v.kind != VALUE_MAP)
                jinja_fail(in->job, "a value of type '%s' is no mapping", value_kind_name(v));
        return find_method(VALUE_MAP, TAINTED("items"))->call(in, v, a);
}

/* ---- order ---- */

struct sorted {
        struct value item, key;
};

/* A text counts without its case, unless asked otherwise. */
static struct value sort_key(struct interpreter *in, struct value v, bool sensitive) {
        return v.kind == VALUE_TEXT && !sensitive ? text_value(in, letter_convert(in->job, *v.text, CASE_LOWER)) : v;
}

/* Merges what is sorted on both sides of MIDDLE; of equals the earlier stays first. */
static void merge(struct interpreter *in, struct sorted *all, struct sorted *room, size_t middle, size_t count, bool reverse) {
        size_t left = 0, right = middle;
        for (size_t at = 0; at < count; at++) {
                bool takes_left = right == count;
                if (left < middle && right < count) {
                        int order = value_compare(in->job, all[left].key, all[right].key);
                        takes_left = reverse ? order >= 0 : order <= 0;
                }
                room[at] = takes_left ? all[left++] : all[right++];
        }
        memcpy(all, room, count * sizeof(*all));
}

static void sort(struct interpreter *in, struct sorted *all, size_t count, bool reverse) {
        struct sorted *room = jinja_take(in->job, count + 1, sizeof(*room));
        for (size_t width = 1; width < count; width *= 2)
                for (size_t from = 0; from + width < count; from += 2 * width) {
                        size_t behind = count - from < 2 * width ? count - from : 2 * width;
                        merge(in, all + from, room, width, behind, reverse);
                }
}

static struct sorted *keys_of(struct interpreter *in, const struct value_list *items, struct value attribute, bool sensitive) {
        struct sorted *all = jinja_take(in->job, items->count + 1, sizeof(*all));
        for (size_t i = 0; i < items->count; i++)
                all[i] = (struct sorted){ items->items[i], sort_key(in, keyed(in, items->items[i], attribute), sensitive) };
        return all;
}

static struct value list_of(struct interpreter *in, const struct sorted *all, size_t count) {
        struct value made = value_new_list(in->job);
        for (size_t i = 0; i < count; i++)
                value_append(in->job, made, all[i].item);
        return made;
}

static struct value filter_sort(struct interpreter *in, struct value v, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, v);
        struct sorted *all = keys_of(in, items, a->values[2], value_true(a->values[1]));
        sort(in, all, items->count, value_true(a->values[0]));
        return list_of(in, all, items->count);
}

static struct value filter_dictsort(struct interpreter *in, struct value v, const struct arguments *a) {
        if (v.kind != VALUE_MAP)
                jinja_fail(in->job, "a value of type '%s' is no mapping", value_kind_name(v));
        struct value pairs = filter_items(in, v, a);
        bool by_value = a->values[1].kind == VALUE_TEXT && tainted_is(*a->values[1].text, "value");
        struct sorted *all = keys_of(in, pairs.list, value_of_integer(by_value), value_true(a->values[0]));
        sort(in, all, pairs.list->count, value_true(a->values[2]));
        return list_of(in, all, pairs.list->count);
}

static struct value filter_unique(struct interpreter *in, struct value v, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, v);
        struct sorted *all = keys_of(in, items, a->values[1], value_true(a->values[0]));
        struct value seen = value_new_map(in->job), made = value_new_list(in->job);
        for (size_t i = 0; i < items->count; i++) {
                if (value_get(in->job, seen, all[i].key))
                        continue;
                value_set(in->job, seen, all[i].key, value_of_bool(true));
                value_append(in->job, made, all[i].item);
        }
        return made;
}

static struct value extreme(struct interpreter *in, struct value v, const struct arguments *a, int wanted) {
        const struct value_list *items = value_items(in->job, v);
        struct sorted *all = keys_of(in, items, a->values[1], value_true(a->values[0]));
        size_t best = 0;
        for (size_t i = 1; i < items->count; i++)
                if (value_compare(in->job, all[i].key, all[best].key) * wanted > 0)
                        best = i;
        return items->count ? all[best].item : edge_of(in, v, false);
}

static struct value filter_min(struct interpreter *in, struct value v, const struct arguments *a) {
        return extreme(in, v, a, -1);
}

static struct value filter_max(struct interpreter *in, struct value v, const struct arguments *a) {
        return extreme(in, v, a, 1);
}

static struct value filter_sum(struct interpreter *in, struct value v, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, v);
        struct value sum = a->values[1].kind == VALUE_UNDEFINED ? value_of_integer(0) : a->values[1];
        for (size_t i = 0; i < items->count; i++)
                sum = arithmetic(in->job, NODE_ADD, sum, keyed(in, items->items[i], a->values[0]));
        return sum;
}

static struct value filter_groupby(struct interpreter *in, struct value v, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, v);
        struct sorted *all = jinja_take(in->job, items->count + 1, sizeof(*all));
        struct value made = value_new_list(in->job), members = { .kind = VALUE_UNDEFINED };
        for (size_t i = 0; i < items->count; i++) {
                struct value key = keyed(in, items->items[i], a->values[0]);
                if (key.kind == VALUE_UNDEFINED)
                        key = a->values[1];
                all[i] = (struct sorted){ items->items[i], sort_key(in, key, value_true(a->values[2])) };
        }
        sort(in, all, items->count, false);
        for (size_t i = 0; i < items->count; i++) {
                if (i == 0 || !value_equals(in->job, all[i].key, all[i - 1].key)) {
                        struct value group = value_new_tuple(in->job);
                        members = value_new_list(in->job);
                        value_append(in->job, group, keyed(in, all[i].item, a->values[0]));
                        value_append(in->job, group, members);
                        value_append(in->job, made, group);
                }
                value_append(in->job, members, all[i].item);
        }
        return made;
}

static struct value filter_batch(struct interpreter *in, struct value v, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, v);
        size_t size = width_argument(in, a->values[0], "linecount", 0);
        if (size == 0)
                jinja_fail(in->job, "a batch needs items");
        struct value made = value_new_list(in->job), batch = made;
        for (size_t i = 0; i < items->count; i++) {
                if (i % size == 0)
                        value_append(in->job, made, batch = value_new_list(in->job));
                value_append(in->job, batch, items->items[i]);
        }
        while (items->count && a->values[1].kind != VALUE_UNDEFINED && batch.list->count < size)
                value_append(in->job, batch, a->values[1]);
        return made;
}

/* ---- choosing ---- */

/* The arguments behind the first COUNT. */
static struct arguments behind(const struct arguments *a, size_t count) {
        if (count >= a->count)
                return (struct arguments){ 0 };
        return (struct arguments){ a->values + count, a->names + count, a->count - count };
}

/* Keeps the items whose WHAT (the item itself, or a member of it) passes the test named next among the arguments. */
static struct value filter_by(struct interpreter *in, struct value v, const struct arguments *a, bool by_member, bool wanted) {
        struct value made = value_new_list(in->job);
        if (!value_true(v))
                return made;
        if (by_member && a->count == 0)
                jinja_fail(in->job, "the name of a member is missing");
        struct arguments rest = behind(a, by_member);
        const struct callable *test = NULL;
        if (rest.count) {
                struct tainted name = text_argument(in, rest.values[0], "test");
                test = find_test(name);
                if (!test)
                        jinja_fail(in->job, "there is no test '%.*s'", (int) (name.length < 60 ? name.length : 60), name.bytes);
                rest = behind(&rest, 1);
        }
        const struct value_list *items = value_items(in->job, v);
        for (size_t i = 0; i < items->count; i++) {
                struct value what = by_member ? path_of(in, items->items[i], a->values[0]) : items->items[i];
                bool passes = value_true(test ? call_builtin(in, "test", test, what, &rest) : what);
                if (passes == wanted)
                        value_append(in->job, made, items->items[i]);
        }
        return made;
}

static struct value filter_select(struct interpreter *in, struct value v, const struct arguments *a) {
        return filter_by(in, v, a, false, true);
}

static struct value filter_reject(struct interpreter *in, struct value v, const struct arguments *a) {
        return filter_by(in, v, a, false, false);
}

static struct value filter_selectattr(struct interpreter *in, struct value v, const struct arguments *a) {
        return filter_by(in, v, a, true, true);
}

static struct value filter_rejectattr(struct interpreter *in, struct value v, const struct arguments *a) {
        return filter_by(in, v, a, true, false);
}

static struct value named_argument(const struct arguments *a, const char *name) {
        for (size_t i = 0; i < a->count; i++)
                if (a->names[i].bytes && tainted_is(a->names[i], name))
                        return a->values[i];
        return (struct value){ .kind = VALUE_UNDEFINED };
}

/* Each item's member (attribute=, default=), or each through a filter. */
static struct value filter_map(struct interpreter *in, struct value v, const struct arguments *a) {
        struct value made = value_new_list(in->job), attribute = named_argument(a, "attribute"),
                     otherwise = named_argument(a, "default");
        const struct callable *filter = NULL;
        struct arguments rest = behind(a, 1);
        if (!value_true(v))
                return made;
        if (attribute.kind == VALUE_UNDEFINED) {
                struct tainted name = a->count ? text_argument(in, a->values[0], "filter") : TAINTED("");
                filter = find_filter(name);
                if (!filter)
                        jinja_fail(in->job, "there is no filter '%.*s'", (int) (name.length < 60 ? name.length : 60), name.bytes);
        }
        const struct value_list *items = value_items(in->job, v);
        for (size_t i = 0; i < items->count; i++) {
                struct value item = filter ? call_builtin(in, "filter", filter, items->items[i], &rest)
                                           : path_of(in, items->items[i], attribute);
                value_append(in->job, made, item.kind == VALUE_UNDEFINED ? otherwise : item);
        }
        return made;
}

/* clang-format off */
const struct callable filters_of_lists[] = {
        { .name = "length",     .parameters = "",                                .call = filter_length },
        { .name = "count",      .parameters = "",                                .call = filter_length },
        { .name = "list",       .parameters = "",                                .call = filter_list },
        { .name = "first",      .parameters = "",                                .call = filter_first },
        { .name = "last",       .parameters = "",                                .call = filter_last },
        { .name = "reverse",    .parameters = "",                                .call = filter_reverse },
        { .name = "join",       .parameters = "d attribute",                     .call = filter_join },
        { .name = "items",      .parameters = "",                                .call = filter_items },
        { .name = "sort",       .parameters = "reverse case_sensitive attribute", .call = filter_sort },
        { .name = "dictsort",   .parameters = "case_sensitive by reverse",       .call = filter_dictsort },
        { .name = "unique",     .parameters = "case_sensitive attribute",        .call = filter_unique },
        { .name = "min",        .parameters = "case_sensitive attribute",        .call = filter_min },
        { .name = "max",        .parameters = "case_sensitive attribute",        .call = filter_max },
        { .name = "sum",        .parameters = "attribute start",                 .call = filter_sum },
        { .name = "groupby",    .parameters = "attribute default case_sensitive", .call = filter_groupby },
        { .name = "batch",      .parameters = "linecount fill_with",             .call = filter_batch },
        { .name = "select",     .parameters = "*",                               .call = filter_select },
        { .name = "reject",     .parameters = "*",                               .call = filter_reject },
        { .name = "selectattr", .parameters = "*",                               .call = filter_selectattr },
        { .name = "rejectattr", .parameters = "*",                               .call = filter_rejectattr },
        { .name = "map",        .parameters = "*",                               .call = filter_map },
        { .name = NULL },
};
/* clang-format on */
