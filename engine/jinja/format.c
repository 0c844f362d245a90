/*
 * format.c - see interpreter.h: Python's two ways of putting values into a text, "%s" % value and "{}".format(value).
 *
 * One conversion has a fill, an alignment, a width, a precision and a type; both notations are read into it.
 */
#include <ctype.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/print.h"

struct conversion {
        struct tainted fill;
        char align; /* '<', '>', '^', '=', or 0: as the type has it */
        char sign;  /* '+', ' ', or 0 */
        bool alternative, comma;
        size_t width, precision;
        bool has_precision;
        char type; /* 0: none given */
};

#define NUMBER_BYTES 400u /* the largest double has 309 digits before its point */

static void add_padded(struct builder *b, struct tainted m, const struct conversion *c, bool number) {
        size_t have = tainted_characters(b->job, m), missing = c->width > have ? c->width - have : 0;
        char align = c->align ? c->align : number ? '>' : '<';
        size_t before = align == '>' ? missing : align == '^' ? missing / 2 : 0, sign = 0;
        struct tainted fill = c->fill.bytes ? c->fill : TAINTED(" ");
        if (align == '=') { /* between the sign and the digits */
                sign = m.length && (m.bytes[0] == '-' || m.bytes[0] == '+' || m.bytes[0] == ' ');
                before = missing;
        }
        builder_add(b, tainted_slice(m, 0, sign));
        builder_repeat(b, fill, before);
        builder_add(b, tainted_slice(m, sign, m.length));
        builder_repeat(b, fill, missing - before);
}

/* DIGITS with a comma after each three before the point. */
static void add_commas(struct builder *b, const char *digits) {
        size_t whole = strspn(digits + (*digits == '-'), "0123456789") + (*digits == '-');
        for (size_t i = 0; i < whole; i++) {
                if (i > (size_t) (*digits == '-') && (whole - i) % 3 == 0)
                        builder_puts(b, ",");
                builder_add(b, (struct tainted){ .bytes = digits + i, .length = 1 });
        }
        builder_puts(b, digits + whole);
}

static void format_integer(int64_t number, const struct conversion *c, char out[NUMBER_BYTES]) {
        uint64_t size = number < 0 ? -(uint64_t) number : (uint64_t) number;
        const char *minus = number < 0 ? "-" : "";
        if (c->type == 'x' || c->type == 'X')
                (void) snprintf(out, NUMBER_BYTES, c->type == 'x' ? "%s%s%" PRIx64 : "%s%s%" PRIX64, minus,
                                c->alternative ? "0x" : "", size);
        else if (c->type == 'o')
                (void) snprintf(out, NUMBER_BYTES, "%s%s%" PRIo64, minus, c->alternative ? "0o" : "", size);
        else if (c->type == 'b') {
                char bits[65] = { 0 };
                int first = 64;
                do
                        bits[--first] = (char) ('0' + size % 2);
                while (size /= 2);
                (void) snprintf(out, NUMBER_BYTES, "%s%s%s", minus, c->alternative ? "0b" : "", bits + first);
        } else
                (void) snprintf(out, NUMBER_BYTES, "%s%" PRIu64, minus, size);
}

static void format_double(struct interpreter *in, double number, const struct conversion *c, char out[NUMBER_BYTES]) {
        size_t precision = c->has_precision ? c->precision : 6;
        if (precision > 60)
                jinja_fail(in->job, "a number cannot be written with %zu digits", precision);
        const char form[] = { '%', '.', '*', c->type == '%' ? 'f' : c->type, '\0' };
        _Pragma("GCC diagnostic push") _Pragma("GCC diagnostic ignored \"-Wformat-nonliteral\"")(void)
                snprintf(out, NUMBER_BYTES - 1, form, (int) precision, c->type == '%' ? number * 100 : number);
        _Pragma("GCC diagnostic pop") if (c->type == '%') strcat(out, "%");
}

static void add_number(struct interpreter *in, struct builder *b, struct value v, struct conversion c) {
        char digits[NUMBER_BYTES];
        struct builder text = { .job = in->job };
        bool whole = v.kind != VALUE_FLOAT;
        if (c.sign)
                builder_puts(&text, value_number(v) < 0 ? "" : c.sign == '+' ? "+" : " ");
        if (c.type && strchr("eEfFgG%", c.type)) {
                format_double(in, value_number(v), &c, digits);
        } else if (whole) {
                format_integer(v.kind == VALUE_BOOL ? v.truth : v.integer, &c, digits);
        } else {
                struct builder shortest = { .job = in->job };
                print_float(&shortest, v.number);
                struct tainted m = builder_text(&shortest);
                (void) snprintf(digits, sizeof(digits), "%.*s", (int) m.length, m.bytes);
        }
        if (c.comma)
                add_commas(&text, digits);
        else
                builder_puts(&text, digits);
        add_padded(b, builder_text(&text), &c, true);
}

static void add_text(struct interpreter *in, struct builder *b, struct tainted m, const struct conversion *c) {
        if (c->has_precision) {
                size_t end = 0;
                for (size_t i = 0; i < c->precision && end < m.length; i++)
                        end += tainted_step(m, end);
                m = tainted_slice(m, 0, end);
        }
        (void) in;
        add_padded(b, m, c, false);
}

