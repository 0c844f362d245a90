/* json_number.c - see json_number.h. Numbers fall into those of as many digits, and these into what they share with a limit. */
#include "engine/grammar/json_number.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define DIGITS_MAX 16u

/* Whole numbers, without sign, zeros at the end and zero itself. */
struct whole {
        struct grammar_builder *b;
        uint32_t step;                              /* divides them */
        int64_t unit;                               /* a power of ten: the zeros */
        uint32_t behind[DIGITS_MAX][JSON_STEP_MAX]; /* rules for so many digits behind such a remainder; 0: none yet */
};

static struct whole whole_of(struct grammar_builder *b, uint32_t divisor) {
        struct whole w = { .b = b, .step = divisor, .unit = 1 };
        for (; w.step % 10 == 0; w.step /= 10)
                w.unit *= 10;
        return w;
}

bool json_number_divides(uint64_t divisor) {
        return divisor >= 1 && divisor <= JSON_DIVISOR_MAX && whole_of(NULL, (uint32_t) divisor).step <= JSON_STEP_MAX;
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
        if (w->behind[count][rest])
                return grammar_builder_call(w->b, w->behind[count][rest]);
        uint32_t choice = grammar_builder_choice(w->b), rule = grammar_builder_rule(w->b, "digits", 6);
        w->behind[count][rest] = rule;
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
        add_one(w, choice, least);
        if (same == length)
                return;
        add_digits(w, choice, least, same, least[same] + 1, most[same] - 1, length - same - 1);
        /* Those that share more with the least, and go over it later; then those below the most. */
        for (uint32_t i = same + 1; i < length; i++) {
                add_digits(w, choice, least, i, least[i] + 1, '9', length - i - 1);
                add_digits(w, choice, most, i, '0', most[i] - 1, length - i - 1);
        }
        add_one(w, choice, most);
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

uint32_t json_number_whole(struct grammar_builder *b, int64_t least, int64_t most, uint32_t divisor) {
        assert(least >= -JSON_INTEGER_MAX && most <= JSON_INTEGER_MAX);
        struct whole w = whole_of(b, divisor);
        uint32_t choice = grammar_builder_choice(b);
        if (least <= 0 && most >= 0)
                grammar_builder_add(b, choice, grammar_builder_literal(b, "0"));
        add_signed(&w, choice, "", greater(least, 1), most);
        add_signed(&w, choice, "-", greater(-most, 1), -least);
        return choice;
}

/* SIGN, a whole number LEAST .. MOST, a point, and a fraction that is not 0. */
static void add_fractions(const struct json_text *j, struct grammar_builder *b, uint32_t choice, const char *sign, int64_t least,
                          int64_t most) {
        if (least > most)
                return;
        struct whole w = whole_of(b, 1);
        uint32_t e = grammar_builder_sequence(b), size = grammar_builder_choice(b);
        add_sizes(&w, size, least, most);
        grammar_builder_add(b, e, grammar_builder_literal(b, sign));
        grammar_builder_add(b, e, size);
        grammar_builder_add(b, e, grammar_builder_literal(b, "."));
        grammar_builder_add(b, e, grammar_builder_call(b, j->fraction));
        grammar_builder_add(b, choice, e);
}

uint32_t json_number_any(const struct json_text *j, struct grammar_builder *b, int64_t least, bool with_least, int64_t most,
                         bool with_most) {
        uint32_t choice = grammar_builder_choice(b), whole = grammar_builder_sequence(b);
        grammar_builder_add(b, whole, json_number_whole(b, least + !with_least, most - !with_most, 1));
        grammar_builder_add(b, whole, grammar_builder_optional(b, grammar_builder_literal(b, ".0")));
        grammar_builder_add(b, choice, whole);
        /* n.f lies between n and n + 1, whether those count or not; -n.f between -n - 1 and -n. */
        add_fractions(j, b, choice, "", greater(least, 0), most - 1);
        add_fractions(j, b, choice, "-", greater(-most, 0), lesser(-least, JSON_INTEGER_MAX) - 1);
        return choice;
}
