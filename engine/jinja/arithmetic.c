/* arithmetic.c - see interpreter.h: + - * / // % ** as Python has them, within 64 bits. */
#include <math.h>

#include "engine/jinja_value/bounds.h"
#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/print.h"

static const char *sign_of(enum node_kind operator) {
        static const char *const signs[] = {
                [NODE_ADD] = "+",           [NODE_SUBTRACT] = "-", [NODE_MULTIPLY] = "*", [NODE_DIVIDE] = "/",
                [NODE_FLOOR_DIVIDE] = "//", [NODE_MODULO] = "%",   [NODE_POWER] = "**"
        };
        return signs[operator];
}

_Noreturn static void fail_overflow(struct jinja_job *job) {
        jinja_fail(job, "a whole number does not fit into 64 bits");
}

static int64_t floor_divide(struct jinja_job *job, int64_t a, int64_t b, int64_t *ret_rest) {
        if (b == 0)
                jinja_fail(job, "something is divided by zero");
        if (a == INT64_MIN && b == -1)
                fail_overflow(job);
        int64_t quotient = a / b, rest = a % b;
        if (rest && (rest < 0) != (b < 0)) {
                quotient--;
                rest += b;
        }
        *ret_rest = rest;
        return quotient;
}

static int64_t power(struct jinja_job *job, int64_t base, int64_t exponent) {
        int64_t result = 1;
        /* Beyond 64 doublings nothing but 0, 1 and -1 stays in range, and these alternate. */
        int64_t times = exponent > 64 && (base == 0 || base == 1 || base == -1) ? 64 + exponent % 2 : exponent;
        for (int64_t i = 0; i < times; i++)
                if (__builtin_mul_overflow(result, base, &result))
                        fail_overflow(job);
        return result;
}

static struct value integers(struct jinja_job *job, enum node_kind operator, int64_t a, int64_t b) {
        int64_t result = 0, rest = 0;
        bool over = false;
        switch (operator) {
        case NODE_ADD: over = __builtin_add_overflow(a, b, &result); break;
        case NODE_SUBTRACT: over = __builtin_sub_overflow(a, b, &result); break;
        case NODE_MULTIPLY: over = __builtin_mul_overflow(a, b, &result); break;
        case NODE_FLOOR_DIVIDE: result = floor_divide(job, a, b, &rest); break;
        case NODE_MODULO: (void) floor_divide(job, a, b, &result); break;
        default: result = power(job, a, b); break;
        }
        if (over)
                fail_overflow(job);
        return value_of_integer(result);
}

static struct value floats(struct jinja_job *job, enum node_kind operator, double a, double b) {
        if (b == 0 && (operator== NODE_DIVIDE || operator== NODE_FLOOR_DIVIDE || operator== NODE_MODULO))
                jinja_fail(job, "something is divided by zero");
        switch (operator) {
        case NODE_ADD: return value_of_float(a + b);
        case NODE_SUBTRACT: return value_of_float(a - b);
        case NODE_MULTIPLY: return value_of_float(a * b);
        case NODE_DIVIDE: return value_of_float(a / b);
        case NODE_FLOOR_DIVIDE: return value_of_float(floor(a / b));
        case NODE_MODULO: {
                double rest = fmod(a, b);
                return value_of_float(rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest);
        }
        default: return value_of_float(pow(a, b));
        }
}

static struct value repeat(struct jinja_job *job, struct value what, int64_t times) {
        if (what.kind == VALUE_TEXT) {
                struct builder b = { .job = job };
                builder_repeat(&b, *what.text, times > 0 ? (size_t) times : 0);
                return value_of_text(job, builder_text(&b));
        }
        struct value made = what.kind == VALUE_LIST ? value_new_list(job) : value_new_tuple(job);
        for (int64_t t = 0; t < times && what.list->count; t++)
                for (size_t i = 0; i < what.list->count; i++)
                        value_append(job, made, what.list->items[i]);
        return made;
}

static bool is_sequence(struct value v) {
        return v.kind == VALUE_TEXT || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE;
}

static bool is_whole(struct value v) {
        return v.kind == VALUE_INTEGER || v.kind == VALUE_BOOL;
}

static int64_t whole_of(struct value v) {
        return v.kind == VALUE_BOOL ? v.truth : v.integer;
}

static struct value join_lists(struct jinja_job *job, struct value a, struct value b) {
        struct value made = a.kind == VALUE_LIST ? value_new_list(job) : value_new_tuple(job);
        for (size_t i = 0; i < a.list->count; i++)
                value_append(job, made, a.list->items[i]);
        for (size_t i = 0; i < b.list->count; i++)
                value_append(job, made, b.list->items[i]);
        return made;
}

/* Published templates add what is undefined, and what their engine gives them as a mapping, to a text. */
static bool joins_text(struct value v) {
        return v.kind == VALUE_TEXT || v.kind == VALUE_UNDEFINED || v.kind == VALUE_MAP || v.kind == VALUE_LIST;
}

static struct value join_texts(struct jinja_job *job, struct value a, struct value b) {
        struct builder made = { .job = job };
        print_string(&made, a);
        print_string(&made, b);
        return value_of_text(job, builder_text(&made));
}

struct value arithmetic(struct jinja_job *job, enum node_kind operator, struct value a, struct value b) {
        jinja_spend(job, 1);
        if (is_whole(a) && is_whole(b) && operator!= NODE_DIVIDE &&(operator!= NODE_POWER || whole_of(b) >= 0))
                return integers(job, operator, whole_of(a), whole_of(b));
        if (value_is_number(a) && value_is_number(b))
                return floats(job, operator, value_number(a), value_number(b));
        if (operator== NODE_ADD &&(a.kind == VALUE_TEXT || b.kind == VALUE_TEXT) && joins_text(a) && joins_text(b))
                return join_texts(job, a, b);
        if (operator== NODE_ADD && a.kind == b.kind && is_sequence(a))
                return join_lists(job, a, b);
        if (operator== NODE_MULTIPLY && is_sequence(a) && is_whole(b))
                return repeat(job, a, whole_of(b));
        if (operator== NODE_MULTIPLY && is_whole(a) && is_sequence(b))
                return repeat(job, b, whole_of(a));
        jinja_fail(job, "'%s' does not go between '%s' and '%s'", sign_of(operator), value_kind_name(a), value_kind_name(b));
}

struct value arithmetic_negate(struct jinja_job *job, struct value a) {
        if (a.kind == VALUE_FLOAT)
                return value_of_float(-a.number);
        return arithmetic(job, NODE_SUBTRACT, value_of_integer(0), a);
}