/* ---- "%d" ---- */

static size_t take_width(struct interpreter *in, struct tainted f, size_t *at) {
        size_t width = 0;
        for (; *at < f.length && isdigit((unsigned char) f.bytes[*at]); (*at)++)
                if ((width = width * 10 + (size_t) (f.bytes[*at] - '0')) > JINJA_WIDTH_MAX)
                        jinja_fail(in->job, "a format asks for more than %u characters", JINJA_WIDTH_MAX);
        return width;
}

static struct conversion read_percent(struct interpreter *in, struct tainted f, size_t *at) {
        struct conversion c = { .align = '>' };
        for (; *at < f.length && strchr("-+ #0", f.bytes[*at]); (*at)++) {
                char flag = f.bytes[*at];
                if (flag == '-')
                        c.align = '<';
                else if (flag == '0' && c.align != '<') {
                        c.fill = TAINTED("0");
                        c.align = '=';
                } else if (flag == '+' || flag == ' ')
                        c.sign = flag;
                else
                        c.alternative = true;
        }
        c.width = take_width(in, f, at);
        if (*at < f.length && f.bytes[*at] == '.') {
                (*at)++;
                c.has_precision = true;
                c.precision = take_width(in, f, at);
        }
        if (*at == f.length)
                jinja_fail(in->job, "a format ends within a conversion");
        c.type = f.bytes[(*at)++];
        return c;
}

static void add_percent(struct interpreter *in, struct builder *b, struct value v, struct conversion c) {
        if (c.type == 's' || c.type == 'r') {
                struct builder repr = { .job = in->job };
                if (c.type == 'r')
                        print_repr(&repr, v);
                add_text(in, b, c.type == 'r' ? builder_text(&repr) : print_to_text(in->job, v), &c);
                return;
        }
        if (!strchr("diuxXoeEfFgG", c.type) || !value_is_number(v))
                jinja_fail(in->job, "'%%%c' does not take a value of type '%s'", isprint((unsigned char) c.type) ? c.type : '?',
                           value_kind_name(v));
        if (strchr("diu", c.type)) {
                if (v.kind == VALUE_FLOAT && !(fabs(v.number) < 0x1p63))
                        jinja_fail(in->job, "a number does not fit into 64 bits");
                v = v.kind == VALUE_FLOAT ? value_of_integer((int64_t) v.number) : v;
                c.type = 'd';
        }
        if (strchr("xXo", c.type) && v.kind == VALUE_FLOAT)
                jinja_fail(in->job, "'%%%c' takes whole numbers", c.type);
        add_number(in, b, v, c);
}

/* The key in "%(key)s", or bytes NULL. */
static struct tainted take_key(struct interpreter *in, struct tainted f, size_t *at) {
        if (*at >= f.length || f.bytes[*at] != '(')
                return (struct tainted){ .bytes = NULL };
        size_t close = tainted_find(in->job, f, TAINTED(")"), *at);
        if (close == SIZE_MAX)
                jinja_fail(in->job, "a key in a format is not closed");
        struct tainted key = tainted_slice(f, *at + 1, close);
        *at = close + 1;
        return key;
}

struct value format_percent(struct interpreter *in, struct tainted f, struct value values) {
        struct builder b = { .job = in->job };
        size_t next = 0, count = values.kind == VALUE_TUPLE ? values.list->count : 1;
        for (size_t at = 0; at < f.length;) {
                size_t percent = tainted_find(in->job, f, TAINTED("%"), at);
                if (percent == SIZE_MAX)
                        percent = f.length;
                builder_add(&b, tainted_slice(f, at, percent));
                at = percent + 1;
                if (percent == f.length)
                        break;
                if (at < f.length && f.bytes[at] == '%') {
                        builder_puts(&b, "%");
                        at++;
                        continue;
                }
                struct tainted key = take_key(in, f, &at);
                struct conversion c = read_percent(in, f, &at);
                struct value v;
                if (key.bytes) {
                        v = subscript_of(in, values, text_value(in, key));
                } else {
                        if (next == count)
                                jinja_fail(in->job, "a format has more conversions than the %zu values", count);
                        v = values.kind == VALUE_TUPLE ? values.list->items[next] : values;
                        next++;
                }
                add_percent(in, &b, v, c);
        }
        if (next < count && values.kind != VALUE_MAP)
                jinja_fail(in->job, "a format leaves values over");
        return text_value(in, builder_text(&b));
}

/* ---- "{}" ---- */

