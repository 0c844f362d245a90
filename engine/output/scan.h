/* scan.h - looking at the text of an answer that is not out yet: what the states of chat_parser.c and calls.c have in common. */
#ifndef HEADROOM_ENGINE_OUTPUT_SCAN_H
#define HEADROOM_ENGINE_OUTPUT_SCAN_H

#include <string.h>

#include "engine/output/chat_parser.h"

enum parser_state {
        STATE_START, /* only white space has come */
        STATE_REASONING,
        STATE_AFTER, /* reasoning or a call is over: white space is left out */
        STATE_CONTENT,
        STATE_CHANNEL, /* of a model that writes in channels: at the head of a message */
        STATE_MESSAGE,
        STATE_CALL,      /* behind a mark, or between two calls of a list */
        STATE_ARGUMENTS, /* they are an object */
        STATE_PARAMETER, /* they are marked one by one: before one */
        STATE_VALUE,
        STATE_CALL_END,   /* behind the arguments, before the end of the call's object */
        STATE_CALL_AFTER, /* behind the call */
        STATE_PLAIN,      /* content to the end: what was marked as a call is none */
        STATE_COUNT,
};

/* The outcome of a state's look at the text. */
enum outcome { WAITS, GOES_ON, GIVES };

/* calls.c: the states of calls. */
enum outcome parse_call(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_arguments(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_parameter(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_value(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_call_end(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_call_after(struct chat_parser *r, struct chat_chunk *ret);
/* A call of NAME, whose arguments begin AT and are looked at in STATE. */
enum outcome parse_begin_call(struct chat_parser *r, const char *name, size_t length, size_t at, enum parser_state state,
                              struct chat_chunk *ret);

/* channels.c */
enum outcome parse_channel(struct chat_parser *r, struct chat_chunk *ret);
enum outcome parse_message(struct chat_parser *r, struct chat_chunk *ret);

static inline const char *rest(const struct chat_parser *r) {
        return text_string(&r->text) + r->from;
}

static inline size_t left(const struct chat_parser *r) {
        return r->text.used - r->from;
}

static inline bool is_space(char c) {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static inline size_t space_from(const struct chat_parser *r, size_t at) {
        while (at < left(r) && is_space(rest(r)[at]))
                at++;
        return at;
}

static inline bool begins(const struct chat_parser *r, size_t at, const char *mark) {
        size_t length = mark ? strlen(mark) : 0;
        return length && at + length <= left(r) && !memcmp(rest(r) + at, mark, length);
}

/* The text from AT on may still become MARK when more comes. */
static inline bool may_become(const struct chat_parser *r, size_t at, const char *mark) {
        size_t have = left(r) - at;
        return mark && !r->ended && have < strlen(mark) && !memcmp(rest(r) + at, mark, have);
}

static inline enum outcome go(struct chat_parser *r, enum parser_state state) {
        r->state = (int) state;
        r->seen = 0;
        return GOES_ON;
}

static inline enum outcome give(struct chat_parser *r, enum chunk_kind kind, size_t length, struct chat_chunk *ret) {
        if (length == 0)
                return WAITS;
        *ret = (struct chat_chunk){ .kind = kind, .text = rest(r), .length = length };
        r->handed = length;
        return GIVES;
}

/* Where the first of MARKS (up to a NULL) stands, or what may become one, or all that is left. *ret_found: the mark, or NULL. */
static inline size_t find_mark(const struct chat_parser *r, size_t at, const char *const marks[], const char **ret_found) {
        *ret_found = NULL;
        for (; at < left(r); at++)
                for (size_t i = 0; marks[i]; i++) {
                        if (rest(r)[at] == *marks[i] && begins(r, at, marks[i]))
                                *ret_found = marks[i];
                        if (*ret_found || (rest(r)[at] == *marks[i] && may_become(r, at, marks[i])))
                                return at;
                }
        return at;
}

/* How many bytes may go out before a mark at AT and the white space before that. */
static inline size_t before_space(const struct chat_parser *r, size_t at) {
        bool whole = r->ended && at == left(r);
        while (!whole && at > 0 && is_space(rest(r)[at - 1]))
                at--;
        return at;
}

#endif
