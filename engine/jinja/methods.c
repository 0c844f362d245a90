/* methods.c - see interpreter.h: what stands behind a dot, for each type. Rows without parameters are members, not methods. */
#include <string.h>

#include "engine/jinja/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja/letter_case.h"
#include "engine/jinja/print.h"
#include "engine/tokenizer/unicode.h"

/* ---- texts ---- */

static struct value strip(struct interpreter *in, struct value self, const struct arguments *a, unsigned sides) {
        struct marked characters = { .bytes = NULL };
        if (a->values[0].kind != VALUE_UNDEFINED && a->values[0].kind != VALUE_NONE)
                characters = text_argument(in, a->values[0], "chars");
        return text_value(in, marked_strip(in->job, *self.text, characters, sides));
}

static struct value text_strip(struct interpreter *in, struct value self, const struct arguments *a) {
        return strip(in, self, a, STRIP_LEFT | STRIP_RIGHT);
}

static struct value text_lstrip(struct interpreter *in, struct value self, const struct arguments *a) {
        return strip(in, self, a, STRIP_LEFT);
}

static struct value text_rstrip(struct interpreter *in, struct value self, const struct arguments *a) {
        return strip(in, self, a, STRIP_RIGHT);
}

static struct value text_upper(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return text_value(in, letter_convert(in->job, *self.text, CASE_UPPER));
}

static struct value text_lower(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return text_value(in, letter_convert(in->job, *self.text, CASE_LOWER));
}

static struct value text_title(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return text_value(in, letter_convert(in->job, *self.text, CASE_TITLE));
}

static struct value text_capitalize(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return text_value(in, letter_convert(in->job, *self.text, CASE_CAPITAL));
}

/* At runs of white space. */
static void split_spaces(struct interpreter *in, struct value made, struct marked m, int64_t most) {
        size_t step;
        for (size_t at = 0; at < m.length;) {
                for (; at < m.length && marked_is_space(m, at, &step);)
                        at += step;
                if (at == m.length)
                        return;
                if (most-- == 0) {
                        struct marked rest = marked_slice(m, at, m.length);
                        value_append(in->job, made,
                                     text_value(in, marked_strip(in->job, rest, (struct marked){ .bytes = NULL }, STRIP_RIGHT)));
                        return;
                }
                size_t from = at;
                while (at < m.length && !marked_is_space(m, at, &step))
                        at += step;
                value_append(in->job, made, text_value(in, marked_slice(m, from, at)));
        }
}

static struct marked separator_of(struct interpreter *in, struct value v) {
        struct marked separator = text_argument(in, v, "sep");
        if (separator.length == 0)
                jinja_fail(in->job, "an empty text separates nothing");
        return separator;
}

static struct value text_split(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value made = value_new_list(in->job);
        int64_t most = integer_argument(in, a->values[1], "maxsplit", -1);
        struct marked m = *self.text;
        if (a->values[0].kind == VALUE_UNDEFINED || a->values[0].kind == VALUE_NONE) {
                split_spaces(in, made, m, most);
                return made;
        }
        struct marked separator = separator_of(in, a->values[0]);
        size_t from = 0, at;
        while (most-- != 0 && (at = marked_find(in->job, m, separator, from)) != SIZE_MAX) {
                value_append(in->job, made, text_value(in, marked_slice(m, from, at)));
                from = at + separator.length;
        }
        value_append(in->job, made, text_value(in, marked_slice(m, from, m.length)));
        return made;
}

static struct value text_rsplit(struct interpreter *in, struct value self, const struct arguments *a) {
        int64_t most = integer_argument(in, a->values[1], "maxsplit", -1);
        const struct arguments all = { .values = (struct value[]){ a->values[0], { .kind = VALUE_UNDEFINED } }, .count = 2 };
        struct value parts = text_split(in, self, &all);
        if (most < 0 || (uint64_t) most + 1 >= parts.list->count)
                return parts;
        /* The first parts stay one: they end where the first that was split off begins, less the separator. */
        size_t first = parts.list->count - (size_t) most;
        struct marked m = *self.text;
        size_t end = first < parts.list->count ? (size_t) (parts.list->items[first].text->bytes - m.bytes) : m.length;
        bool spaces = a->values[0].kind != VALUE_TEXT;
        if (first < parts.list->count && !spaces)
                end -= a->values[0].text->length;
        struct marked front = marked_slice(m, 0, end);
        if (spaces)
                front = marked_strip(in->job, front, (struct marked){ .bytes = NULL }, STRIP_LEFT | STRIP_RIGHT);
        struct value made = value_new_list(in->job);
        value_append(in->job, made, text_value(in, front));
        for (size_t i = first; i < parts.list->count; i++)
                value_append(in->job, made, parts.list->items[i]);
        return made;
}

