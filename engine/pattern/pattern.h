/*
 * pattern.h - a regular expression as JSON Schema has them, to the texts in which it is found.
 *
 * The part of ECMA-262 that is regular: characters, `.`, classes, \d \w \s and their opposites, escapes, groups (named ones too),
 * alternatives, * + ? {m,n} with or without a lazy `?`, ^ and $, and (?=...) and (?!...) outside of what is repeated without a bound or
 * often. \d, \w, \s are those of ASCII; their opposites printable ASCII without them, so that readers of all schools agree.
 */
#ifndef HEADROOM_ENGINE_PATTERN_PATTERN_H
#define HEADROOM_ENGINE_PATTERN_PATTERN_H

#include "engine/pattern/regular.h"

/*
 * 0 and *ret: a term without assertions. 1: it holds more texts than the pattern, and *reterr says what was left out of it (look-behind,
 * \b, \p, back references, and where there are no LOOKS what looks ahead). -EINVAL and one sentence: it is no pattern. R->broken says what else.
 */
int pattern_read(struct regular *r, const char *text, bool looks, uint32_t *ret, struct grammar_error *reterr);

#endif
