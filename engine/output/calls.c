/*
 * calls.c - the states of calls in chat_parser.c. A call begins at its mark; its arguments come out as a JSON object, whatever they are
 * written in: through literal.c, or put together from what stands between marks.
 */
#include <ctype.h>
#include <stdlib.h>

#include "engine/base/json_read.h"
#include "engine/json/literal.h"
#include "engine/output/scan.h"
#include "engine/output/tool_call_json.h"
#include "policy/base/hash.h"
#include "policy/base/random.h"

static const struct call_format *format(const struct chat_parser *r) {
        return r->setup->format->calls;
}

/* ---- the beginning ---- */

/* 9 letters and digits: what the strictest template takes. */
static void make_id(struct chat_parser *r) {
        static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        struct random random = random_seeded(r->setup->seed + HASH_SPREAD * (r->calls_count + 1));
        for (size_t i = 0; i < 9; i++)
                r->id[i] = letters[random_u32(&random) % (sizeof(letters) - 1)];
        r->id[9] = '\0';
}

static bool is_offered(const struct chat_parser *r, const char *name) {
        return tool_list_find(r->setup->tools, name) != NULL;
}

enum outcome parse_begin_call(struct chat_parser *r, const char *name, size_t length, size_t at, enum parser_state state,
                              struct chat_chunk *ret) {
        memmove(r->name, name, length);
        r->name[length] = '\0';
        make_id(r);
        r->from += at;
        r->members = 0;
        r->quoted = false;
        literal_begin(&r->arguments, false);
        *ret = (struct chat_chunk){ .kind = CHUNK_CALL, .text = "", .index = r->calls_count, .id = r->id, .name = r->name };
        r->calls_count++;
        (void) go(r, state);
        return GIVES;
}

/* What has become of the arguments goes out; NEXT is the state behind them, once they are OVER. */
static enum outcome give_arguments(struct chat_parser *r, bool over, enum parser_state next, struct chat_chunk *ret) {
        const struct text *out = &r->arguments.out;
        if (over)
                (void) go(r, next);
        if (out->used == 0)
                return over ? GOES_ON : WAITS;
        *ret = (struct chat_chunk){ .kind = CHUNK_CALL, .text = out->bytes, .length = out->used, .index = r->calls_count - 1 };
        r->arguments_handed = true;
        return GIVES;
}

static size_t name_length(const struct chat_parser *r, size_t at) {
        size_t end = at;
        while (end < left(r) && (isalnum((unsigned char) rest(r)[end]) || (rest(r)[end] && strchr("_-.", rest(r)[end]))))
                end++;
        return end - at;
}

/* An object, with its name and its arguments, in this order or the other. */
static enum outcome json_call(struct chat_parser *r, size_t at, bool marked, struct chat_chunk *ret) {
        struct tool_call_header header;
        switch (tool_call_json_header(rest(r) + at, left(r) - at, &header)) {
        case TOOL_CALL_JSON_UNFINISHED: return r->ended ? go(r, STATE_PLAIN) : WAITS;
        case TOOL_CALL_JSON_OTHER: return go(r, STATE_PLAIN);
        case TOOL_CALL_JSON_CALL: break;
        }
        if (!marked && r->calls_count == 0 && !is_offered(r, header.name))
                return go(r, STATE_PLAIN); /* JSON that was asked for */
        r->within_object = true;
        (void) parse_begin_call(r, header.name, strlen(header.name), at + header.arguments_at, STATE_ARGUMENTS, ret);
        if (header.without)
                literal_end(&r->arguments, true);
        return GIVES;
}