static struct conversion read_braces(struct interpreter *in, struct tainted f) {
        struct conversion c = { .fill = { .bytes = NULL } };
        size_t at = 0, step = f.length ? tainted_step(f, 0) : 0;
        if (f.length > step && strchr("<>^=", f.bytes[step])) {
                c.fill = tainted_slice(f, 0, step);
                c.align = f.bytes[step];
                at = step + 1;
        } else if (f.length && strchr("<>^=", f.bytes[0])) {
                c.align = f.bytes[at++];
        }
        if (at < f.length && strchr("+- ", f.bytes[at])) {
                c.sign = f.bytes[at] == '-' ? '\0' : f.bytes[at];
                at++;
        }
        if (at < f.length && f.bytes[at] == '#') {
                c.alternative = true;
                at++;
        }
        if (at < f.length && f.bytes[at] == '0' && !c.align) {
                c.fill = TAINTED("0");
                c.align = '=';
        }
        c.width = take_width(in, f, &at);
        if (at < f.length && f.bytes[at] == ',') {
                c.comma = true;
                at++;
        }
        if (at < f.length && f.bytes[at] == '.') {
                at++;
                c.has_precision = true;
                c.precision = take_width(in, f, &at);
        }
        if (at < f.length)
                c.type = f.bytes[at++];
        if (at < f.length || (c.type && !strchr("sdxXobeEfFgG%n", c.type)))
                jinja_fail(in->job, "a format '%.*s' is not known", (int) (f.length < 40 ? f.length : 40), f.bytes);
        return c;
}

static void add_braces(struct interpreter *in, struct builder *b, struct value v, struct tainted spec, bool repr) {
        if (repr) {
                struct builder text = { .job = in->job };
                print_repr(&text, v);
                v = text_value(in, builder_text(&text));
        }
        struct conversion c = read_braces(in, spec);
        if (value_is_number(v) && c.type != 's' && (v.kind != VALUE_BOOL || c.type)) {
                if (v.kind == VALUE_FLOAT && c.type && strchr("dxXob", c.type))
                        jinja_fail(in->job, "'%c' takes whole numbers", c.type);
                if (v.kind == VALUE_FLOAT && !c.type && c.has_precision)
                        c.type = 'g';
                add_number(in, b, v, c);
                return;
        }
        if (c.type && c.type != 's')
                jinja_fail(in->job, "'%c' does not take a value of type '%s'", c.type, value_kind_name(v));
        add_text(in, b, print_to_text(in->job, v), &c);
}

/* The value that FIELD ("", "0", "name", "name.member") names; *NEXT counts those without a name. */
static struct value field_value(struct interpreter *in, struct tainted field, const struct arguments *a, size_t *next) {
        size_t dot = tainted_find(in->job, field, TAINTED("."), 0);
        struct tainted name = tainted_slice(field, 0, dot == SIZE_MAX ? field.length : dot);
        size_t place = 0, i = 0;
        bool digits = true;
        for (size_t c = 0; c < name.length; c++) {
                digits = digits && isdigit((unsigned char) name.bytes[c]) && c < 6;
                place = place * 10 + (size_t) (name.bytes[c] - '0');
        }
        if (name.length == 0)
                place = (*next)++;
        for (; i < a->count; i++)
                if (digits ? !a->names[i].bytes && i == place : a->names[i].bytes && tainted_equals(a->names[i], name))
                        break;
        if (i == a->count)
                jinja_fail(in->job, "there is no value for {%.*s}", (int) (field.length < 40 ? field.length : 40), field.bytes);
        if (dot == SIZE_MAX)
                return a->values[i];
        return path_of(in, a->values[i], text_value(in, tainted_slice(field, dot + 1, field.length)));
}

static void add_field(struct interpreter *in, struct builder *b, struct tainted inside, const struct arguments *a, size_t *next) {
        size_t colon = tainted_find(in->job, inside, TAINTED(":"), 0);
        struct tainted field = tainted_slice(inside, 0, colon == SIZE_MAX ? inside.length : colon);
        struct tainted spec = colon == SIZE_MAX ? TAINTED("") : tainted_slice(inside, colon + 1, inside.length);
        bool repr = tainted_ends(field, TAINTED("!r")), string = tainted_ends(field, TAINTED("!s"));
        if (repr || string)
                field = tainted_slice(field, 0, field.length - 2);
        add_braces(in, b, field_value(in, field, a, next), spec, repr);
}

struct value format_braces(struct interpreter *in, struct tainted f, const struct arguments *a) {
        struct builder b = { .job = in->job };
        size_t next = 0, plain = 0;
        for (size_t at = 0; at < f.length; at++) {
                char c = f.bytes[at];
                if (c != '{' && c != '}')
                        continue;
                builder_add(&b, tainted_slice(f, plain, at));
                bool doubled = at + 1 < f.length && f.bytes[at + 1] == c;
                if (doubled) {
                        builder_add(&b, tainted_slice(f, at, at + 1));
                        plain = at += 1;
                        plain++;
                        continue;
                }
                size_t close = c == '{' ? tainted_find(in->job, f, TAINTED("}"), at) : SIZE_MAX;
                if (close == SIZE_MAX)
                        jinja_fail(in->job, "a brace in a format has no other");
                jinja_spend(in->job, 1);
                add_field(in, &b, tainted_slice(f, at + 1, close), a, &next);
                at = close;
                plain = close + 1;
        }
        builder_add(&b, tainted_slice(f, plain, f.length));
        return text_value(in, builder_text(&b));
}
