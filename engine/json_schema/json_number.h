/*
 * json_number.h - numbers between two limits as a grammar, digit by digit.
 *
 * Whole numbers can be held to the multiples of a number besides: what the digits so far leave when they are divided by it is a rule
 * for each remainder and each count of digits that follow. Zeros at the end of the divisor cost nothing.
 */
#ifndef HEADROOM_ENGINE_JSON_SCHEMA_JSON_NUMBER_H
#define HEADROOM_ENGINE_JSON_SCHEMA_JSON_NUMBER_H

#include "engine/grammar/json_text.h"

/* Limits are within this of 0. */
#define JSON_INTEGER_MAX 999999999999999
/* The greatest divisor, and the greatest without the zeros at its end. */
#define JSON_DIVISOR_MAX 1000000000u
#define JSON_STEP_MAX    64u

bool json_number_divides(uint64_t divisor); /* it is one of those that are supported */

/* The rules of remainders, which all numbers of one grammar share. All zero at first; released with json_digits_done. */
struct json_digits {
        uint32_t *rules[JSON_STEP_MAX + 1]; /* by divisor; NULL: none yet */
};
void json_digits_done(struct json_digits *d);

/* Whole numbers LEAST .. MOST that DIVISOR divides. */
uint32_t json_number_whole(struct json_digits *d, struct grammar_builder *b, int64_t least, int64_t most, uint32_t divisor);
/* Decimals that are not negative, of up to 15 digits before the point and 15 behind it. */
struct json_decimal {
        int64_t whole;
        char fraction[16]; /* digits, the last of them not 0; "": none */
};
/* The least that is not below VALUE, or (UP false) the greatest that is not above it. 0 <= VALUE <= JSON_INTEGER_MAX. */
struct json_decimal json_decimal_near(double value, bool up);
/* Numbers SIGN LEAST .. MOST, decimals too, WITH them or without: an expression. */
uint32_t json_number_between(struct json_digits *d, const struct json_text *j, struct grammar_builder *b, const char *sign,
                             struct json_decimal least, bool with_least, struct json_decimal most, bool with_most);

#endif