/* A name, something, and the arguments as an object: "name[ARGS]{...}", "name\n```json\n{...}". Without an object there are none. */
static enum outcome named_call(struct chat_parser *r, size_t at, size_t length, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        const char *const marks[] = { "{", f->open, f->close ? f->close : f->open, NULL };
        const char *found;
        size_t end = at + length, behind = find_mark(r, end, marks, &found);
        if (end < left(r) && (!rest(r)[end] || !strchr(f->behind_name, rest(r)[end])))
                return go(r, STATE_PLAIN);
        bool too_far = behind - end > REQUEST_TOOL_NAME_BYTES_MAX, object = found && *found == '{';
        if (!found && !r->ended && !too_far)
                return WAITS;
        if (too_far || (!object && !is_offered(r, r->name)))
                return go(r, STATE_PLAIN);
        r->within_object = false;
        (void) parse_begin_call(r, r->name, length, behind, STATE_ARGUMENTS, ret);
        if (!object)
                literal_end(&r->arguments, true);
        return GIVES;
}

static enum outcome marked_call(struct chat_parser *r, size_t at, size_t length, bool sure, struct chat_chunk *ret) {
        const char *behind = format(r)->behind_name;
        size_t end = at + length;
        if (may_become(r, end, behind) && *behind)
                return WAITS;
        if (*behind && !begins(r, end, behind))
                return go(r, STATE_PLAIN);
        if (!sure && !is_offered(r, r->name))
                return go(r, STATE_PLAIN);
        return parse_begin_call(r, r->name, length, end + strlen(behind), STATE_PARAMETER, ret);
}

static enum outcome python_call(struct chat_parser *r, size_t at, size_t length, bool sure, struct chat_chunk *ret) {
        size_t end = at + length;
        if (rest(r)[end] != '(' || (!sure && !is_offered(r, r->name)))
                return go(r, STATE_PLAIN);
        enum outcome outcome = parse_begin_call(r, r->name, length, end + 1, STATE_ARGUMENTS, ret);
        r->within_object = false;
        literal_begin(&r->arguments, true);
        return outcome;
}

/* A call that begins with a name AT; SURE: marks have said that it is one. */
static enum outcome call_by_name(struct chat_parser *r, size_t at, bool sure, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        if (f->prefix && may_become(r, at, f->prefix))
                return WAITS;
        if (begins(r, at, f->prefix))
                at += strlen(f->prefix);
        size_t length = name_length(r, at);
        if (at + length == left(r) && !r->ended && length <= REQUEST_TOOL_NAME_BYTES_MAX)
                return WAITS;
        if (length == 0 || length > REQUEST_TOOL_NAME_BYTES_MAX)
                return go(r, STATE_PLAIN);
        memcpy(r->name, rest(r) + at, length);
        r->name[length] = '\0';
        if (f->notation == CALL_MARKED)
                return marked_call(r, at, length, sure, ret);
        if (f->notation == CALL_PYTHON)
                return python_call(r, at, length, sure, ret);
        return f->behind_name ? named_call(r, at, length, ret) : go(r, STATE_PLAIN);
}

/* At a mark (white space before it is left out when it is a call), at a bare call, or between two calls. */
enum outcome parse_call(struct chat_parser *r, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        size_t at = space_from(r, 0);
        bool section = begins(r, at, f->section[0]), again = r->calls_count > 0 && !section;
        if (section)
                at = space_from(r, at + strlen(f->section[0]));
        if (may_become(r, at, f->open) && at < left(r))
                return WAITS;
        bool marked = begins(r, at, f->open), listed = false;
        at += marked ? strlen(f->open) : 0;
        if (f->section[0] && !marked)
                return at < left(r) || r->ended ? go(r, STATE_PLAIN) : WAITS;
        while (at < left(r) && (is_space(rest(r)[at]) || (rest(r)[at] == '[' && !listed && f->notation != CALL_MARKED)))
                listed |= rest(r)[at++] == '[';
        if (at == left(r))
                return r->ended ? go(r, STATE_PLAIN) : WAITS;
        if (rest(r)[at] == '{' && f->notation != CALL_MARKED)
                return json_call(r, at, marked || !f->bare, ret);
        if (listed && f->notation != CALL_PYTHON)
                return go(r, STATE_PLAIN);
        return call_by_name(r, at, f->section[0] ? section || again : marked || !f->bare || again, ret);
}

/* ---- arguments that are an object ---- */

