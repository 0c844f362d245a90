/* print.c - see print.h. Python's float repr: the shortest digits that give the same number, exponents as in %r. */
#include "engine/jinja_value/print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/unicode/unicode.h"

/* "d.ddde+XX" with the fewest digits that read back as NUMBER; returns how many digits. */
static int shortest(double number, char out[40]) {
        for (int digits = 1; digits < 17; digits++) {
                (void) snprintf(out, 40, "%.*e", digits - 1, number);
                if (strtod(out, NULL) == number)
                        return digits;
        }
        (void) snprintf(out, 40, "%.16e", number);
        return 17;
}

void print_float(struct builder *b, double number) {
        if (isnan(number) || isinf(number)) {
                builder_puts(b, isnan(number) ? "nan" : number < 0 ? "-inf" : "inf");
                return;
        }
        char text[40];
        int digits = shortest(number, text);
        long exponent = strtol(strchr(text, 'e') + 1, NULL, 10);
        if (number == 0 || (exponent >= -4 && exponent < 16)) {
                long behind = digits - 1 - exponent;
                builder_printf(b, "%.*f", (int) (behind > 1 ? behind : 1), number);
                return;
        }
        *strchr(text, 'e') = '\0';
        builder_printf(b, "%se%c%02ld", text, exponent < 0 ? '-' : '+', labs(exponent));
}

/* Characters that Python's repr writes as escapes, since it calls them not printable. */
static bool is_unprintable(struct unicode_char c) {
        static const uint32_t ranges[][2] = {
                { 0x00, 0x1f },     { 0x7f, 0xa0 },     { 0xad, 0xad },       { 0x200b, 0x200f },
                { 0x2028, 0x202e }, { 0x2060, 0x206f }, { 0xd800, 0xf8ff },   { 0xfeff, 0xfeff },
                { 0xfff0, 0xfffb }, { 0xfffe, 0xffff }, { 0xe0000, 0xe00ff }, { 0xf0000, 0x10ffff },
        };
        if (c.codepoint == ' ')
                return false;
        for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++)
                if (c.codepoint >= ranges[i][0] && c.codepoint <= ranges[i][1])
                        return true;
        return c.kind == UNICODE_SPACE;
}

static void escape(struct builder *b, uint32_t codepoint, bool outside) {
        char text[16];
        (void) snprintf(text, sizeof(text),
                        codepoint < 0x100     ? "\\x%02x"
                        : codepoint < 0x10000 ? "\\u%04x"
                                              : "\\U%08x",
                        codepoint);
        builder_add(b, (struct tainted){ .bytes = text, .length = strlen(text), .outside = outside });
}

static bool mark_at(struct tainted m, size_t at) {
        return m.marks ? m.marks[at] : m.outside;
}

/* In single quotes, unless that would take an escape that double ones spare. */
static void repr_text(struct builder *b, struct tainted m) {
        char quote = memchr(m.bytes, '\'', m.length) && !memchr(m.bytes, '"', m.length) ? '"' : '\'';
        const char quotes[] = { quote, '\0' };
        builder_puts(b, quotes);
        jinja_spend_chars(b->job, m.length);
        size_t plain = 0; /* beginning of the stretch without escapes */
        for (size_t at = 0, step; at < m.length; at += step) {
                struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
                step = c.length;
                bool backslashed = c.codepoint == '\\' || c.codepoint == (uint32_t) quote;
                if (!backslashed && (c.codepoint == UNICODE_INVALID || !is_unprintable(c)))
                        continue;
                builder_add(b, tainted_slice(m, plain, at));
                plain = backslashed ? at : at + step;
                bool outside = mark_at(m, at);
                if (backslashed || c.codepoint == '\n' || c.codepoint == '\r' || c.codepoint == '\t') {
                        const char *pair = backslashed ? "\\" : c.codepoint == '\n' ? "\\n" : c.codepoint == '\r' ? "\\r" : "\\t";
                        builder_add(b, (struct tainted){ .bytes = pair, .length = strlen(pair), .outside = outside });
                } else {
                        escape(b, c.codepoint, outside);
                }
        }
        builder_add(b, tainted_slice(m, plain, m.length));
        builder_puts(b, quotes);
}

