/* term.h - the terms of regular.h from within: for its own files alone. */
#ifndef HEADROOM_ENGINE_PATTERN_TERM_H
#define HEADROOM_ENGINE_PATTERN_TERM_H

#include "engine/pattern/regular.h"

#define REGULAR_LONG UINT64_MAX /* no bound */

enum regular_kind {
        TERM_NOTHING,
        TERM_CHAR, /* of set A */
        TERM_THEN,
        TERM_EITHER, /* A, which is no EITHER, or B; in the order of their numbers. So BOTH */
        TERM_BOTH,
        TERM_NOT,
        TERM_REPEAT,
        TERM_BEGIN,
        TERM_END,
        TERM_LOOK,
        TERM_LOOK_NOT,
};

struct regular_term {
        uint8_t kind;
        bool nullable, plain; /* it holds the empty text; it is no meeting and no exclusion, nor is one within */
        bool asserts, begins; /* an assertion is within; a ^ is */
        uint32_t a, b;
        uint32_t least, most;       /* of REPEAT */
        uint64_t shortest, longest; /* characters that it can come to */
};

/* Remembers ERROR where it is the first. Returns REGULAR_NOTHING. */
uint32_t regular_fail(struct regular *r, int error);

#endif
