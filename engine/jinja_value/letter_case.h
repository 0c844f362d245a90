/* letter_case.h - upper and lower case of the alphabets that have them: Latin, Greek, Cyrillic, Armenian. */
#ifndef HEADROOM_ENGINE_JINJA_VALUE_LETTER_CASE_H
#define HEADROOM_ENGINE_JINJA_VALUE_LETTER_CASE_H

#include "engine/jinja_value/tainted.h"

uint32_t letter_upper(uint32_t codepoint);
uint32_t letter_lower(uint32_t codepoint);

enum letter_case {
        CASE_UPPER,
        CASE_LOWER,
        CASE_TITLE,   /* upper at the beginning of each run of letters, as str.title */
        CASE_HEADING, /* upper behind white space, '-' and opening brackets alone, as the filter title */
        CASE_CAPITAL, /* upper at the very beginning */
};
struct tainted letter_convert(struct jinja_job *job, struct tainted m, enum letter_case how);

#endif
