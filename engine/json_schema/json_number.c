/* json_number.c - see json_number.h. Numbers fall into those of as many digits, and these into what they share with a limit. */
#include "engine/json_schema/json_number.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIGITS_MAX      16u
#define FRACTION_DIGITS 15u

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

/* ---- decimals ---- */

/* TEXT, digits and perhaps a point among them, and one more in its last place. */
static void step_up(char *text) {
        char *last = text + strlen(text);
        while (last > text && (*--last == '9' || *last == '.'))
                if (*last == '9')
                        *last = '0';
        ++*last;
}

/* One less: TEXT is not all zeros. */
static void step_down(char *text) {
        char *last = text + strlen(text);
        while (*--last == '0' || *last == '.')
                if (*last == '0')
                        *last = '9';
        --*last;
}

struct json_decimal json_decimal_near(double value, bool up) {
        struct json_decimal decimal = { 0 };
        char text[40] = "0"; /* room for a carry */
        (void) snprintf(text + 1, sizeof(text) - 1, "%.15f", value);
        if (up && strtod(text, NULL) < value)
                step_up(text);
        if (!up && strtod(text, NULL) > value)
                step_down(text);
        char *point = strchr(text, '.'), *end = text + strlen(text);
        while (end[-1] == '0')
                *--end = '\0';
        decimal.whole = strtoll(text, NULL, 10);
        (void) snprintf(decimal.fraction, sizeof(decimal.fraction), "%s", point + 1);
        return decimal;
}

static uint32_t some_digits(struct grammar_builder *b) {
        return grammar_builder_repeat(b, grammar_builder_range(b, '0', '9'), 0, FRACTION_DIGITS - 1);
}

/* CHOICE gets a digit FIRST .. LAST, and what is BEHIND. */
static void add_digit(struct grammar_builder *b, uint32_t choice, int first, int last, uint32_t behind) {
        uint32_t e = grammar_builder_sequence(b);
        if (first > last)
                return;
        grammar_builder_add(b, e, grammar_builder_range(b, (uint32_t) first, (uint32_t) last));
        grammar_builder_add(b, e, behind);
        grammar_builder_add(b, choice, e);
}

/* Digits that are worth more than LEAST, or WITH it as much. */
static uint32_t digits_above(const struct json_text *j, struct grammar_builder *b, const char *least, bool with) {
        if (!*least)
                return with ? some_digits(b) : grammar_builder_call(b, j->fraction);
        uint32_t choice = grammar_builder_choice(b);
        add_digit(b, choice, *least + 1, '9', some_digits(b));
        add_digit(b, choice, *least, *least, digits_above(j, b, least + 1, with));
        return choice;
}

/* Digits, or none, that are worth less than MOST, or WITH it as much. */
static uint32_t digits_below(struct grammar_builder *b, const char *most, bool with) {
        if (!*most)
                return with ? grammar_builder_sequence(b) : grammar_builder_choice(b);
        uint32_t choice = grammar_builder_choice(b);
        grammar_builder_add(b, choice, grammar_builder_sequence(b));
        add_digit(b, choice, '0', *most - 1, some_digits(b));
        add_digit(b, choice, *most, *most, digits_below(b, most + 1, with));
        return choice;
}

/* Digits from LEAST to MOST: those that they share first. */
static uint32_t digits_within(const struct json_text *j, struct grammar_builder *b, const char *least, bool with_least,
                              const char *most, bool with_most) {
        uint32_t e = grammar_builder_sequence(b), choice = grammar_builder_choice(b);
        for (; *most && (*least ? *least : '0') == *most; most++) {
                grammar_builder_add(b, e, grammar_builder_range(b, (uint8_t) *most, (uint8_t) *most));
                least += *least != '\0';
        }
        grammar_builder_add(b, e, choice);
        int low = *least ? *least : '0';
        if (!*most) { /* there is nothing between them but one number */
                if (!*least && with_least && with_most)
                        grammar_builder_add(b, choice, grammar_builder_sequence(b));
                return e;
        }
        add_digit(b, choice, low + 1, *most - 1, some_digits(b));
        if (low < *most) {
                add_digit(b, choice, low, low, digits_above(j, b, *least ? least + 1 : least, with_least));
                add_digit(b, choice, *most, *most, digits_below(b, most + 1, with_most));
        }
        return e;
}

/* CHOICE gets SIGN, a whole number LEAST .. MOST, a point, and FRACTION. */
static void add_fractions(struct json_digits *d, struct grammar_builder *b, uint32_t choice, const char *sign, int64_t least,
                          int64_t most, uint32_t fraction) {
        if (least > most)
                return;
        struct whole w = whole_of(d, b, 1);
        uint32_t e = grammar_builder_sequence(b), size = grammar_builder_choice(b);
        add_sizes(&w, size, least, most);
        grammar_builder_add(b, e, grammar_builder_literal(b, sign));
        grammar_builder_add(b, e, size);
        grammar_builder_add(b, e, grammar_builder_literal(b, "."));
        grammar_builder_add(b, e, fraction);
        grammar_builder_add(b, choice, e);
}

/* Whole numbers, and the same with a fraction of 0. */
static void add_whole(struct json_digits *d, struct grammar_builder *b, uint32_t choice, const char *sign, int64_t least,
                      int64_t most) {
        struct whole w = whole_of(d, b, 1);
        uint32_t e = grammar_builder_sequence(b), size = grammar_builder_choice(b);
        if (least > most)
                return;
        add_sizes(&w, size, least, most);
        grammar_builder_add(b, e, grammar_builder_literal(b, sign));
        grammar_builder_add(b, e, size);
        grammar_builder_add(b, e, grammar_builder_optional(b, grammar_builder_literal(b, ".0")));
        grammar_builder_add(b, choice, e);
}

uint32_t json_number_between(struct json_digits *d, const struct json_text *j, struct grammar_builder *b, const char *sign,
                             struct json_decimal least, bool with_least, struct json_decimal most, bool with_most) {
        uint32_t choice = grammar_builder_choice(b);
        bool low = *least.fraction, high = *most.fraction; /* it is no whole number */
        int64_t first = least.whole + (low || !with_least), last = most.whole - (!high && !with_most);
        add_whole(d, b, choice, sign, first, last);
        if (least.whole == most.whole) {
                if (high)
                        add_fractions(d, b, choice, sign, most.whole, most.whole,
                                      digits_within(j, b, least.fraction, low && with_least, most.fraction, with_most));
                return choice;
        }
        if (low)
                add_fractions(d, b, choice, sign, least.whole, least.whole, digits_above(j, b, least.fraction, with_least));
        add_fractions(d, b, choice, sign, least.whole + low, most.whole - 1, grammar_builder_call(b, j->fraction));
        if (high)
                add_fractions(d, b, choice, sign, most.whole, most.whole,
                              digits_within(j, b, "", false, most.fraction, with_most));
        return choice;
}
