/*
 * jinja.h - a chat template of a model: parsed once, rendered for each conversation.
 *
 * The language is the part of Jinja 2 that published chat templates are written in, rendered as their makers do it: blocks
 * take the line end behind them and the indentation before them along, JSON is Python's, loops may be left. Values are printed
 * as Python prints them. A template comes from a model file, so it is hostile: its steps, depth, memory and output are bounded
 * (jinja/bounds.h), it reaches nothing but what it is given, and the only clock it sees is an argument.
 *
 * Every byte of text remembers whether it is the template's own or came in with the conversation, through whatever the
 * template does with it: the output says which is which, so that no message can forge a turn.
 *
 * Differs from Python: whole numbers have 64 bits; a number in JSON that is whole counts as an integer; undefined, a list or a
 * mapping may be added to a text (published templates rely on engines that allow it); a list may be appended to.
 */
#ifndef HEADROOM_ENGINE_JINJA_JINJA_H
#define HEADROOM_ENGINE_JINJA_JINJA_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/jinja_value/error.h"

struct jinja_template;

/* TEXT is copied. 0 and *ret, or -errno and *reterr. */
int jinja_parse(const char *text, size_t length, struct jinja_template **ret, struct jinja_error *reterr);
void jinja_free(struct jinja_template *t); /* NULL is fine */

struct jinja_variable {
        const char *name;
        const cJSON *value; /* texts in it came with the conversation */
        const char *own;    /* where VALUE is NULL: a text that may name special tokens, such as eos_token */
};

struct jinja_input {
        const struct jinja_variable *variables; /* of one name, the last counts */
        size_t variables_count;
        int64_t now; /* seconds since 1970, for strftime_now: local time */
};

/* Gets the output in pieces, in order; OUTSIDE: these bytes came with the conversation. Good during the call. */
typedef void jinja_emit(void *context, const char *bytes, size_t length, bool outside);

/* 0, all of the output emitted; or -errno, nothing emitted, and *reterr. The input must outlive the call alone. */
int jinja_render(const struct jinja_template *t, const struct jinja_input *input, jinja_emit *emit, void *context,
                 struct jinja_error *reterr);

#endif
