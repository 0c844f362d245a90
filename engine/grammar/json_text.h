/*
 * json_text.h - JSON as a grammar: the rules that all schemas share, and texts within its strings.
 *
 * White space is a blank, or a line feed and up to 20 of them, and stands only where people put it: inside brackets, behind
 * commas and colons. So a model that cannot decide does not fill its answer with it. Numbers have at most 15 digits before the
 * point and 15 behind it, names outside of the schema at most 64 characters; strings hold no \u0000 and no lone surrogate: what
 * any reader takes, exactly.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_JSON_TEXT_H
#define HEADROOM_ENGINE_GRAMMAR_JSON_TEXT_H

#include <cjson/cJSON.h>

#include "engine/grammar/builder.h"

struct json_text { /* rules */
        uint32_t space, character, string, number, integer, value, object, array;
        uint32_t fraction;        /* digits behind a point that are worth something: the last is not 0 */
        uint32_t plain_character; /* without an escape */
};

/* Adds the rules to B. 0 or -ENOMEM. */
int json_text_init(struct json_text *j, struct grammar_builder *b);

/* One character of SET, which is settled here, as it stands between quotation marks. */
uint32_t json_text_char(struct grammar_builder *b, struct char_set *set);
/* VALUE as it is printed without white space. */
uint32_t json_text_value(struct grammar_builder *b, const cJSON *value);
/* NAME in quotation marks, escaped. */
uint32_t json_text_name(struct grammar_builder *b, const char *name);
/* In quotation marks, any name that is none of NAMES; written without escapes. */
uint32_t json_text_other_name(const struct json_text *j, struct grammar_builder *b, const char *const names[], uint32_t count);

#endif