/* Arguments that are a text, in which JSON is written: looked at when it is whole. */
static enum outcome quoted_arguments(struct chat_parser *r, struct chat_chunk *ret) {
        size_t length = tool_call_json_text_end(rest(r), left(r));
        if (length == 0 && !r->ended)
                return WAITS;
        char *decoded = length ? tool_call_json_decode(rest(r), length) : NULL;
        if (decoded)
                (void) literal_push(&r->arguments, decoded, json_restore_nuls(decoded, strlen(decoded)));
        free(decoded);
        r->from += length ? length : left(r);
        literal_end(&r->arguments, length > 0);
        return give_arguments(r, true, r->within_object ? STATE_CALL_END : STATE_CALL_AFTER, ret);
}

enum outcome parse_arguments(struct chat_parser *r, struct chat_chunk *ret) {
        if (r->seen == 0 && !r->arguments.over) {
                r->from += space_from(r, 0);
                r->quoted = left(r) && *rest(r) == '"';
        }
        if (left(r) == 0 && !r->ended && !r->arguments.over)
                return WAITS;
        r->seen = 1;
        if (r->quoted && r->arguments.depth == 0)
                return quoted_arguments(r, ret);
        r->from += literal_push(&r->arguments, rest(r), left(r));
        if (!r->arguments.over && r->ended)
                literal_end(&r->arguments, false);
        return give_arguments(r, r->arguments.over, r->within_object ? STATE_CALL_END : STATE_CALL_AFTER, ret);
}

/* To the end of the call's object: what else stands in it says nothing. */
enum outcome parse_call_end(struct chat_parser *r, struct chat_chunk *ret) {
        bool over = false;
        (void) ret;
        if (r->seen == 0)
                r->nesting = 1;
        r->seen = 1;
        for (; left(r) && !over; r->from++) {
                char c = *rest(r);
                if (r->escaped) {
                        r->escaped = false;
                } else if (r->in_text) {
                        r->escaped = c == '\\';
                        r->in_text = c != '"';
                } else {
                        r->in_text = c == '"';
                        r->nesting += c == '{' || c == '[';
                        r->nesting -= c == '}' || c == ']';
                        over = r->nesting == 0;
                }
        }
        return over ? go(r, STATE_CALL_AFTER) : WAITS;
}

/* ---- arguments between marks ---- */

/* Closes the object of a call whose arguments are over at the text's beginning. */
static enum outcome end_parameters(struct chat_parser *r, struct chat_chunk *ret) {
        (void) text_puts(&r->arguments.out, r->members ? "}" : "{}");
        return give_arguments(r, true, STATE_CALL_AFTER, ret);
}

/* A text or not, by the attributes of its mark, or else by what the tool's schema says. */
static enum tool_argument argument_kind(const struct chat_parser *r, const char *key, const char *attributes, size_t length) {
        if (memmem(attributes, length, "string=\"true\"", strlen("string=\"true\"")))
                return ARGUMENT_TEXT;
        if (memmem(attributes, length, "string=\"false\"", strlen("string=\"false\"")))
                return ARGUMENT_ANY;
        return tool_list_argument(r->setup->tools, r->name, key);
}

/* The key of LENGTH bytes AT; its value begins at VALUE_AT. */
static enum outcome begin_argument(struct chat_parser *r, size_t at, size_t length, size_t attributes_at, size_t value_at,
                                   struct chat_chunk *ret) {
        struct text *out = &r->arguments.out;
        char key[REQUEST_TOOL_NAME_BYTES_MAX + 1] = "";
        while (length && is_space(rest(r)[at]))
                at++, length--;
        while (length && is_space(rest(r)[at + length - 1]))
                length--;
        memcpy(key, rest(r) + at, length < sizeof(key) ? length : sizeof(key) - 1);
        r->argument = argument_kind(r, key, rest(r) + attributes_at, value_at - attributes_at);
        (void) text_puts(out, r->members++ ? ", \"" : "{\"");
        (void) literal_put_text(out, rest(r) + at, length);
        (void) text_puts(out, "\": ");
        r->from += value_at;
        return give_arguments(r, true, STATE_VALUE, ret);
}

