/* json_number.c - see json_number.h. Numbers fall into those of as many digits, and these into what they share with a limit. */
#include "engine/json_schema/json_number.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX 16u

/* Whole numbers, without sign, zeros at the end and zero itself. */
struct whole {
        struct grammar_builder *b;
        uint32_t step;   /* divides them */
        int64_t unit;    /* a power of ten: the zeros */
        uint32_t *rules; /* for COUNT digits behind a remainder REST, at COUNT * step + REST; 0: none yet */
};

/* DIVISOR without the zeros at its end; *ret_unit: these. */
static uint32_t step_of(uint32_t divisor, int64_t *ret_unit) {
        *ret_unit = 1;
        for (; divisor % 10 == 0; divisor /= 10)
                *ret_unit *= 10;
        return divisor;
}

bool json_number_divides(uint64_t divisor) {
        int64_t unit;
        return divisor >= 1 && divisor <= JSON_DIVISOR_MAX && step_of((uint32_t) divisor, &unit) <= JSON_STEP_MAX;
}

void json_digits_done(struct json_digits *d) {
        for (uint32_t step = 0; step <= JSON_STEP_MAX; step++)
                free(d->rules[step]);
        *d = (struct json_digits){ 0 };
}

static struct whole whole_of(struct json_digits *d, struct grammar_builder *b, uint32_t divisor) {
        struct whole w = { .b = b };
        w.step = step_of(divisor, &w.unit);
        if (w.step > 1 && !d->rules[w.step])
                d->rules[w.step] = calloc(DIGITS_MAX * (size_t) w.step, sizeof(*w.rules));
        w.rules = d->rules[w.step];
        if (w.step > 1 && !w.rules && !b->broken)
                b->broken = -ENOMEM;
        return w;
}

static uint32_t rest_of(const struct whole *w, const char *text, uint32_t length) {
        uint32_t rest = 0;
        for (uint32_t i = 0; i < length; i++)
                rest = (rest * 10 + (uint32_t) (text[i] - '0')) % w->step;
        return rest;
}

/* COUNT digits behind others that leave REST, so that nothing is left. */
static uint32_t digits_behind(struct whole *w, uint32_t rest, uint32_t count) {
        if (w->step == 1)
                return grammar_builder_repeat(w->b, grammar_builder_range(w->b, '0', '9'), count, count);
        if (count == 0)
                return rest ? grammar_builder_choice(w->b) : grammar_builder_sequence(w->b);
        if (!w->rules)
                return 0; /* broken */
        uint32_t *known = &w->rules[count * w->step + rest];
        if (*known)
                return grammar_builder_call(w->b, *known);
        uint32_t choice = grammar_builder_choice(w->b), rule = *known = grammar_builder_rule(w->b, "digits", 6);
        for (uint32_t digit = 0; digit < 10; digit++) {
                uint32_t e = grammar_builder_sequence(w->b);
                grammar_builder_add(w->b, e, grammar_builder_range(w->b, '0' + digit, '0' + digit));
                grammar_builder_add(w->b, e, digits_behind(w, (rest * 10 + digit) % w->step, count - 1));
                grammar_builder_add(w->b, choice, e);
        }
        grammar_builder_set_body(w->b, rule, choice);
        return grammar_builder_call(w->b, rule);
}

/* CHOICE gets PREFIX digits of TEXT, then one of FIRST .. LAST, then COUNT any. */
static void add_digits(struct whole *w, uint32_t choice, const char *text, uint32_t prefix, int first, int last, uint32_t count) {
        for (int digit = first, to; digit <= last; digit = to + 1) {
                char next = (char) digit;
                to = w->step == 1 ? last : digit; /* without remainders all are alike */
                uint32_t rest = (rest_of(w, text, prefix) * 10 + rest_of(w, &next, 1)) % w->step;
                uint32_t e = grammar_builder_sequence(w->b);
                grammar_builder_add(w->b, e, grammar_builder_text(w->b, text, prefix));
                grammar_builder_add(w->b, e, grammar_builder_range(w->b, (uint32_t) digit, (uint32_t) to));
                grammar_builder_add(w->b, e, digits_behind(w, rest, count));
                grammar_builder_add(w->b, choice, e);
        }
}

static void add_one(struct whole *w, uint32_t choice, const char *text) {
        if (rest_of(w, text, (uint32_t) strlen(text)) == 0)
                grammar_builder_add(w->b, choice, grammar_builder_literal(w->b, text));
}

