/* filters.c - see interpreter.h: filters of single values; those of sequences are in filters_list.c. */
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/base/json_read.h"
#include "engine/jinja_value/bounds.h"
#include "engine/jinja/filters.h"
#include "engine/jinja_value/letter_case.h"
#include "engine/jinja_value/print.h"

static struct value convert(struct interpreter *in, struct value v, enum letter_case how) {
        return text_value(in, letter_convert(in->job, print_to_text(in->job, v), how));
}

static struct value filter_upper(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return convert(in, v, CASE_UPPER);
}

static struct value filter_lower(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return convert(in, v, CASE_LOWER);
}

static struct value filter_title(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return convert(in, v, CASE_HEADING);
}

static struct value filter_capitalize(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return convert(in, v, CASE_CAPITAL);
}

static struct value filter_trim(struct interpreter *in, struct value v, const struct arguments *a) {
        struct tainted characters = { .bytes = NULL };
        if (a->values[0].kind == VALUE_TEXT)
                characters = *a->values[0].text;
        return text_value(in, tainted_strip(in->job, print_to_text(in->job, v), characters, STRIP_LEFT | STRIP_RIGHT));
}

static struct value filter_string(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return v.kind == VALUE_TEXT ? v : text_value(in, print_to_text(in->job, v));
}

static struct value filter_default(struct interpreter *in, struct value v, const struct arguments *a) {
        bool missing = v.kind == VALUE_UNDEFINED || (value_true(a->values[1]) && !value_true(v));
        if (!missing)
                return v;
        return a->values[0].kind == VALUE_UNDEFINED ? text_value(in, TAINTED("")) : a->values[0];
}

static struct value filter_replace(struct interpreter *in, struct value v, const struct arguments *a) {
        return find_method(VALUE_TEXT, TAINTED("replace"))->call(in, filter_string(in, v, a), a);
}

/* All lines, or all but the first, WIDTH spaces (or a text) to the right; empty ones only where asked. */
static struct value filter_indent(struct interpreter *in, struct value v, const struct arguments *a) {
        struct builder spaces = { .job = in->job }, whole = { .job = in->job }, b = { .job = in->job };
        if (a->values[0].kind == VALUE_TEXT)
                builder_add(&spaces, *a->values[0].text);
        else
                builder_repeat(&spaces, TAINTED(" "), width_argument(in, a->values[0], "width", 4));
        bool first = value_true(a->values[1]), blank = value_true(a->values[2]);
        builder_add(&whole, print_to_text(in->job, v));
        builder_puts(&whole, "\n"); /* as the original does: a line end at the end begins another line */
        struct tainted m = builder_text(&whole);
        for (size_t from = 0, next, end; from < m.length; from = next) {
                end = tainted_line_end(in->job, m, from, &next);
                if (from > 0 ? blank || end > from : first)
                        builder_add(&b, builder_text(&spaces));
                builder_add(&b, tainted_slice(m, from, end));
                if (next < m.length) /* whichever line end it was */
                        builder_add(&b, (struct tainted){
                                                .bytes = "\n", .length = 1, .outside = m.marks ? m.marks[end] : m.outside });
        }
        return text_value(in, builder_text(&b));
}

static struct value filter_escape(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        static const char *const entities[] = { "&&amp;", "<&lt;", ">&gt;", "\"&#34;", "'&#39;" };
        struct tainted m = print_to_text(in->job, v);
        struct builder b = { .job = in->job };
        size_t plain = 0;
        jinja_spend_chars(in->job, m.length);
        for (size_t at = 0; at < m.length; at++)
                for (size_t i = 0; i < sizeof(entities) / sizeof(entities[0]); i++)
                        if (m.bytes[at] == entities[i][0]) {
                                builder_add(&b, tainted_slice(m, plain, at));
                                builder_puts(&b, entities[i] + 1);
                                plain = at + 1;
                        }
        builder_add(&b, tainted_slice(m, plain, m.length));
        return text_value(in, builder_text(&b));
}

/* ---- numbers ---- */