static void repr_list(struct builder *b, struct value v) {
        bool tuple = v.kind == VALUE_TUPLE;
        builder_puts(b, tuple ? "(" : "[");
        for (size_t i = 0; i < v.list->count; i++) {
                builder_puts(b, i ? ", " : "");
                print_repr(b, v.list->items[i]);
        }
        builder_puts(b, tuple && v.list->count == 1 ? ",)" : tuple ? ")" : "]");
}

static void repr_map(struct builder *b, const struct value_map *m) {
        builder_puts(b, "{");
        for (size_t i = 0; i < m->count; i++) {
                builder_puts(b, i ? ", " : "");
                print_repr(b, m->pairs[i].key);
                builder_puts(b, ": ");
                print_repr(b, m->pairs[i].value);
        }
        builder_puts(b, "}");
}

void print_repr(struct builder *b, struct value v) {
        jinja_spend(b->job, 1);
        jinja_enter(b->job);
        switch (v.kind) {
        case VALUE_UNDEFINED: builder_puts(b, "Undefined"); break;
        case VALUE_NONE: builder_puts(b, "None"); break;
        case VALUE_BOOL: builder_puts(b, v.truth ? "True" : "False"); break;
        case VALUE_INTEGER: builder_printf(b, "%" PRId64, v.integer); break;
        case VALUE_FLOAT: print_float(b, v.number); break;
        case VALUE_TEXT: repr_text(b, *v.text); break;
        case VALUE_LIST:
        case VALUE_TUPLE: repr_list(b, v); break;
        case VALUE_MAP: repr_map(b, v.map); break;
        default: builder_printf(b, "<%s>", value_kind_name(v)); break;
        }
        jinja_leave(b->job);
}

void print_string(struct builder *b, struct value v) {
        if (v.kind == VALUE_TEXT)
                builder_add(b, *v.text);
        else if (v.kind != VALUE_UNDEFINED)
                print_repr(b, v);
}

struct tainted print_to_text(struct jinja_job *job, struct value v) {
        if (v.kind == VALUE_TEXT)
                return *v.text;
        struct builder b = { .job = job };
        print_string(&b, v);
        return builder_text(&b);
}

/* ---- JSON ---- */

static const char *json_escape(uint32_t codepoint, char out[8]) {
        static const struct {
                char of;
                const char *escape;
        } known[] = { { '"', "\\\"" }, { '\\', "\\\\" }, { '\n', "\\n" }, { '\r', "\\r" },
                      { '\t', "\\t" }, { '\b', "\\b" },  { '\f', "\\f" } };
        for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
                if (codepoint == (uint32_t) known[i].of)
                        return known[i].escape;
        (void) snprintf(out, 8, "\\u%04x", codepoint & 0xffff);
        return out;
}

static void json_char(struct builder *b, uint32_t codepoint, bool outside) {
        char room[8];
        if (codepoint > 0xffff) { /* two of UTF-16 */
                json_char(b, 0xd800 + ((codepoint - 0x10000) >> 10), outside);
                codepoint = 0xdc00 + ((codepoint - 0x10000) & 0x3ff);
        }
        const char *escaped = json_escape(codepoint, room);
        builder_add(b, (struct tainted){ .bytes = escaped, .length = strlen(escaped), .outside = outside });
}

static void json_text(struct builder *b, struct tainted m, bool ascii) {
        builder_puts(b, "\"");
        jinja_spend_chars(b->job, m.length);
        size_t plain = 0;
        for (size_t at = 0, step; at < m.length; at += step) {
                struct unicode_char c = unicode_char_at(m.bytes + at, m.length - at);
                step = c.length;
                bool escaped = c.codepoint < 0x20 || c.codepoint == '"' || c.codepoint == '\\' ||
                               (ascii && c.codepoint >= 0x7f && c.codepoint != UNICODE_INVALID);
                if (!escaped)
                        continue;
                builder_add(b, tainted_slice(m, plain, at));
                json_char(b, c.codepoint, mark_at(m, at));
                plain = at + step;
        }
        builder_add(b, tainted_slice(m, plain, m.length));
        builder_puts(b, "\"");
}

