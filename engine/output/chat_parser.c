/*
 * chat_parser.c - see chat_parser.h.
 *
 * One function per state looks at the text that is not out yet. It gives a part, or changes the state and has itself called
 * again, or waits for more. At the end of the answer nothing is waited for: each state then says what it makes of the rest.
 */
#include "engine/output/chat_parser.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "engine/output/tool_call_json.h"
#include "policy/base/hash.h"
#include "policy/base/random.h"

enum state {
        STATE_START, /* only white space has come */
        STATE_REASONING,
        STATE_AFTER, /* reasoning or a call is over: white space is left out */
        STATE_CONTENT,
        STATE_CALL, /* behind a mark, or between two calls of a list */
        STATE_ARGUMENTS,
        STATE_CALL_END,   /* behind the arguments, before the end of the call's object */
        STATE_CALL_AFTER, /* behind the object */
        STATE_PLAIN,      /* content to the end: what was marked as a call is none */
};

/* The outcome of a state's look at the text. */
enum outcome { WAITS, GOES_ON, GIVES };

void chat_parser_setup_done(struct chat_parser_setup *s) {
        free(s->tools);
        free(s->begun);
        *s = (struct chat_parser_setup){ 0 };
}

bool chat_parser_splits(const struct chat_parser_setup *setup) {
        return setup->format && (setup->format->reasoning || (setup->calls && setup->format->calls));
}

void chat_parser_done(struct chat_parser *r) {
        text_done(&r->text);
        free(r->decoded);
        *r = (struct chat_parser){ 0 };
}

int chat_parser_push(struct chat_parser *r, const char *text, size_t length) {
        text_drop(&r->text, r->from);
        r->from = 0;
        r->text.max = TEXT_MAX_NONE;
        return text_add(&r->text, text, length) ? 0 : -ENOMEM;
}

int chat_parser_init(struct chat_parser *r, const struct chat_parser_setup *setup) {
        *r = (struct chat_parser){ .setup = setup, .state = STATE_START };
        if (!chat_parser_splits(setup))
                r->state = STATE_PLAIN;
        else if (setup->reasoning == REASONING_OPEN && setup->format->reasoning)
                r->state = STATE_REASONING;
        return setup->begun ? chat_parser_push(r, setup->begun, strlen(setup->begun)) : 0;
}

void chat_parser_end(struct chat_parser *r) {
        r->ended = true;
}

/* ---- looking at what is left ---- */

static const char *rest(const struct chat_parser *r) {
        return text_string(&r->text) + r->from;
}

static size_t left(const struct chat_parser *r) {
        return r->text.used - r->from;
}