static struct value partition(struct interpreter *in, struct marked m, struct marked separator, size_t at, bool left) {
        struct value made = value_new_tuple(in->job);
        size_t from = at == SIZE_MAX ? (left ? m.length : 0) : at, to = at == SIZE_MAX ? from : at + separator.length;
        value_append(in->job, made, text_value(in, marked_slice(m, 0, from)));
        value_append(in->job, made, text_value(in, marked_slice(m, from, to)));
        value_append(in->job, made, text_value(in, marked_slice(m, to, m.length)));
        return made;
}

static struct value text_partition(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked separator = separator_of(in, a->values[0]);
        return partition(in, *self.text, separator, marked_find(in->job, *self.text, separator, 0), true);
}

static struct value text_rpartition(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked separator = separator_of(in, a->values[0]);
        return partition(in, *self.text, separator, marked_find_last(in->job, *self.text, separator), false);
}

static struct value text_splitlines(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value made = value_new_list(in->job);
        struct marked m = *self.text;
        for (size_t from = 0; from < m.length;) {
                size_t end = from;
                while (end < m.length && m.bytes[end] != '\n' && m.bytes[end] != '\r')
                        end++;
                size_t next = end + (end < m.length);
                next += next < m.length && m.bytes[end] == '\r' && m.bytes[next] == '\n';
                value_append(in->job, made, text_value(in, marked_slice(m, from, value_true(a->values[0]) ? next : end)));
                jinja_spend_bytes(in->job, next - from);
                from = next;
        }
        return made;
}

typedef bool edge(struct marked m, struct marked edge);

/* One of several will do. */
static struct value has_edge(struct interpreter *in, struct value self, struct value wanted, edge *holds) {
        if (wanted.kind != VALUE_TUPLE)
                return value_of_bool(holds(*self.text, text_argument(in, wanted, "prefix")));
        for (size_t i = 0; i < wanted.list->count; i++)
                if (holds(*self.text, text_argument(in, wanted.list->items[i], "prefix")))
                        return value_of_bool(true);
        return value_of_bool(false);
}

static struct value text_startswith(struct interpreter *in, struct value self, const struct arguments *a) {
        return has_edge(in, self, a->values[0], marked_starts);
}

static struct value text_endswith(struct interpreter *in, struct value self, const struct arguments *a) {
        return has_edge(in, self, a->values[0], marked_ends);
}

static struct value text_removeprefix(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked m = *self.text, prefix = text_argument(in, a->values[0], "prefix");
        return text_value(in, marked_slice(m, marked_starts(m, prefix) ? prefix.length : 0, m.length));
}

static struct value text_removesuffix(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked m = *self.text, suffix = text_argument(in, a->values[0], "suffix");
        return text_value(in, marked_slice(m, 0, m.length - (marked_ends(m, suffix) ? suffix.length : 0)));
}

static struct value text_replace(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked m = *self.text, old = text_argument(in, a->values[0], "old"), new = text_argument(in, a->values[1], "new");
        int64_t most = integer_argument(in, a->values[2], "count", -1);
        struct builder b = { .job = in->job };
        size_t from = 0;
        if (old.length == 0) { /* before each character, and behind the last */
                for (size_t at = 0; at <= m.length && most-- != 0; at += at < m.length ? marked_step(m, at) : 1) {
                        builder_add(&b, marked_slice(m, from, at));
                        builder_add(&b, new);
                        jinja_spend(in->job, 1);
                        from = at;
                }
        } else {
                for (size_t at; most-- != 0 && (at = marked_find(in->job, m, old, from)) != SIZE_MAX; from = at + old.length) {
                        builder_add(&b, marked_slice(m, from, at));
                        builder_add(&b, new);
                        jinja_spend(in->job, 1);
                }
        }
        builder_add(&b, marked_slice(m, from, m.length));
        return text_value(in, builder_text(&b));
}

