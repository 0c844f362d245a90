/*
 * literal.c - see literal.h. A machine that looks at one character at a time; a function per state, which takes the character or
 * has the next state look at it.
 */
#include "engine/json/literal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/base/json_walk.h"

#define DEPTH_MAX 64u /* bits of `objects`: brackets beyond count as not written */

enum state { STATE_FIRST, STATE_KEY, STATE_COLON, STATE_VALUE, STATE_AFTER, STATE_TEXT, STATE_ESCAPE, STATE_HEX, STATE_WORD };

void literal_done(struct literal *l) {
        text_done(&l->out);
        text_done(&l->word);
}

static bool among(char c, const char *set) {
        return c && strchr(set, c);
}

/* ---- writing ---- */

static void put(struct literal *l, const char *bytes, size_t count) {
        if (!l->muted)
                (void) text_add(&l->out, bytes, count);
}

static void puts_of(struct literal *l, const char *string) {
        put(l, string, strlen(string));
}

bool literal_put_text(struct text *out, const char *bytes, size_t count) {
        static const char controls[] = "\b\f\n\r\t", letters[] = "bfnrt";
        for (size_t i = 0; i < count; i++) {
                const char *control = among(bytes[i], controls) ? strchr(controls, bytes[i]) : NULL;
                if (control)
                        (void) text_printf(out, "\\%c", letters[control - controls]);
                else if (bytes[i] == '"' || bytes[i] == '\\')
                        (void) text_printf(out, "\\%c", bytes[i]);
                else if ((unsigned char) bytes[i] < 0x20)
                        (void) text_printf(out, "\\u%04x", bytes[i]);
                else
                        (void) text_add(out, bytes + i, 1);
        }
        return !out->failed;
}

static void put_escaped(struct literal *l, const char *bytes, size_t count) {
        if (!l->muted)
                (void) literal_put_text(&l->out, bytes, count);
}

static bool in_object(const struct literal *l) {
        return l->depth > 0 && (l->objects >> (l->depth - 1) & 1);
}

/* What stood between the last value and the one that begins. */
static void put_between(struct literal *l) {
        if (l->comma)
                puts_of(l, ",");
        put(l, l->spaces, l->spaces_count);
        l->comma = false;
        l->spaces_count = 0;
}

static void next_member(struct literal *l) {
        l->state = in_object(l) ? STATE_KEY : STATE_VALUE;
}

static void open_bracket(struct literal *l, bool object) {
        if (l->depth == DEPTH_MAX)
                return;
        put_between(l);
        l->depth++;
        l->objects &= ~(1ull << (l->depth - 1));
        l->objects |= (uint64_t) object << (l->depth - 1);
        puts_of(l, object ? "{" : "[");
        next_member(l);
}

static void close_bracket(struct literal *l) {
        put(l, l->spaces, l->spaces_count);
        l->comma = false;
        l->spaces_count = 0;
        puts_of(l, in_object(l) ? "}" : "]");
        l->depth--;
        l->state = STATE_AFTER;
}

/* ---- words ---- */

static bool is_number(const char *word, size_t count) {
        return count && json_number_length(word, word + count) == count;
}

/* How JSON spells a word of Python or its own; NULL: it has none. */
static const char *json_word(const char *word, size_t count) {
        static const char *const words[][2] = { { "true", "true" },   { "True", "true" }, { "false", "false" },
                                                { "False", "false" }, { "null", "null" }, { "None", "null" } };
        for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
                if (strlen(words[i][0]) == count && !memcmp(word, words[i][0], count))
                        return words[i][1];
        return NULL;
}

static void put_word(struct literal *l) {
        const char *word = text_string(&l->word);
        size_t count = l->word.used;
        while (count && among(word[count - 1], " \t\r\n"))
                count--;
        const char *known = l->is_key ? NULL : json_word(word, count);
        if (known) {
                puts_of(l, known);
        } else if (!l->is_key && is_number(word, count)) {
                put(l, word, count);
        } else {
                puts_of(l, "\"");
                put_escaped(l, word, count);
                puts_of(l, "\"");
        }
        text_clear(&l->word);
        l->state = l->is_key ? STATE_COLON : STATE_AFTER;
}