static void json_line(struct builder *b, const struct print_json *how, size_t level) {
        if (!how->indent.bytes)
                return;
        builder_puts(b, "\n");
        builder_repeat(b, how->indent, level);
}

static void json_key(struct builder *b, struct value key, const struct print_json *how) {
        struct builder text = { .job = b->job };
        if (key.kind == VALUE_TEXT)
                builder_add(&text, *key.text);
        else if (key.kind == VALUE_NONE || key.kind == VALUE_BOOL)
                builder_puts(&text, key.kind == VALUE_NONE ? "null" : key.truth ? "true" : "false");
        else
                print_repr(&text, key);
        json_text(b, builder_text(&text), how->ascii);
        builder_add(b, how->key);
}

static void json_value(struct builder *b, struct value v, const struct print_json *how, size_t level);

static void json_map(struct builder *b, const struct value_map *m, const struct print_json *how, size_t level) {
        struct value_pair *pairs = m->pairs;
        if (how->sorted && m->count > 1) {
                pairs = jinja_take(b->job, m->count, sizeof(*pairs));
                memcpy(pairs, m->pairs, m->count * sizeof(*pairs));
                /* By insertion: a mapping that is sorted is a schema, and those are short; it pays by the step. */
                for (size_t i = 1; i < m->count; i++)
                        for (size_t at = i; at > 0 && value_compare(b->job, pairs[at - 1].key, pairs[at].key) > 0; at--) {
                                struct value_pair swapped = pairs[at];
                                pairs[at] = pairs[at - 1];
                                pairs[at - 1] = swapped;
                        }
        }
        builder_puts(b, "{");
        for (size_t i = 0; i < m->count; i++) {
                if (i)
                        builder_add(b, how->item);
                json_line(b, how, level + 1);
                json_key(b, pairs[i].key, how);
                json_value(b, pairs[i].value, how, level + 1);
        }
        if (m->count)
                json_line(b, how, level);
        builder_puts(b, "}");
}

static void json_list(struct builder *b, const struct value_list *l, const struct print_json *how, size_t level) {
        builder_puts(b, "[");
        for (size_t i = 0; i < l->count; i++) {
                if (i)
                        builder_add(b, how->item);
                json_line(b, how, level + 1);
                json_value(b, l->items[i], how, level + 1);
        }
        if (l->count)
                json_line(b, how, level);
        builder_puts(b, "]");
}

static void json_float(struct builder *b, double number) {
        if (isnan(number) || isinf(number))
                builder_puts(b, isnan(number) ? "NaN" : number < 0 ? "-Infinity" : "Infinity");
        else
                print_float(b, number);
}

static void json_value(struct builder *b, struct value v, const struct print_json *how, size_t level) {
        jinja_spend(b->job, 1);
        jinja_enter(b->job);
        switch (v.kind) {
        case VALUE_NONE: builder_puts(b, "null"); break;
        case VALUE_BOOL: builder_puts(b, v.truth ? "true" : "false"); break;
        case VALUE_INTEGER: builder_printf(b, "%" PRId64, v.integer); break;
        case VALUE_FLOAT: json_float(b, v.number); break;
        case VALUE_TEXT: json_text(b, *v.text, how->ascii); break;
        case VALUE_LIST:
        case VALUE_TUPLE: json_list(b, v.list, how, level); break;
        case VALUE_MAP: json_map(b, v.map, how, level); break;
        default: jinja_fail(b->job, "a value of type '%s' cannot be written as JSON", value_kind_name(v));
        }
        jinja_leave(b->job);
}

void print_json(struct builder *b, struct value v, const struct print_json *how) {
        json_value(b, v, how, 0);
}