static bool is_space(char c) {
        return c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

static void skip_space(struct chat_parser *r) {
        while (left(r) && is_space(*rest(r)))
                r->from++;
}

static bool begins(const struct chat_parser *r, size_t at, const char *mark) {
        size_t length = strlen(mark);
        return at + length <= left(r) && !memcmp(rest(r) + at, mark, length);
}

/* The text from AT on may still become MARK when more comes. */
static bool may_become(const struct chat_parser *r, size_t at, const char *mark) {
        size_t have = left(r) - at;
        return !r->ended && have < strlen(mark) && !memcmp(rest(r) + at, mark, have);
}

static enum outcome go(struct chat_parser *r, enum state state) {
        r->state = (int) state;
        r->seen = 0;
        return GOES_ON;
}

static enum outcome give(struct chat_parser *r, enum chunk_kind kind, size_t length, struct chat_chunk *ret) {
        if (length == 0)
                return WAITS;
        *ret = (struct chat_chunk){ .kind = kind, .text = rest(r), .length = length };
        r->handed = length;
        return GIVES;
}

/* How many bytes may go out before MARK (or what may become it) and the white space before that. *ret_found: it stands there. */
static size_t free_before(const struct chat_parser *r, const char *mark, bool *ret_found, size_t *ret_at) {
        size_t at = 0;
        *ret_found = false;
        for (; at < left(r); at++) {
                const char *next = memchr(rest(r) + at, *mark, left(r) - at);
                at = next ? (size_t) (next - rest(r)) : left(r);
                if (!next || (*ret_found = begins(r, at, mark)) || may_become(r, at, mark))
                        break;
        }
        *ret_at = at;
        size_t end = at;
        bool whole = r->ended && at == left(r);
        while (!whole && end > 0 && is_space(rest(r)[end - 1]))
                end--;
        return end;
}

/* ---- states outside of calls ---- */

static const struct reasoning_format *reasoning(const struct chat_parser *r) {
        return r->setup->format->reasoning;
}

/* The format of calls, where they are looked for. */
static const struct call_format *calls(const struct chat_parser *r) {
        return r->setup->calls ? r->setup->format->calls : NULL;
}

static bool begins_bare_call(const struct chat_parser *r, size_t at) {
        return calls(r) && calls(r)->bare && begins(r, at, "{");
}

static enum outcome start(struct chat_parser *r, struct chat_chunk *ret) {
        size_t at = 0;
        (void) ret;
        while (at < left(r) && is_space(rest(r)[at]))
                at++;
        if (at == left(r))
                return r->ended ? go(r, STATE_PLAIN) : WAITS;
        if (reasoning(r) && begins(r, at, reasoning(r)->open)) {
                r->from += at + strlen(reasoning(r)->open);
                return go(r, STATE_REASONING);
        }
        if (reasoning(r) && may_become(r, at, reasoning(r)->open))
                return WAITS;
        if (begins_bare_call(r, at)) {
                r->from += at;
                return go(r, STATE_CALL);
        }
        return go(r, STATE_CONTENT);
}

static enum outcome reason(struct chat_parser *r, struct chat_chunk *ret) {
        bool found;
        size_t at;
        if (r->seen == 0) { /* the line end behind the mark is not part of it */
                skip_space(r);
                r->seen = left(r) > 0;
        }
        size_t end = free_before(r, reasoning(r)->close, &found, &at);
        if (end)
                return give(r, CHUNK_REASONING, end, ret);
        if (!found)
                return WAITS;
        r->from += at + strlen(reasoning(r)->close);
        return go(r, STATE_AFTER);
}

static enum outcome after(struct chat_parser *r, struct chat_chunk *ret) {
        (void) ret;
        skip_space(r);
        if (left(r) == 0)
                return WAITS;
        return go(r, begins_bare_call(r, 0) ? STATE_CALL : STATE_CONTENT);
}

static enum outcome content(struct chat_parser *r, struct chat_chunk *ret) {
        bool found;
        size_t at;
        if (!calls(r))
                return give(r, CHUNK_CONTENT, left(r), ret);
        size_t end = free_before(r, calls(r)->open, &found, &at);
        if (end)
                return give(r, CHUNK_CONTENT, end, ret);
        return found ? go(r, STATE_CALL) : WAITS;
}

static enum outcome plain(struct chat_parser *r, struct chat_chunk *ret) {
        return give(r, CHUNK_CONTENT, left(r), ret);
}

/* ---- calls ---- */

/* 9 letters and digits: what the strictest template takes. */
static void make_id(struct chat_parser *r) {
        static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        struct random random = random_seeded(r->setup->seed + HASH_SPREAD * (r->calls_count + 1));
        for (size_t i = 0; i < 9; i++)
                r->id[i] = letters[random_u32(&random) % (sizeof(letters) - 1)];
        r->id[9] = '\0';
}

static bool is_offered(const struct chat_parser *r) {
        for (const char *name = r->setup->tools; name && *name; name += strlen(name) + 1)
                if (!strcmp(name, r->name))
                        return true;
        return false;
}

/* The name is known; its arguments begin AT. */
static enum outcome begin_call(struct chat_parser *r, size_t at, struct chat_chunk *ret) {
        make_id(r);
        r->from += at;
        r->nesting = 0;
        r->in_text = r->escaped = false;
        *ret = (struct chat_chunk){ .kind = CHUNK_CALL, .text = "", .index = r->calls_count, .id = r->id, .name = r->name };
        r->calls_count++;
        (void) go(r, STATE_ARGUMENTS);
        return GIVES;
}

/* "name[ARGS]{...}", with "[CALL_ID]..." between, or "name{...}". */
static enum outcome named_call(struct chat_parser *r, size_t at, struct chat_chunk *ret) {
        size_t end = at;
        while (end < left(r) && (isalnum((unsigned char) rest(r)[end]) || strchr("_-.", rest(r)[end])))
                end++;
        size_t length = end - at, behind = end;
        if (length == 0 || length > REQUEST_TOOL_NAME_BYTES_MAX)
                return go(r, STATE_PLAIN);
        const char *brace = memchr(rest(r) + end, '{', left(r) - end);
        if (!brace)
                return r->ended || left(r) - end > REQUEST_TOOL_NAME_BYTES_MAX ? go(r, STATE_PLAIN) : WAITS;
        behind = (size_t) (brace - rest(r));
        if (behind > end && rest(r)[end] != '[' && !is_space(rest(r)[end]))
                return go(r, STATE_PLAIN);
        memcpy(r->name, rest(r) + at, length);
        r->name[length] = '\0';
        r->list = true; /* no object around the arguments is closed */
        return begin_call(r, behind, ret);
}

/* At a mark (white space before it is left out when it is a call), at the object of a bare call, or between two calls. */
static enum outcome call(struct chat_parser *r, struct chat_chunk *ret) {
        const char *open = calls(r)->open;
        size_t at = 0;
        while (at < left(r) && is_space(rest(r)[at]))
                at++;
        bool marked = begins(r, at, open), listed = false;
        at += marked ? strlen(open) : 0;
        while (at < left(r) && (is_space(rest(r)[at]) || (rest(r)[at] == '[' && !listed)))
                listed |= rest(r)[at++] == '[';
        if (at == left(r))
                return r->ended ? go(r, STATE_PLAIN) : WAITS;
        if (rest(r)[at] != '{')
                return listed ? go(r, STATE_PLAIN) : named_call(r, at, ret);
        struct tool_call_header header;
        switch (tool_call_json_header(rest(r) + at, left(r) - at, &header)) {
        case TOOL_CALL_JSON_UNFINISHED: return r->ended ? go(r, STATE_PLAIN) : WAITS;
        case TOOL_CALL_JSON_OTHER: return go(r, STATE_PLAIN);
        case TOOL_CALL_JSON_CALL: break;
        }
        memcpy(r->name, header.name, sizeof(header.name));
        if (!marked && calls(r)->bare && r->calls_count == 0 && !is_offered(r))
                return go(r, STATE_PLAIN); /* JSON that was asked for */
        r->list = false;
        return begin_call(r, at + header.arguments_at, ret);
}

/* How far the value at the front goes that began before; *ret_over: its end is among it. */
static size_t follow_value(struct chat_parser *r, bool *ret_over) {
        size_t i = 0;
        *ret_over = false;
        for (; i < left(r) && !*ret_over; i++) {
                char c = rest(r)[i];
                if (r->escaped) {
                        r->escaped = false;
                } else if (r->in_text) {
                        r->escaped = c == '\\';
                        r->in_text = c != '"';
                } else if (c == '"') {
                        r->in_text = true;
                } else if (c == '{' || c == '[') {
                        r->nesting++;
                } else if (c == '}' || c == ']') {
                        r->nesting--;
                        *ret_over = r->nesting == 0;
                }
        }
        return i;
}

/* Arguments that are a text, in which JSON is written: it goes out when it is whole. */
static enum outcome quoted_arguments(struct chat_parser *r, struct chat_chunk *ret) {
        size_t length = tool_call_json_text_end(rest(r), left(r));
        if (length == 0)
                return r->ended ? go(r, STATE_PLAIN) : WAITS;
        free(r->decoded);
        r->decoded = tool_call_json_decode(rest(r), length);
        r->from += length;
        (void) go(r, STATE_CALL_END);
        if (!r->decoded)
                return GOES_ON;
        *ret = (struct chat_chunk){
                .kind = CHUNK_CALL, .text = r->decoded, .length = strlen(r->decoded), .index = r->calls_count - 1
        };
        return *r->decoded ? GIVES : GOES_ON;
}

static enum outcome arguments(struct chat_parser *r, struct chat_chunk *ret) {
        if (r->seen == 0)
                skip_space(r);
        if (left(r) == 0)
                return WAITS;
        if (r->seen == 0 && *rest(r) == '"')
                return quoted_arguments(r, ret);
        if (r->seen == 0 && *rest(r) != '{' && *rest(r) != '[') { /* null: no arguments */
                *ret = (struct chat_chunk){ .kind = CHUNK_CALL, .text = "{}", .length = 2, .index = r->calls_count - 1 };
                (void) go(r, STATE_CALL_END);
                return GIVES;
        }
        bool over;
        size_t length = follow_value(r, &over);
        r->seen = 1;
        *ret = (struct chat_chunk){ .kind = CHUNK_CALL, .text = rest(r), .length = length, .index = r->calls_count - 1 };
        r->handed = length;
        if (over)
                (void) go(r, r->list ? STATE_CALL_AFTER : STATE_CALL_END);
        return GIVES;
}

/* To the end of the call's object: what else stands in it says nothing. */
static enum outcome end_call(struct chat_parser *r, struct chat_chunk *ret) {
        (void) ret;
        if (r->seen == 0)
                r->nesting = 1;
        r->seen = 1;
        bool over;
        r->from += follow_value(r, &over);
        return over ? go(r, STATE_CALL_AFTER) : WAITS;
}

/* Another call, or the end of them. */
static enum outcome after_call(struct chat_parser *r, struct chat_chunk *ret) {
        const struct call_format *f = calls(r);
        (void) ret;
        while (left(r) && (is_space(*rest(r)) || *rest(r) == ']' || *rest(r) == ';'))
                r->from++;
        if (left(r) == 0 || (f->close && may_become(r, 0, f->close)))
                return WAITS;
        if (*rest(r) == ',') {
                r->from++;
                return go(r, STATE_CALL);
        }
        if (f->close && begins(r, 0, f->close)) {
                r->from += strlen(f->close);
                return go(r, STATE_AFTER);
        }
        return go(r, *rest(r) == '{' ? STATE_CALL : STATE_AFTER);
}

bool chat_parser_next(struct chat_parser *r, struct chat_chunk *ret) {
        static enum outcome (*const states[])(struct chat_parser *, struct chat_chunk *) = {
                [STATE_START] = start,       [STATE_REASONING] = reason,
                [STATE_AFTER] = after,       [STATE_CONTENT] = content,
                [STATE_CALL] = call,         [STATE_ARGUMENTS] = arguments,
                [STATE_CALL_END] = end_call, [STATE_CALL_AFTER] = after_call,
                [STATE_PLAIN] = plain,
        };
        r->from += r->handed;
        r->handed = 0;
        for (;;) {
                enum outcome outcome = states[r->state](r, ret);
                if (outcome != GOES_ON)
                        return outcome == GIVES;
        }
}
