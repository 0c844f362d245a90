/* tests.c - see interpreter.h: what stands behind "is". */
#include <math.h>
#include <string.h>

#include "engine/jinja/interpreter.h"
#include "engine/jinja_value/letter_case.h"
#include "engine/unicode/unicode.h"

#define TEST(what, condition)                                                                                \
        static struct value test_##what(struct interpreter *in, struct value v, const struct arguments *a) { \
                (void) in, (void) v, (void) a;                                                               \
                return value_of_bool(condition);                                                             \
        }

TEST(defined, v.kind != VALUE_UNDEFINED)
TEST(undefined, v.kind == VALUE_UNDEFINED)
TEST(none, v.kind == VALUE_NONE)
TEST(boolean, v.kind == VALUE_BOOL)
TEST(true, v.kind == VALUE_BOOL && v.truth)
TEST(false, v.kind == VALUE_BOOL && !v.truth)
TEST(integer, v.kind == VALUE_INTEGER)
TEST(float, v.kind == VALUE_FLOAT)
TEST(number, value_is_number(v))
TEST(string, v.kind == VALUE_TEXT)
TEST(mapping, v.kind == VALUE_MAP)
TEST(iterable,
     v.kind == VALUE_UNDEFINED || v.kind == VALUE_TEXT || v.kind == VALUE_LIST || v.kind == VALUE_TUPLE || v.kind == VALUE_MAP)
TEST(callable, v.kind == VALUE_CALLABLE || v.kind == VALUE_LOOP)
TEST(equal, value_equals(in->job, v, a->values[0]))
TEST(unequal, !value_equals(in->job, v, a->values[0]))
TEST(less, value_compare(in->job, v, a->values[0]) < 0)
TEST(at_most, value_compare(in->job, v, a->values[0]) <= 0)
TEST(greater, value_compare(in->job, v, a->values[0]) > 0)
TEST(at_least, value_compare(in->job, v, a->values[0]) >= 0)
TEST(in, value_contains(in->job, a->values[0], v))
TEST(filter, v.kind == VALUE_TEXT && find_filter(*v.text) != NULL)
TEST(test, v.kind == VALUE_TEXT && find_test(*v.text) != NULL)
TEST(never, false)

/* By identity: constants that are equal, or the very same list. */
static struct value test_sameas(struct interpreter *in, struct value v, const struct arguments *a) {
        struct value other = a->values[0];
        bool shared = v.kind == VALUE_LIST || v.kind == VALUE_MAP || v.kind == VALUE_NAMESPACE;
        return value_of_bool(v.kind == other.kind && (shared ? v.map == other.map : value_equals(in->job, v, other)));
}

static bool divides(struct interpreter *in, struct value v, struct value by, int64_t rest) {
        struct value left = arithmetic(in->job, NODE_MODULO, v, by);
        return value_number(left) == (double) rest;
}

static struct value test_divisibleby(struct interpreter *in, struct value v, const struct arguments *a) {
        return value_of_bool(divides(in, v, a->values[0], 0));
}

static struct value test_even(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return value_of_bool(divides(in, v, value_of_integer(2), 0));
}

static struct value test_odd(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return value_of_bool(divides(in, v, value_of_integer(2), 1));
}

static struct value is_case(struct interpreter *in, struct value v, enum letter_case how) {
        struct tainted m = text_argument(in, v, "value");
        struct tainted other = letter_convert(in->job, m, how == CASE_UPPER ? CASE_LOWER : CASE_UPPER);
        return value_of_bool(tainted_equals(letter_convert(in->job, m, how), m) && !tainted_equals(m, other));
}

static struct value test_lower(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return is_case(in, v, CASE_LOWER);
}

static struct value test_upper(struct interpreter *in, struct value v, const struct arguments *a) {
        (void) a;
        return is_case(in, v, CASE_UPPER);
}

/* clang-format off */
static const struct callable tests[] = {
        { .name = "defined",     .parameters = "",      .call = test_defined },
        { .name = "undefined",   .parameters = "",      .call = test_undefined },
        { .name = "none",        .parameters = "",      .call = test_none },
        { .name = "boolean",     .parameters = "",      .call = test_boolean },
        { .name = "true",        .parameters = "",      .call = test_true },
        { .name = "false",       .parameters = "",      .call = test_false },
        { .name = "integer",     .parameters = "",      .call = test_integer },
        { .name = "float",       .parameters = "",      .call = test_float },
        { .name = "number",      .parameters = "",      .call = test_number },
        { .name = "string",      .parameters = "",      .call = test_string },
        { .name = "mapping",     .parameters = "",      .call = test_mapping },
        { .name = "iterable",    .parameters = "",      .call = test_iterable },
        { .name = "sequence",    .parameters = "",      .call = test_iterable },
        { .name = "callable",    .parameters = "",      .call = test_callable },
        { .name = "lower",       .parameters = "",      .call = test_lower },
        { .name = "upper",       .parameters = "",      .call = test_upper },
        { .name = "odd",         .parameters = "",      .call = test_odd },
        { .name = "even",        .parameters = "",      .call = test_even },
        { .name = "divisibleby", .parameters = "num",   .call = test_divisibleby },
        { .name = "sameas",      .parameters = "other", .call = test_sameas },
        { .name = "eq",          .parameters = "other", .call = test_equal },
        { .name = "equalto",     .parameters = "other", .call = test_equal },
        { .name = "==",          .parameters = "other", .call = test_equal },
        { .name = "ne",          .parameters = "other", .call = test_unequal },
        { .name = "!=",          .parameters = "other", .call = test_unequal },
        { .name = "lt",          .parameters = "other", .call = test_less },
        { .name = "lessthan",    .parameters = "other", .call = test_less },
        { .name = "<",           .parameters = "other", .call = test_less },
        { .name = "le",          .parameters = "other", .call = test_at_most },
        { .name = "<=",          .parameters = "other", .call = test_at_most },
        { .name = "gt",          .parameters = "other", .call = test_greater },
        { .name = "greaterthan", .parameters = "other", .call = test_greater },
        { .name = ">",           .parameters = "other", .call = test_greater },
        { .name = "ge",          .parameters = "other", .call = test_at_least },
        { .name = ">=",          .parameters = "other", .call = test_at_least },
        { .name = "in",          .parameters = "seq",   .call = test_in },
        { .name = "filter",      .parameters = "",      .call = test_filter },
        { .name = "test",        .parameters = "",      .call = test_test },
        { .name = "escaped",     .parameters = "",      .call = test_never },
};
/* clang-format on */

const struct callable *find_test(struct tainted name) {
        for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
                if (tainted_is(name, tests[i].name))
                        return &tests[i];
        return NULL;
}
