/* functions.c - see interpreter.h: what a template may call by name. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/print.h"

#define TIME_BYTES 512u

static struct value function_range(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) self;
        struct value first = a->values[0], second = a->values[1];
        bool one = second.kind == VALUE_UNDEFINED;
        int64_t from = one ? 0 : integer_argument(in, first, "start", 0);
        int64_t to = integer_argument(in, one ? first : second, "stop", 0), step = integer_argument(in, a->values[2], "step", 1);
        if (step == 0)
                jinja_fail(in->job, "a step of 0 goes nowhere");
        struct value made = value_new_list(in->job);
        for (int64_t i = from; step > 0 ? i < to : i > to;) {
                if (made.list->count == JINJA_RANGE_MAX)
                        jinja_fail(in->job, "a range has more than %u numbers", JINJA_RANGE_MAX);
                value_append(in->job, made, value_of_integer(i));
                if (__builtin_add_overflow(i, step, &i))
                        break;
        }
        return made;
}

/* Members by name, and those of mappings that are given. */
static struct value members_of(struct interpreter *in, const struct arguments *a) {
        struct value made = value_new_map(in->job);
        for (size_t i = 0; i < a->count; i++) {
                struct value v = a->values[i];
                if (a->names[i].bytes) {
                        value_set(in->job, made, text_value(in, a->names[i]), v);
                } else if (v.kind == VALUE_MAP || v.kind == VALUE_NAMESPACE) {
                        for (size_t p = 0; p < v.map->count; p++)
                                value_set(in->job, made, v.map->pairs[p].key, v.map->pairs[p].value);
                } else {
                        const struct value_list *pairs = value_items(in->job, v);
                        for (size_t p = 0; p < pairs->count; p++) {
                                const struct value_list *pair = value_items(in->job, pairs->items[p]);
                                if (pair->count != 2)
                                        jinja_fail(in->job, "a member needs a key and a value");
                                value_set(in->job, made, pair->items[0], pair->items[1]);
                        }
                }
        }
        return made;
}

static struct value function_dict(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) self;
        return members_of(in, a);
}

static struct value function_namespace(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) self;
        struct value made = members_of(in, a);
        made.kind = VALUE_NAMESPACE;
        return made;
}

static struct value function_raise_exception(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) self;
        struct tainted m = print_to_text(in->job, a->values[0]);
        jinja_raise(in->job, m.bytes, m.length);
}

static struct value function_strftime_now(struct interpreter *in, struct value self, const struct arguments *a) {
        (void) self;
        struct tainted m = text_argument(in, a->values[0], "format");
        char format[TIME_BYTES / 4], text[TIME_BYTES] = "";
        struct tm now;
        time_t seconds = (time_t) in->now;
        if (m.length >= sizeof(format))
                jinja_fail(in->job, "a format of time has more than %zu bytes", sizeof(format) - 1);
        memcpy(format, m.bytes, m.length);
        format[m.length] = '\0';
        if (!localtime_r(&seconds, &now))
                jinja_fail(in->job, "the time is none that a calendar has");
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"") size_t length =
                strftime(text, sizeof(text), format, &now);
        _Pragma("GCC diagnostic pop") struct builder b = { .job = in->job };
        /* The text that a format from outside makes is from outside too. */
        builder_add(&b, (struct tainted){ .bytes = text, .length = length, .outside = m.outside || m.marks });
        return text_value(in, builder_text(&b));
}

/* clang-format off */
static const struct callable functions[] = {
        { .name = "range",           .parameters = "start stop step", .call = function_range },
        { .name = "dict",            .parameters = "*",               .call = function_dict },
        { .name = "namespace",       .parameters = "*",               .call = function_namespace },
        { .name = "raise_exception", .parameters = "message",         .call = function_raise_exception },
        { .name = "strftime_now",    .parameters = "format",          .call = function_strftime_now },
};
/* clang-format on */

const struct callable *find_function(struct tainted name) {
        for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++)
                if (tainted_is(name, functions[i].name))
                        return &functions[i];
        return NULL;
}
