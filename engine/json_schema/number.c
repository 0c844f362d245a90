/* number.c - numbers: whole or not, between limits, multiples of one. */
#include <math.h>

#include "engine/json_schema/internal.h"

/* The limits as whole numbers, tightened where they are none. False when nothing can lie between them. */
struct limits {
        int64_t least, most;
        bool with_least, with_most;
};

static struct limits limits_of(const struct facts *f) {
        double least = f->least < -JSON_INTEGER_MAX  ? -JSON_INTEGER_MAX
                       : f->least > JSON_INTEGER_MAX ? JSON_INTEGER_MAX
                                                     : f->least;
        double most = f->most > JSON_INTEGER_MAX ? JSON_INTEGER_MAX : f->most < -JSON_INTEGER_MAX ? -JSON_INTEGER_MAX : f->most;
        return (struct limits){
                .least = (int64_t) ceil(least),
                .most = (int64_t) floor(most),
                .with_least = !(f->least_excluded && ceil(least) == least),
                .with_most = !(f->most_excluded && floor(most) == most),
        };
}

uint32_t schema_number(struct schema_compiler *c, const struct facts *f) {
        bool whole = !(f->types & TYPE_DECIMAL) || f->divisor > 0;
        if (!f->range && f->divisor <= 1)
                return grammar_builder_call(c->b, whole ? c->json.integer : c->json.number);
        if (f->least > JSON_INTEGER_MAX || f->most < -JSON_INTEGER_MAX)
                schema_refuse(c, f->range, "limits beyond 15 digits are not supported");
        struct limits l = limits_of(f);
        if (whole)
                return json_number_whole(&c->digits, c->b, l.least + !l.with_least, l.most - !l.with_most,
                                         f->divisor ? f->divisor : 1);
        if (l.least > l.most && f->least <= f->most)
                schema_refuse(c, f->range, "limits of a number are supported only with a whole number between them");
        return json_number_any(&c->digits, &c->json, c->b, l.least, l.with_least, l.most, l.with_most);
}