/* The text of a number, terminated; false where it is too long to be one. */
static bool number_text(struct interpreter *in, struct value v, char *out, size_t size) {
        struct tainted m =
                tainted_strip(in->job, print_to_text(in->job, v), (struct tainted){ .bytes = NULL }, STRIP_LEFT | STRIP_RIGHT);
        if (m.length == 0 || m.length >= size)
                return false;
        memcpy(out, m.bytes, m.length);
        out[m.length] = '\0';
        return strlen(out) == m.length;
}

static bool to_float(struct interpreter *in, struct value v, double *ret) {
        char text[128], *end;
        if (value_is_number(v)) {
                *ret = value_number(v);
                return true;
        }
        if (v.kind != VALUE_TEXT || !number_text(in, v, text, sizeof(text)) || strpbrk(text, "xX"))
                return false;
        *ret = strtod(text, &end);
        return !*end;
}

static struct value filter_int(struct interpreter *in, struct value v, const struct arguments *a) {
        char text[128], *end;
        int64_t base = integer_argument(in, a->values[1], "base", 10);
        struct value otherwise = a->values[0].kind == VALUE_UNDEFINED ? value_of_integer(0) : a->values[0];
        if (v.kind == VALUE_INTEGER || v.kind == VALUE_BOOL)
                return value_of_integer(v.kind == VALUE_BOOL ? v.truth : v.integer);
        if (v.kind == VALUE_TEXT && base >= 2 && base <= 36 && number_text(in, v, text, sizeof(text))) {
                errno = 0;
                long long number = strtoll(text, &end, (int) base);
                if (!*end && !errno)
                        return value_of_integer(number);
        }
        double number;
        if (!to_float(in, v, &number) || !(fabs(number) < 0x1p63))
                return otherwise;
        return value_of_integer((int64_t) number);
}

static struct value filter_float(struct interpreter *in, struct value v, const struct arguments *a) {
        double number;
        if (to_float(in, v, &number))
                return value_of_float(number);
        return a->values[0].kind == VALUE_UNDEFINED ? value_of_float(0) : a->values[0];
}

static struct value filter_abs(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        if (!value_is_number(v))
                jinja_fail(in->job, "a value of type '%s' is no number", value_kind_name(v));
        return value_number(v) < 0 ? arithmetic_negate(in->job, v) : v;
}

static struct value filter_round(struct interpreter *in, struct value v, const struct arguments *a) {
        double number;
        int64_t digits = integer_argument(in, a->values[0], "precision", 0);
        struct tainted method =
                a->values[1].kind == VALUE_UNDEFINED ? TAINTED("common") : text_argument(in, a->values[1], "method");
        if (!value_is_number(v) || digits < -300 || digits > 300)
                jinja_fail(in->job, "a value of type '%s' cannot be rounded to %lld digits", value_kind_name(v),
                           (long long) digits);
        if (v.kind != VALUE_FLOAT && digits >= 0 && tainted_is(method, "common"))
                return v;
        number = value_number(v);
        double scale = pow(10, (double) digits);
        if (tainted_is(method, "ceil"))
                return value_of_float(ceil(number * scale) / scale);
        if (tainted_is(method, "floor"))
                return value_of_float(floor(number * scale) / scale);
        return value_of_float(nearbyint(number * scale) / scale);
}

/* ---- JSON ---- */

static struct value filter_tojson(struct interpreter *in, struct value v, const struct arguments *a) {
        struct builder b = { .job = in->job }, indent = { .job = in->job };
        struct print_json how = {
                .ascii = value_true(a->values[0]), .sorted = value_true(a->values[3]), .item = TAINTED(", "), .key = TAINTED(": ")
        };
        struct value width = a->values[1], separators = a->values[2];
        if (width.kind == VALUE_TEXT) {
                how.indent = *width.text;
        } else if (width.kind != VALUE_UNDEFINED && width.kind != VALUE_NONE) {
                builder_repeat(&indent, TAINTED(" "), width_argument(in, width, "indent", 0));
                how.indent = builder_text(&indent);
        }
        if (how.indent.bytes)
                how.item = TAINTED(",");
        if (separators.kind == VALUE_LIST || separators.kind == VALUE_TUPLE) {
                if (separators.list->count != 2)
                        jinja_fail(in->job, "there are two separators, not %zu", separators.list->count);
                how.item = text_argument(in, separators.list->items[0], "separators");
                how.key = text_argument(in, separators.list->items[1], "separators");
        }
        print_json(&b, v, &how);
        return text_value(in, builder_text(&b));
}

