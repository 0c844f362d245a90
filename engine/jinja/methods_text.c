/* methods_text.c - see interpreter.h: the methods of texts. */
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/letter_case.h"
#include "engine/jinja/methods.h"
#include "engine/unicode/unicode.h"

static struct value strip(struct interpreter *in, struct value self, const struct arguments *a, unsigned sides) {
        struct tainted characters = { .bytes = NULL };
        if (a->values[0].kind != VALUE_UNDEFINED && a->values[0].kind != VALUE_NONE)
                characters = text_argument(in, a->values[0], "chars");
        return text_value(in, tainted_strip(in->job, *self.text, characters, sides));
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
static void split_spaces(struct interpreter *in, struct value made, struct tainted m, int64_t most) {
        size_t step;
        jinja_spend_chars(in->job, m.length);
        for (size_t at = 0; at < m.length;) {
                for (; at < m.length && tainted_is_space(m, at, &step);)
                        at += step;
                if (at == m.length)
                        return;
                if (most-- == 0) {
                        struct tainted rest = tainted_slice(m, at, m.length);
                        value_append(
                                in->job, made,
                                text_value(in, tainted_strip(in->job, rest, (struct tainted){ .bytes = NULL }, STRIP_RIGHT)));
                        return;
                }
                size_t from = at;
                while (at < m.length && !tainted_is_space(m, at, &step))
                        at += step;
                value_append(in->job, made, text_value(in, tainted_slice(m, from, at)));
        }
}

static struct tainted separator_of(struct interpreter *in, struct value v) {
        struct tainted separator = text_argument(in, v, "sep");
        if (separator.length == 0)
                jinja_fail(in->job, "an empty text separates nothing");
        return separator;
}

static struct value text_split(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value made = value_new_list(in->job);
        int64_t most = integer_argument(in, a->values[1], "maxsplit", -1);
        struct tainted m = *self.text;
        if (a->values[0].kind == VALUE_UNDEFINED || a->values[0].kind == VALUE_NONE) {
                split_spaces(in, made, m, most);
                return made;
        }
        struct tainted separator = separator_of(in, a->values[0]);
        size_t from = 0, at;
        while (most-- != 0 && (at = tainted_find(in->job, m, separator, from)) != SIZE_MAX) {
                value_append(in->job, made, text_value(in, tainted_slice(m, from, at)));
                from = at + separator.length;
        }
        value_append(in->job, made, text_value(in, tainted_slice(m, from, m.length)));
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
        struct tainted m = *self.text;
        size_t end = first < parts.list->count ? (size_t) (parts.list->items[first].text->bytes - m.bytes) : m.length;
        bool spaces = a->values[0].kind != VALUE_TEXT;
        if (first < parts.list->count && !spaces)
                end -= a->values[0].text->length;
        struct tainted front = tainted_slice(m, 0, end);
        if (spaces)
                front = tainted_strip(in->job, front, (struct tainted){ .bytes = NULL }, STRIP_LEFT | STRIP_RIGHT);
        struct value made = value_new_list(in->job);
        value_append(in->job, made, text_value(in, front));
        for (size_t i = first; i < parts.list->count; i++)
                value_append(in->job, made, parts.list->items[i]);
        return made;
}

static struct value partition(struct interpreter *in, struct tainted m, struct tainted separator, size_t at, bool left) {
        struct value made = value_new_tuple(in->job);
        size_t from = at == SIZE_MAX ? (left ? m.length : 0) : at, to = at == SIZE_MAX ? from : at + separator.length;
        value_append(in->job, made, text_value(in, tainted_slice(m, 0, from)));
        value_append(in->job, made, text_value(in, tainted_slice(m, from, to)));
        value_append(in->job, made, text_value(in, tainted_slice(m, to, m.length)));
        return made;
}

static struct value text_partition(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted separator = separator_of(in, a->values[0]);
        return partition(in, *self.text, separator, tainted_find(in->job, *self.text, separator, 0), true);
}

static struct value text_rpartition(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted separator = separator_of(in, a->values[0]);
        return partition(in, *self.text, separator, tainted_find_last(in->job, *self.text, separator), false);
}

static struct value text_splitlines(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value made = value_new_list(in->job);
        struct tainted m = *self.text;
        for (size_t from = 0, next; from < m.length; from = next) {
                size_t end = tainted_line_end(in->job, m, from, &next);
                value_append(in->job, made, text_value(in, tainted_slice(m, from, value_true(a->values[0]) ? next : end)));
        }
        return made;
}

typedef bool edge(struct tainted m, struct tainted edge);

/* A tuple of several edges: any of them will do. */
static struct value has_edge(struct interpreter *in, struct value self, struct value wanted, edge *holds) {
        if (wanted.kind != VALUE_TUPLE)
                return value_of_bool(holds(*self.text, text_argument(in, wanted, "prefix")));
        for (size_t i = 0; i < wanted.list->count; i++)
                if (holds(*self.text, text_argument(in, wanted.list->items[i], "prefix")))
                        return value_of_bool(true);
        return value_of_bool(false);
}

static struct value text_startswith(struct interpreter *in, struct value self, const struct arguments *a) {
        return has_edge(in, self, a->values[0], tainted_starts);
}

static struct value text_endswith(struct interpreter *in, struct value self, const struct arguments *a) {
        return has_edge(in, self, a->values[0], tainted_ends);
}

static struct value text_removeprefix(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted m = *self.text, prefix = text_argument(in, a->values[0], "prefix");
        return text_value(in, tainted_slice(m, tainted_starts(m, prefix) ? prefix.length : 0, m.length));
}

static struct value text_removesuffix(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted m = *self.text, suffix = text_argument(in, a->values[0], "suffix");
        return text_value(in, tainted_slice(m, 0, m.length - (tainted_ends(m, suffix) ? suffix.length : 0)));
}

static struct value text_replace(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted m = *self.text, old = text_argument(in, a->values[0], "old"), new = text_argument(in, a->values[1], "new");
        int64_t most = integer_argument(in, a->values[2], "count", -1);
        struct builder b = { .job = in->job };
        size_t from = 0;
        if (old.length == 0) { /* before each character, and behind the last */
                for (size_t at = 0; at <= m.length && most-- != 0; at += at < m.length ? tainted_step(m, at) : 1) {
                        builder_add(&b, tainted_slice(m, from, at));
                        builder_add(&b, new);
                        jinja_spend(in->job, 1);
                        from = at;
                }
        } else {
                for (size_t at; most-- != 0 && (at = tainted_find(in->job, m, old, from)) != SIZE_MAX; from = at + old.length) {
                        builder_add(&b, tainted_slice(m, from, at));
                        builder_add(&b, new);
                        jinja_spend(in->job, 1);
                }
        }
        builder_add(&b, tainted_slice(m, from, m.length));
        return text_value(in, builder_text(&b));
}

static struct value place_in_text(struct interpreter *in, struct tainted m, size_t at) {
        return value_of_integer(at == SIZE_MAX ? -1 : (int64_t) tainted_characters(in->job, tainted_slice(m, 0, at)));
}

static struct value text_find(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted m = *self.text, needle = text_argument(in, a->values[0], "sub");
        size_t from = 0;
        for (int64_t start = integer_argument(in, a->values[1], "start", 0); start > 0 && from < m.length; start--)
                from += tainted_step(m, from);
        jinja_spend_chars(in->job, from);
        return place_in_text(in, m, tainted_find(in->job, m, needle, from));
}

static struct value text_rfind(struct interpreter *in, struct value self, const struct arguments *a) {
        return place_in_text(in, *self.text, tainted_find_last(in->job, *self.text, text_argument(in, a->values[0], "sub")));
}

static struct value text_index(struct interpreter *in, struct value self, const struct arguments *a) {
        struct value found = text_find(in, self, a);
        if (found.integer < 0)
                jinja_fail(in->job, "the text is not there");
        return found;
}

static struct value text_count(struct interpreter *in, struct value self, const struct arguments *a) {
        struct tainted needle = text_argument(in, a->values[0], "sub");
        int64_t count = 0;
        for (size_t at = 0; needle.length && (at = tainted_find(in->job, *self.text, needle, at)) != SIZE_MAX;
             at += needle.length) {
                jinja_spend(in->job, 1);
                count++;
        }
        return value_of_integer(needle.length ? count : (int64_t) tainted_characters(in->job, *self.text) + 1);
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
        struct tainted m = *self.text;
        size_t width = width_argument(in, a->values[0], "width", 0), have = tainted_characters(in->job, m);
        size_t sign = m.length && (m.bytes[0] == '-' || m.bytes[0] == '+');
        struct builder b = { .job = in->job };
        builder_add(&b, tainted_slice(m, 0, sign));
        builder_repeat(&b, TAINTED("0"), width > have ? width - have : 0);
        builder_add(&b, tainted_slice(m, sign, m.length));
        return text_value(in, builder_text(&b));
}

static struct value pad(struct interpreter *in, struct value self, const struct arguments *a, bool left) {
        struct tainted m = *self.text, fill = TAINTED(" ");
        if (a->values[1].kind != VALUE_UNDEFINED)
                fill = text_argument(in, a->values[1], "fillchar");
        size_t width = width_argument(in, a->values[0], "width", 0), have = tainted_characters(in->job, m);
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

static bool all_are(struct interpreter *in, struct tainted m, unsigned kinds) {
        jinja_spend_chars(in->job, m.length);
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
        return find_test(tainted_is(tainted_of(in->job->name), "isupper") ? TAINTED("upper") : TAINTED("lower"))
                ->call(in, self, &none);
}

/* clang-format off */
const struct callable methods_of_texts[] = {
        { .name = "strip",        .parameters = "chars",        .call = text_strip },
        { .name = "lstrip",       .parameters = "chars",        .call = text_lstrip },
        { .name = "rstrip",       .parameters = "chars",        .call = text_rstrip },
        { .name = "split",        .parameters = "sep maxsplit", .call = text_split },
        { .name = "rsplit",       .parameters = "sep maxsplit", .call = text_rsplit },
        { .name = "splitlines",   .parameters = "keepends",     .call = text_splitlines },
        { .name = "partition",    .parameters = "sep",          .call = text_partition },
        { .name = "rpartition",   .parameters = "sep",          .call = text_rpartition },
        { .name = "startswith",   .parameters = "prefix",       .call = text_startswith },
        { .name = "endswith",     .parameters = "suffix",       .call = text_endswith },
        { .name = "removeprefix", .parameters = "prefix",       .call = text_removeprefix },
        { .name = "removesuffix", .parameters = "suffix",       .call = text_removesuffix },
        { .name = "replace",      .parameters = "old new count", .call = text_replace },
        { .name = "find",         .parameters = "sub start",    .call = text_find },
        { .name = "rfind",        .parameters = "sub",          .call = text_rfind },
        { .name = "index",        .parameters = "sub start",    .call = text_index },
        { .name = "count",        .parameters = "sub",          .call = text_count },
        { .name = "join",         .parameters = "items",        .call = text_join },
        { .name = "format",       .parameters = "*",            .call = text_format },
        { .name = "upper",        .parameters = "",             .call = text_upper },
        { .name = "lower",        .parameters = "",             .call = text_lower },
        { .name = "title",        .parameters = "",             .call = text_title },
        { .name = "capitalize",   .parameters = "",             .call = text_capitalize },
        { .name = "zfill",        .parameters = "width",        .call = text_zfill },
        { .name = "ljust",        .parameters = "width fillchar", .call = text_ljust },
        { .name = "rjust",        .parameters = "width fillchar", .call = text_rjust },
        { .name = "isdigit",      .parameters = "",             .call = text_isdigit },
        { .name = "isnumeric",    .parameters = "",             .call = text_isdigit },
        { .name = "isdecimal",    .parameters = "",             .call = text_isdigit },
        { .name = "isalpha",      .parameters = "",             .call = text_isalpha },
        { .name = "isalnum",      .parameters = "",             .call = text_isalnum },
        { .name = "isspace",      .parameters = "",             .call = text_isspace },
        { .name = "isupper",      .parameters = "",             .call = text_is_case },
        { .name = "islower",      .parameters = "",             .call = text_is_case },
        { .name = NULL },
};
/* clang-format on */