/* ---- states: whether the character was taken ---- */

static bool is_closing(char c) {
        return c == '}' || c == ']' || c == ')';
}

/* Where a value or a key may begin. */
static bool begin_value(struct literal *l, char c, bool is_key) {
        put_between(l);
        l->is_key = is_key;
        l->quote = c;
        l->state = c == '"' || c == '\'' ? STATE_TEXT : STATE_WORD;
        if (l->state == STATE_TEXT)
                puts_of(l, "\"");
        return l->state == STATE_TEXT;
}

static bool keep_space(struct literal *l, char c) {
        if (!among(c, " \t\r\n"))
                return false;
        if (l->spaces_count < sizeof(l->spaces))
                l->spaces[l->spaces_count++] = c;
        return true;
}

static bool take_key(struct literal *l, char c) {
        if (is_closing(c)) {
                close_bracket(l);
                return true;
        }
        if (c == ',')
                return true;
        if (!among(c, "{[(:="))
                return begin_value(l, c, true);
        put_between(l); /* a value that has no name */
        puts_of(l, "\"\"");
        l->state = STATE_COLON;
        return false;
}

static bool take_colon(struct literal *l, char c) {
        bool colon = c == ':' || c == '=', ends = c == ',' || is_closing(c);
        if (colon)
                put(l, l->spaces, l->spaces_count);
        l->spaces_count = 0;
        puts_of(l, ends ? ":null" : ":");
        l->state = ends ? STATE_AFTER : STATE_VALUE;
        return colon;
}

static bool take_value(struct literal *l, char c) {
        if (c == '{' || c == '[' || c == '(') {
                open_bracket(l, c == '{');
                return true;
        }
        if (c != ',' && !is_closing(c))
                return begin_value(l, c, false);
        if (!in_object(l) && c == ',')
                return true;
        if (in_object(l))
                puts_of(l, "null");
        l->state = STATE_AFTER;
        return false;
}

static bool take_after(struct literal *l, char c) {
        if (is_closing(c)) {
                close_bracket(l);
                return true;
        }
        l->comma = true; /* the next value does not begin without one */
        next_member(l);
        return c == ',' || c == ':';
}

static bool take_text(struct literal *l, char c) {
        if (c == l->quote) {
                puts_of(l, "\"");
                l->state = l->is_key ? STATE_COLON : STATE_AFTER;
        } else if (c == '\\') {
                l->state = STATE_ESCAPE;
        } else {
                put_escaped(l, &c, 1);
        }
        return true;
}

static bool take_escape(struct literal *l, char c) {
        l->state = c == 'u' || c == 'x' ? STATE_HEX : STATE_TEXT;
        if (l->state == STATE_HEX) {
                (void) text_add(&l->word, &c, 1);
        } else if (among(c, "\"\\/bfnrt")) {
                const char pair[] = { '\\', c };
                put(l, pair, 2);
        } else if (c == '\'') {
                puts_of(l, "'");
        } else if (c != '\n') {
                const char pair[] = { '\\', c };
                put_escaped(l, pair, 2);
        }
        return true;
}

/* The digits behind \u or \x. */
static bool take_hex(struct literal *l, char c) {
        const char *word = text_string(&l->word);
        bool is_digit = among(c, "0123456789abcdefABCDEF");
        if (is_digit)
                (void) text_add(&l->word, &c, 1);
        word = text_string(&l->word);
        if (is_digit && l->word.used < (word[0] == 'u' ? 5u : 3u))
                return true;
        puts_of(l, !is_digit ? "\\\\" : word[0] == 'u' ? "\\" : "\\u00");
        put(l, word + (is_digit && word[0] == 'x'), l->word.used - (is_digit && word[0] == 'x'));
        text_clear(&l->word);
        l->state = STATE_TEXT;
        return is_digit;
}

