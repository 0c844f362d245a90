/*
 * chat_parser.c - see chat_parser.h.
 *
 * One function per state looks at the text that is not out yet. It gives a part, or changes the state and has itself called
 * again, or waits for more. At the end of the answer nothing is waited for: each state then says what it makes of the rest.
 */
#include <errno.h>
#include <stdlib.h>

#include "engine/output/scan.h"

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
        literal_done(&r->arguments);
        *r = (struct chat_parser){ 0 };
}

int chat_parser_push(struct chat_parser *r, const char *text, size_t length) {
        text_drop(&r->text, r->from);
        r->from = 0;
        r->text.max = TEXT_MAX_NONE;
        return text_add(&r->text, text, length) && !r->arguments.out.failed ? 0 : -ENOMEM;
}

/* In the middle of a text: a blank belongs to it, and no mark opens it. */
static void go_on(struct chat_parser *r) {
        r->seen = r->state == STATE_REASONING;
        if (r->state == STATE_CHANNEL)
                r->state = STATE_MESSAGE;
        else if (r->state == STATE_START && !r->setup->begun)
                r->state = STATE_CONTENT;
}

int chat_parser_init(struct chat_parser *r, const struct chat_parser_setup *setup) {
        *r = (struct chat_parser){ .setup = setup, .state = STATE_START };
        if (!chat_parser_splits(setup))
                r->state = STATE_PLAIN;
        else if (setup->format->reasoning && setup->format->reasoning->channels)
                r->state = STATE_CHANNEL;
        else if (setup->reasoning == REASONING_OPEN && setup->format->reasoning)
                r->state = STATE_REASONING;
        if (setup->continues && setup->reasoning != REASONING_MAY)
                go_on(r);
        return setup->begun ? chat_parser_push(r, setup->begun, strlen(setup->begun)) : 0;
}

void chat_parser_end(struct chat_parser *r) {
        r->ended = true;
}

bool chat_parser_reasons(const struct chat_parser *r) {
        return r->state == STATE_REASONING || (r->state == STATE_MESSAGE && r->thinks);
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
        return calls(r) && calls(r)->bare && (begins(r, at, "{") || (calls(r)->notation == CALL_PYTHON && begins(r, at, "[")));
}

static enum outcome start(struct chat_parser *r, struct chat_chunk *ret) {
        size_t at = space_from(r, 0);
        (void) ret;
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
        const char *const marks[] = { reasoning(r)->close, NULL };
        const char *found;
        if (r->seen == 0) { /* the line end behind the mark is not part of it */
                r->from += space_from(r, 0);
                r->seen = left(r) > 0;
        }
        size_t at = find_mark(r, 0, marks, &found), length = before_space(r, at);
        if (length)
                return give(r, CHUNK_REASONING, length, ret);
        if (!found)
                return WAITS;
        r->from += at + strlen(found);
        return go(r, STATE_AFTER);
}

static enum outcome after(struct chat_parser *r, struct chat_chunk *ret) {
        (void) ret;
        r->from += space_from(r, 0);
        if (left(r) == 0)
                return WAITS;
        return go(r, begins_bare_call(r, 0) ? STATE_CALL : STATE_CONTENT);
}

static enum outcome content(struct chat_parser *r, struct chat_chunk *ret) {
        if (!calls(r))
                return give(r, CHUNK_CONTENT, left(r), ret);
        const char *const marks[] = { calls(r)->open, calls(r)->section[0], NULL };
        const char *found;
        size_t at = find_mark(r, 0, marks, &found), length = before_space(r, at);
        if (length)
                return give(r, CHUNK_CONTENT, length, ret);
        return found ? go(r, STATE_CALL) : WAITS;
}

static enum outcome plain(struct chat_parser *r, struct chat_chunk *ret) {
        return give(r, CHUNK_CONTENT, left(r), ret);
}

bool chat_parser_next(struct chat_parser *r, struct chat_chunk *ret) {
        static enum outcome (*const states[STATE_COUNT])(struct chat_parser *, struct chat_chunk *) = {
                [STATE_START] = start,       [STATE_REASONING] = reason,          [STATE_AFTER] = after,
                [STATE_CONTENT] = content,   [STATE_CHANNEL] = parse_channel,     [STATE_MESSAGE] = parse_message,
                [STATE_CALL] = parse_call,   [STATE_ARGUMENTS] = parse_arguments, [STATE_PARAMETER] = parse_parameter,
                [STATE_VALUE] = parse_value, [STATE_CALL_END] = parse_call_end,   [STATE_CALL_AFTER] = parse_call_after,
                [STATE_PLAIN] = plain,
        };
        if (r->arguments_handed)
                text_clear(&r->arguments.out);
        r->arguments_handed = false;
        r->from += r->handed;
        r->handed = 0;
        for (;;) {
                enum outcome outcome = states[r->state](r, ret);
                if (outcome != GOES_ON)
                        return outcome == GIVES;
        }
}
