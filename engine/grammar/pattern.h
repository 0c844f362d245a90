/*
 * pattern.h - a regular expression as JSON Schema has them, to what stands in a JSON string.
 *
 * The part of ECMA-262 that can be written as a grammar: characters, `.`, classes, \d \w \s and their opposites, escapes, groups,
 * alternatives, * + ? {m,n} with or without a lazy `?`, and ^ and $ at the ends. Where ^ or $ is missing, any text may
 * stand before or behind. No assertions within, back references, or properties (\p): refused by name.
 * \d, \w, \s are those of ASCII; their opposites printable ASCII without them, so that readers of all schools agree.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_PATTERN_H
#define HEADROOM_ENGINE_GRAMMAR_PATTERN_H

#include "engine/grammar/json_text.h"

struct pattern {
        uint32_t expression;
        uint64_t least, most; /* characters that it can come to; UINT64_MAX: no bound */
};

/* 0 and *ret; -EINVAL and one sentence. Around the pattern any characters of J may stand. */
int pattern_read(const struct json_text *j, struct grammar_builder *b, const char *text, struct pattern *ret,
                 struct grammar_error *reterr);

#endif