static struct value place_in_text(struct interpreter *in, struct marked m, size_t at) {
        return value_of_integer(at == SIZE_MAX ? -1 : (int64_t) marked_characters(in->job, marked_slice(m, 0, at)));
}

static struct value text_find(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked m = *self.text, needle = text_argument(in, a->values[0], "sub");
        size_t from = 0;
        for (int64_t start = integer_argument(in, a->values[1], "start", 0); start > 0 && from < m.length; start--)
                from += marked_step(m, from);
        jinja_spend_bytes(in->job, from);
        return place_in_text(in, m, marked_find(in->job, m, needle, from));
}

static struct value text_rfind(struct interpreter *in, struct value self, const struct arguments *a) {
        return place_in_text(in, *self.text, marked_find_last(in->job, *self.text, text_argument(in, a->values[0], "sub")));
}

static struct value text_index(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value found = text_find(in, self, a);
        if (found.integer < 0)
                jinja_fail(in->job, "the text is not there");
        return found;
}

static struct value text_count(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked needle = text_argument(in, a->values[0], "sub");
        int64_t count = 0;
        for (size_t at = 0; needle.length && (at = marked_find(in->job, *self.text, needle, at)) != SIZE_MAX;
             at += needle.length) {
                jinja_spend(in->job, 1);
                count++;
        }
        return value_of_integer(needle.length ? count : (int64_t) marked_characters(in->job, *self.text) + 1);
}

static struct value text_join(struct interpreter *in, struct value self, const struct arguments *a) {
        const struct value_list *items = value_items(in->job, a->values[0]);
        struct builder b = { .job = in->job };
        for (size_t i = 0; i < items->count; i++) {
                if (i)
                        builder_add(&b, *self.text);
                builder_add(&b, text_argument(in, items->items[i], "item"));
        }
        return text_value(in, builder_text(&b));
}

static struct value text_format(struct interpreter *in, struct value self, const struct arguments *a) {
        return format_braces(in, *self.text, a);
}

static struct value text_zfill(struct interpreter *in, struct value self, const struct arguments *a) {
        struct marked m = *self.text;
        size_t width = width_argument(in, a->values[0], "width", 0), have = marked_characters(in->job, m);
        size_t sign = m.length && (m.bytes[0] == '-' || m.bytes[0] == '+');
        struct builder b = { .job = in->job };
        builder_add(&b, marked_slice(m, 0, sign));
        builder_repeat(&b, MARKED("0"), width > have ? width - have : 0);
        builder_add(&b, marked_slice(m, sign, m.length));
        return text_value(in, builder_text(&b));
}

static struct value pad(struct interpreter *in, struct value self, const struct arguments *a, bool left) {
        struct marked m = *self.text, fill = MARKED(" ");
        if (a->values[1].kind != VALUE_UNDEFINED)
                fill = text_argument(in, a->values[1], "fillchar");
        size_t width = width_argument(in, a->values[0], "width", 0), have = marked_characters(in->job, m);
        struct builder b = { .job = in->job };
        if (left)
                builder_add(&b, m);
        builder_repeat(&b, fill, width > have ? width - have : 0);
        if (!left)
                builder_add(&b, m);
        return text_value(in, builder_text(&b));
}

static struct value text_ljust(struct interpreter *in, struct value self, const struct arguments *a) {
        return pad(in, self, a, true);
}

static struct value text_rjust(struct interpreter *in, struct value self, const struct arguments *a) {
        return pad(in, self, a, false);
}

static bool all_are(struct interpreter *in, struct marked m, unsigned kinds) {
        jinja_spend_bytes(in->job, m.length);
        for (size_t at = 0, step; at < m.length; at += step) {
                struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
                step = c.length;
                if (!(kinds & (1u << c.kind)))
                        return false;
        }
        return m.length > 0;
}

static struct value text_isdigit(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return value_of_bool(all_are(in, *self.text, 1u << UNICODE_NUMBER));
}

static struct value text_isalpha(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return value_of_bool(all_are(in, *self.text, 1u << UNICODE_LETTER));
}

static struct value text_isalnum(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return value_of_bool(all_are(in, *self.text, 1u << UNICODE_LETTER | 1u << UNICODE_NUMBER));
}