/* At the mark of a key. */
static enum outcome argument(struct chat_parser *r, struct chat_chunk *ret) {
        const struct argument_marks *m = &format(r)->argument;
        const char *const key_ends[] = { m->key_end, NULL }, *const values[] = { m->value, NULL };
        const char *found;
        size_t at = strlen(m->key), end = find_mark(r, at, key_ends, &found);
        size_t attributes = found ? end + strlen(m->key_end) : end, value = attributes;
        if (found && m->value) {
                value = find_mark(r, attributes, values, &found);
                value += found ? strlen(m->value) : 0;
        }
        if (found)
                return begin_argument(r, at, end - at, attributes, value, ret);
        return r->ended ? end_parameters(r, ret) : WAITS;
}

/* Before an argument, or behind the last; what else stands there says nothing. */
enum outcome parse_parameter(struct chat_parser *r, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        const char *const marks[] = { f->argument.key, f->close, f->open, f->section[1] ? f->section[1] : f->close, NULL };
        const char *found;
        size_t at = find_mark(r, 0, marks, &found);
        r->from += at;
        if (!found)
                return r->ended ? end_parameters(r, ret) : WAITS;
        return found == f->argument.key ? argument(r, ret) : end_parameters(r, ret);
}

/* The line end on both sides of a value is of the notation. */
static size_t value_length(const struct chat_parser *r, size_t at, bool found) {
        bool whole = !found && r->ended;
        if (!whole && at > 0 && rest(r)[at - 1] == '\n')
                at--;
        return at;
}

/* A text goes out as it comes. */
static enum outcome text_value(struct chat_parser *r, size_t at, bool found, struct chat_chunk *ret) {
        struct text *out = &r->arguments.out;
        size_t length = value_length(r, at, found);
        if (r->seen == 1)
                (void) text_puts(out, "\"");
        r->seen = 2;
        (void) literal_put_text(out, rest(r), length);
        if (found)
                (void) text_puts(out, "\"");
        r->from += found ? at : length;
        return give_arguments(r, found, STATE_PARAMETER, ret);
}

enum outcome parse_value(struct chat_parser *r, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        const char *const marks[] = { f->argument.value_end, f->close, NULL };
        const char *found;
        if (left(r) == 0)
                return WAITS;
        if (r->seen == 0 && *rest(r) == '\n')
                r->from++;
        r->seen = r->seen ? r->seen : 1;
        bool text = r->argument == ARGUMENT_TEXT;
        size_t at = find_mark(r, text ? 0 : r->seen - 1, marks, &found);
        if (text)
                return text_value(r, at, found, ret);
        r->seen = at + 1; /* where no mark begins is not looked at again */
        if (!found)
                return WAITS; /* cut off, it goes out as nothing */
        (void) literal_put_value(&r->arguments.out, rest(r), value_length(r, at, true));
        r->from += at;
        return give_arguments(r, true, STATE_PARAMETER, ret);
}

/* ---- behind a call ---- */

/* Another call, or the end of them. */
enum outcome parse_call_after(struct chat_parser *r, struct chat_chunk *ret) {
        const struct call_format *f = format(r);
        (void) ret;
        if (r->setup->format->reasoning && r->setup->format->reasoning->channels)
                return go(r, STATE_MESSAGE);
        while (left(r) && (is_space(*rest(r)) || strchr("];`", *rest(r))))
                r->from++;
        if (left(r) == 0 || may_become(r, 0, f->close) || may_become(r, 0, f->section[1]) || may_become(r, 0, f->section[0]))
                return WAITS;
        for (size_t i = 0; i < 2; i++) {
                const char *mark = i ? f->section[1] : f->close;
                if (!begins(r, 0, mark))
                        continue;
                r->from += strlen(mark);
                return i || !f->section[1] ? go(r, STATE_AFTER) : GOES_ON;
        }
        if (*rest(r) == ',')
                r->from++;
        else if (may_become(r, 0, f->open))
                return WAITS;
        else if (*rest(r) != '{' && !begins(r, 0, f->open))
                return go(r, STATE_AFTER);
        return go(r, STATE_CALL);
}
