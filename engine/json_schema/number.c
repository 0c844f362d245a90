/* number.c - numbers: whole or not, between limits, multiples of one. */
#include <math.h>

#include "engine/json_schema/internal.h"

static double within(double value) {
        return value < -JSON_INTEGER_MAX ? -JSON_INTEGER_MAX : value > JSON_INTEGER_MAX ? JSON_INTEGER_MAX : value;
}

static uint32_t whole_number(struct schema_compiler *c, const struct facts *f) {
        double least = ceil(within(f->least)), most = floor(within(f->most));
        bool without_least = f->least_excluded && least == f->least, without_most = f->most_excluded && most == f->most;
        return json_number_whole(&c->digits, c->b, (int64_t) least + without_least, (int64_t) most - without_most,
                                 f->divisor ? f->divisor : 1);
}

/* SIGN and the numbers LEAST .. MOST, neither negative. A limit that is excluded and no decimal is not among them anyway. */
static uint32_t decimals(struct schema_compiler *c, const char *sign, double least, bool with_least, double most,
                         bool with_most) {
        return json_number_between(&c->digits, &c->json, c->b, sign, json_decimal_near(least, true), with_least,
                                   json_decimal_near(most, false), with_most);
}

static uint32_t any_number(struct schema_compiler *c, const struct facts *f) {
        double least = within(f->least), most = within(f->most);
        bool with_least = !(f->least_excluded && least == f->least), with_most = !(f->most_excluded && most == f->most);
        uint32_t choice = grammar_builder_choice(c->b);
        if (least > most)
                return choice;
        if (most >= 0)
                grammar_builder_add(c->b, choice,
                                    decimals(c, "", least > 0 ? least : 0, least < 0 || with_least, most, with_most));
        if (least < 0)
                grammar_builder_add(c->b, choice,
                                    decimals(c, "-", most < 0 ? -most : 0, most < 0 && with_most, -least, with_least));
        return choice;
}

uint32_t schema_number(struct schema_compiler *c, const struct facts *f) {
        bool whole = !(f->types & TYPE_DECIMAL) || f->divisor > 0;
        bool beyond = f->least > JSON_INTEGER_MAX || f->most < -JSON_INTEGER_MAX;
        if (beyond)
                schema_relax(c, f->range, "limits beyond 15 digits are not supported");
        if ((beyond || !f->range) && f->divisor <= 1)
                return grammar_builder_call(c->b, whole ? c->json.integer : c->json.number);
        if (!whole)
                return any_number(c, f);
        return beyond ? json_number_whole(&c->digits, c->b, -JSON_INTEGER_MAX, JSON_INTEGER_MAX, f->divisor) : whole_number(c, f);
}