static struct value text_isspace(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        return value_of_bool(all_are(in, *self.text, 1u << UNICODE_SPACE));
}

static struct value text_is_case(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) a;
        struct arguments none = { .values = (struct value[1]){ { .kind = VALUE_UNDEFINED } }, .count = 0 };
        return find_test(marked_is(marked_of(in->job->name), "isupper") ? MARKED("upper") : MARKED("lower"))
                ->call(in, self, &none);
}

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
        { VALUE_TEXT, { .name = "strip",        .parameters = "chars",        .call = text_strip } },
        { VALUE_TEXT, { .name = "lstrip",       .parameters = "chars",        .call = text_lstrip } },
        { VALUE_TEXT, { .name = "rstrip",       .parameters = "chars",        .call = text_rstrip } },
        { VALUE_TEXT, { .name = "split",        .parameters = "sep maxsplit", .call = text_split } },
        { VALUE_TEXT, { .name = "rsplit",       .parameters = "sep maxsplit", .call = text_rsplit } },
        { VALUE_TEXT, { .name = "splitlines",   .parameters = "keepends",     .call = text_splitlines } },
        { VALUE_TEXT, { .name = "partition",    .parameters = "sep",          .call = text_partition } },
        { VALUE_TEXT, { .name = "rpartition",   .parameters = "sep",          .call = text_rpartition } },
        { VALUE_TEXT, { .name = "startswith",   .parameters = "prefix",       .call = text_startswith } },
        { VALUE_TEXT, { .name = "endswith",     .parameters = "suffix",       .call = text_endswith } },
        { VALUE_TEXT, { .name = "removeprefix", .parameters = "prefix",       .call = text_removeprefix } },
        { VALUE_TEXT, { .name = "removesuffix", .parameters = "suffix",       .call = text_removesuffix } },
        { VALUE_TEXT, { .name = "replace",      .parameters = "old new count", .call = text_replace } },
        { VALUE_TEXT, { .name = "find",         .parameters = "sub start",    .call = text_find } },
        { VALUE_TEXT, { .name = "rfind",        .parameters = "sub",          .call = text_rfind } },
        { VALUE_TEXT, { .name = "index",        .parameters = "sub start",    .call = text_index } },
        { VALUE_TEXT, { .name = "count",        .parameters = "sub",          .call = text_count } },
        { VALUE_TEXT, { .name = "join",         .parameters = "items",        .call = text_join } },
        { VALUE_TEXT, { .name = "format",       .parameters = "*",            .call = text_format } },
        { VALUE_TEXT, { .name = "upper",        .parameters = "",             .call = text_upper } },
        { VALUE_TEXT, { .name = "lower",        .parameters = "",             .call = text_lower } },
        { VALUE_TEXT, { .name = "title",        .parameters = "",             .call = text_title } },
        { VALUE_TEXT, { .name = "capitalize",   .parameters = "",             .call = text_capitalize } },
        { VALUE_TEXT, { .name = "zfill",        .parameters = "width",        .call = text_zfill } },
        { VALUE_TEXT, { .name = "ljust",        .parameters = "width fillchar", .call = text_ljust } },
        { VALUE_TEXT, { .name = "rjust",        .parameters = "width fillchar", .call = text_rjust } },
        { VALUE_TEXT, { .name = "isdigit",      .parameters = "",             .call = text_isdigit } },
        { VALUE_TEXT, { .name = "isnumeric",    .parameters = "",             .call = text_isdigit } },
        { VALUE_TEXT, { .name = "isdecimal",    .parameters = "",             .call = text_isdigit } },
        { VALUE_TEXT, { .name = "isalpha",      .parameters = "",             .call = text_isalpha } },
        { VALUE_TEXT, { .name = "isalnum",      .parameters = "",             .call = text_isalnum } },
        { VALUE_TEXT, { .name = "isspace",      .parameters = "",             .call = text_isspace } },
        { VALUE_TEXT, { .name = "isupper",      .parameters = "",             .call = text_is_case } },
        { VALUE_TEXT, { .name = "islower",      .parameters = "",             .call = text_is_case } },

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

const struct callable *find_method(enum value_kind kind, struct marked name) {
        for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++)
                if (methods[i].kind == kind && marked_is(name, methods[i].row.name))
                        return &methods[i].row;
        return NULL;
}
