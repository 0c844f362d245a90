/*
 * literal.h - the arguments of a call as models write them, JSON or nearly (Python's words and quotes, names without quotes, commas too
 * many or too few), to a JSON object, as it comes. What is JSON already comes out byte by byte.
 */
#ifndef HEADROOM_ENGINE_JSON_LITERAL_H
#define HEADROOM_ENGINE_JSON_LITERAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/base/strbuf.h"

struct literal {
        struct text out;  /* JSON that has come; the caller takes it away */
        struct text word; /* a number or a word, until its end */
        uint64_t objects; /* a bit for each level: whether it is an object */
        uint32_t depth, spaces_count;
        int state;
        bool comma, is_key, muted, over;
        char quote, spaces[8]; /* white space that may go out before the next value */
};

void literal_done(struct literal *l);
/* AS_CALL: the brace has not come, and never will: what comes is "name=value, ...)", as Python writes a call. */
void literal_begin(struct literal *l, bool as_call);
/* Takes in what belongs to the object, and no more; returns how many bytes. `over` when it is whole. */
size_t literal_push(struct literal *l, const char *bytes, size_t count);
/*
 * No more comes: closes what is open. Where it is not the WHOLE, since the answer was cut off, that is done between two members alone:
 * nobody shall take the half of a command for all of it.
 */
void literal_end(struct literal *l, bool whole);

/* BYTES as the inside of a JSON text. */
bool literal_put_text(struct text *out, const char *bytes, size_t count);
/* A value alone: JSON, a word of Python, a list or mapping in either's way; what is none of these is a text. */
bool literal_put_value(struct text *out, const char *bytes, size_t count);

#endif