/* Numbers of as many digits as LEAST and MOST have, from one to the other. */
static void add_same_length(struct whole *w, uint32_t choice, const char *least, const char *most) {
        uint32_t length = (uint32_t) strlen(least), same = 0;
        while (same < length && least[same] == most[same])
                same++;
        if (same == length) {
                add_one(w, choice, least);
                return;
        }
        int first = least[same], last = most[same];
        if (strspn(least + same + 1, "0") + same + 1 < length) { /* those that share more with the least, and go over it later */
                add_one(w, choice, least);
                for (uint32_t i = same + 1; i < length; i++)
                        add_digits(w, choice, least, i, least[i] + 1, '9', length - i - 1);
                first++;
        }
        if (strspn(most + same + 1, "9") + same + 1 < length) { /* and below the most */
                for (uint32_t i = same + 1; i < length; i++)
                        add_digits(w, choice, most, i, '0', most[i] - 1, length - i - 1);
                add_one(w, choice, most);
                last--;
        }
        add_digits(w, choice, least, same, first, last, length - same - 1);
}

/* Numbers from LEAST to MOST, neither negative. */
static void add_sizes(struct whole *w, uint32_t choice, int64_t least, int64_t most) {
        int64_t power = 10; /* the least number of more digits than `from` has */
        for (int64_t from = least; from <= most; from = power, power *= 10) {
                while (power <= from)
                        power *= 10;
                int64_t to = most < power ? most : power - 1;
                char low[DIGITS_MAX + 8], high[DIGITS_MAX + 8];
                (void) snprintf(low, sizeof(low), "%" PRId64, from);
                (void) snprintf(high, sizeof(high), "%" PRId64, to);
                add_same_length(w, choice, low, high);
        }
}

static int64_t greater(int64_t a, int64_t b) {
        return a > b ? a : b;
}

static int64_t lesser(int64_t a, int64_t b) {
        return a < b ? a : b;
}

/* SIGN and a number from LEAST to MOST, LEAST > 0. */
static void add_signed(struct whole *w, uint32_t choice, const char *sign, int64_t least, int64_t most) {
        char zeros[DIGITS_MAX + 8];
        int64_t first = (least + w->unit - 1) / w->unit, last = most / w->unit;
        if (most < least || last < first)
                return;
        (void) snprintf(zeros, sizeof(zeros), "%" PRId64, w->unit);
        uint32_t e = grammar_builder_sequence(w->b), size = grammar_builder_choice(w->b);
        add_sizes(w, size, first, last);
        grammar_builder_add(w->b, e, grammar_builder_literal(w->b, sign));
        grammar_builder_add(w->b, e, size);
        grammar_builder_add(w->b, e, grammar_builder_literal(w->b, zeros + 1));
        grammar_builder_add(w->b, choice, e);
}

uint32_t json_number_whole(struct json_digits *d, struct grammar_builder *b, int64_t least, int64_t most, uint32_t divisor) {
        assert(least >= -JSON_INTEGER_MAX && most <= JSON_INTEGER_MAX);
        struct whole w = whole_of(d, b, divisor);
        uint32_t choice = grammar_builder_choice(b);
        if (least <= 0 && most >= 0)
                grammar_builder_add(b, choice, grammar_builder_literal(b, "0"));
        add_signed(&w, choice, "", greater(least, 1), most);
        add_signed(&w, choice, "-", greater(-most, 1), -least);
        return choice;
}

/* SIGN, a whole number LEAST .. MOST, a point, and a fraction that is not 0. */
static void add_fractions(struct json_digits *d, const struct json_text *j, struct grammar_builder *b, uint32_t choice,
                          const char *sign, int64_t least, int64_t most) {
        if (least > most)
                return;
        struct whole w = whole_of(d, b, 1);
        uint32_t e = grammar_builder_sequence(b), size = grammar_builder_choice(b);
        add_sizes(&w, size, least, most);
        grammar_builder_add(b, e, grammar_builder_literal(b, sign));
        grammar_builder_add(b, e, size);
        grammar_builder_add(b, e, grammar_builder_literal(b, "."));
        grammar_builder_add(b, e, grammar_builder_call(b, j->fraction));
        grammar_builder_add(b, choice, e);
}

uint32_t json_number_any(struct json_digits *d, const struct json_text *j, struct grammar_builder *b, int64_t least,
                         bool with_least, int64_t most, bool with_most) {
        uint32_t choice = grammar_builder_choice(b), whole = grammar_builder_sequence(b);
        grammar_builder_add(b, whole, json_number_whole(d, b, least + !with_least, most - !with_most, 1));
        grammar_builder_add(b, whole, grammar_builder_optional(b, grammar_builder_literal(b, ".0")));
        grammar_builder_add(b, choice, whole);
        /* n.f lies between n and n + 1, whether those count or not; -n.f between -n - 1 and -n. */
        add_fractions(d, j, b, choice, "", greater(least, 0), most - 1);
        add_fractions(d, j, b, choice, "-", greater(-most, 0), lesser(-least, JSON_INTEGER_MAX) - 1);
        return choice;
}