static bool take_word(struct literal *l, char c) {
        if (c == ',' || is_closing(c) || c == '\n' || (l->is_key && (c == ':' || c == '='))) {
                put_word(l);
                return false;
        }
        (void) text_add(&l->word, &c, 1);
        return true;
}

static bool take(struct literal *l, char c) {
        if (l->state <= STATE_AFTER && keep_space(l, c))
                return true;
        switch ((enum state) l->state) {
        case STATE_KEY: return take_key(l, c);
        case STATE_COLON: return take_colon(l, c);
        case STATE_FIRST:
        case STATE_VALUE: return take_value(l, c);
        case STATE_AFTER: return take_after(l, c);
        case STATE_TEXT: return take_text(l, c);
        case STATE_ESCAPE: return take_escape(l, c);
        case STATE_HEX: return take_hex(l, c);
        case STATE_WORD: return take_word(l, c);
        }
        return true;
}

/* ---- the whole ---- */

void literal_begin(struct literal *l, bool as_call) {
        text_clear(&l->out);
        text_clear(&l->word);
        *l = (struct literal){ .out = l->out, .word = l->word };
        l->out.max = l->word.max = TEXT_MAX_NONE; /* no longer than the answer */
        if (as_call)
                open_bracket(l, true);
}

/* What is no object at all says nothing: it is passed over. */
static void begin_top(struct literal *l, char c) {
        l->muted = false;
        l->spaces_count = 0;
        if (c == '{')
                return;
        puts_of(l, "{}");
        l->muted = true;
}

size_t literal_push(struct literal *l, const char *bytes, size_t count) {
        size_t i = 0;
        for (; i < count && !l->over; i++) {
                if (l->state == STATE_FIRST && !among(bytes[i], " \t\r\n"))
                        begin_top(l, bytes[i]);
                bool taken = false;
                while (!taken && !(l->depth == 0 && l->state == STATE_AFTER))
                        taken = take(l, bytes[i]);
                if (l->depth == 0 && l->state == STATE_AFTER) {
                        l->over = true;
                        return i + taken; /* a word ends before what follows it */
                }
        }
        return i;
}

/* Ends a member wherever it stands. */
static void end_member(struct literal *l) {
        if (l->state == STATE_ESCAPE || l->state == STATE_HEX)
                l->state = STATE_TEXT; /* the half of an escape is left out */
        if (l->state == STATE_WORD)
                put_word(l);
        if (l->state == STATE_TEXT)
                (void) take_text(l, l->quote);
        if (l->state == STATE_COLON)
                puts_of(l, ":null");
        if (l->state == STATE_VALUE && in_object(l))
                puts_of(l, "null");
        l->state = STATE_AFTER;
}

void literal_end(struct literal *l, bool whole) {
        if (l->over)
                return;
        l->over = true;
        if (l->state == STATE_FIRST)
                puts_of(l, "{}");
        if (whole)
                end_member(l);
        while (l->depth > 0 && (l->state == STATE_AFTER || l->state == STATE_KEY))
                close_bracket(l);
}

/* A text, a list or a mapping; false: it is none, or more than one. */
static bool put_whole(struct text *out, const char *bytes, size_t count) {
        struct literal l = { .depth = 0 };
        literal_begin(&l, false);
        l.state = STATE_VALUE; /* whichever it is */
        bool is = literal_push(&l, bytes, count) == count && l.over && !l.out.failed;
        if (is)
                (void) text_add(out, l.out.bytes, l.out.used);
        literal_done(&l);
        return is;
}

bool literal_put_value(struct text *out, const char *bytes, size_t count) {
        while (count && among(*bytes, " \t\r\n"))
                bytes++, count--;
        while (count && among(bytes[count - 1], " \t\r\n"))
                count--;
        const char *word = json_word(bytes, count);
        if (word)
                return text_puts(out, word);
        if (is_number(bytes, count))
                return text_add(out, bytes, count);
        if (count && among(*bytes, "{[\"'") && put_whole(out, bytes, count))
                return true;
        return text_puts(out, "\"") && literal_put_text(out, bytes, count) && text_puts(out, "\"");
}