/* The tree is the job's, since texts point into it: it is charged as what it takes. */
static struct value filter_from_json(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        struct tainted m = text_argument(in, v, "value");
        jinja_charge(in->job, 64 * m.length);
        jinja_spend(in->job, m.length);
        if (!in->job->parsed && !(in->job->parsed = cJSON_CreateArray()))
                jinja_fail_without_memory(in->job);
        errno = 0; /* the reader does not say why it gave up */
        cJSON *parsed = json_read(m.bytes, m.length, NULL);
        if (!parsed && errno == ENOMEM)
                jinja_fail_without_memory(in->job);
        if (!parsed)
                jinja_fail(in->job, "the text is no JSON");
        (void) cJSON_AddItemToArray(in->job->parsed, parsed);
        return value_of_json(in->job, parsed);
}

static struct value filter_format(struct interpreter *in, struct value v, const struct arguments *a) {
        struct value values = value_new_tuple(in->job);
        for (size_t i = 0; i < a->count; i++)
                value_append(in->job, values, a->values[i]);
        return format_percent(in, print_to_text(in->job, v), values);
}

static struct value filter_attr(struct interpreter *in, struct value v, const struct arguments *a) {
        return attribute_of(in, v, text_argument(in, a->values[0], "name"));
}

static struct value filter_wordcount(struct interpreter *in, struct value v, const struct arguments *a) {
        struct value words = find_method(VALUE_TEXT, TAINTED("split"))->call(in, filter_string(in, v, a), a);
        return value_of_integer((int64_t) words.list->count);
}

/* clang-format off */
const struct callable filters_of_values[] = {
        { .name = "upper",      .parameters = "",                                      .call = filter_upper },
        { .name = "lower",      .parameters = "",                                      .call = filter_lower },
        { .name = "title",      .parameters = "",                                      .call = filter_title },
        { .name = "capitalize", .parameters = "",                                      .call = filter_capitalize },
        { .name = "trim",       .parameters = "chars",                                 .call = filter_trim },
        { .name = "strip",      .parameters = "chars",                                 .call = filter_trim },
        { .name = "string",     .parameters = "",                                      .call = filter_string },
        { .name = "safe",       .parameters = "",                                      .call = filter_string },
        { .name = "default",    .parameters = "default_value boolean",                 .call = filter_default },
        { .name = "d",          .parameters = "default_value boolean",                 .call = filter_default },
        { .name = "replace",    .parameters = "old new count",                         .call = filter_replace },
        { .name = "indent",     .parameters = "width first blank",                     .call = filter_indent },
        { .name = "escape",     .parameters = "",                                      .call = filter_escape },
        { .name = "e",          .parameters = "",                                      .call = filter_escape },
        { .name = "int",        .parameters = "default base",                          .call = filter_int },
        { .name = "float",      .parameters = "default",                               .call = filter_float },
        { .name = "abs",        .parameters = "",                                      .call = filter_abs },
        { .name = "round",      .parameters = "precision method",                      .call = filter_round },
        { .name = "tojson",     .parameters = "ensure_ascii indent separators sort_keys", .call = filter_tojson },
        { .name = "from_json",  .parameters = "",                                      .call = filter_from_json },
        { .name = "fromjson",   .parameters = "",                                      .call = filter_from_json },
        { .name = "format",     .parameters = "*",                                     .call = filter_format },
        { .name = "attr",       .parameters = "name",                                  .call = filter_attr },
        { .name = "wordcount",  .parameters = "",                                      .call = filter_wordcount },
        { .name = NULL },
};
/* clang-format on */

const struct callable *find_filter(struct tainted name) {
        const struct callable *const tables[] = { filters_of_values, filters_of_lists };
        for (size_t t = 0; t < 2; t++)
                for (const struct callable *c = tables[t]; c->name; c++)
                        if (tainted_is(name, c->name))
                                return c;
        return NULL;
}
