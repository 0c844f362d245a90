/*
 * cut.c - see cut.h. An invalid byte is a character that is no letter, number, mark or white space.
 */
#include "engine/pretokenizer/cut.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

#include "engine/unicode/unicode.h"

#define NO_MATCH SIZE_MAX

/* ---- classes ---- */

static bool in_ranges(const struct cut_range *ranges, uint32_t codepoint) {
        for (; ranges && ranges->last; ranges++)
                if (codepoint >= ranges->first && codepoint <= ranges->last)
                        return true;
        return false;
}

static bool in_class(const struct cut_class *class, const struct unicode_char *c) {
        if (c->length == 0)
                return false;
        bool listed = (c->properties & class->properties) || in_ranges(class->ranges, c->codepoint);
        return listed != class->others && !(class->but && in_class(class->but, c));
}

/* ---- steps ---- */

static struct unicode_char peek(const struct cutter *c, const struct cut_level *l, size_t at) {
        return unicode_char_at(c->text + at, l->end - at);
}

static size_t match(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at);

static size_t match_chars(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t start) {
        size_t at = start;
        uint32_t count = 0;
        for (; count < step->most; count++) {
                struct unicode_char next = peek(c, l, at);
                if (!in_class(step->class, &next))
                        break;
                at += next.length;
        }
        if (count < step->least)
                return NO_MATCH;
        for (;; count--) {
                size_t end = match(c, l, step + 1, at);
                if (end != NO_MATCH || count == step->least)
                        return end;
                at -= unicode_last_length(c->text + start, at - start);
        }
}

static size_t match_text(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at) {
        size_t length = strlen(step->text);
        if (l->end - at < length || memcmp(c->text + at, step->text, length))
                return NO_MATCH;
        return match(c, l, step + 1, at + length);
}

/* 0 where there is none. */
static size_t contraction_length(const char *text, size_t length, bool any_case) {
        static const char *const endings[] = { "s", "t", "re", "ve", "m", "ll", "d" };
        if (length == 0 || text[0] != '\'')
                return 0;
        for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
                size_t n = strlen(endings[i]);
                if (length > n && !(any_case ? strncasecmp(text + 1, endings[i], n) : strncmp(text + 1, endings[i], n)))
                        return 1 + n;
        }
        return 0;
}

static size_t match_contraction(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at) {
        size_t length = contraction_length(c->text + at, l->end - at, step->any_case);
        return length == 0 && step->least > 0 ? NO_MATCH : match(c, l, step + 1, at + length);
}

static bool is_word_char(const struct unicode_char *c) {
        return (c->properties & (UNICODE_L | UNICODE_M | UNICODE_ND | UNICODE_NL | UNICODE_PC)) ||
               (c->codepoint | 1) == 0x200d; /* joiners */
}

/* Counts the run of digits at AT once, and remembers what is left of it. */
static void look_at_digits(const struct cutter *c, struct cut_level *l, size_t at, bool word_ends) {
        if (l->digits_left > 0 && l->digits_at == at)
                return;
        l->digits_at = at;
        l->digits_left = 0;
        struct unicode_char next = peek(c, l, at);
        for (; next.properties & UNICODE_ND; next = peek(c, l, at)) {
                l->digits_left++;
                at += next.length;
        }
        l->digits_refused = word_ends && is_word_char(&next);
        if (l->digits_refused)
                l->hopeless_until = at;
}

static size_t match_threes(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at) {
        look_at_digits(c, l, at, step->word_ends);
        if (l->digits_left == 0 || l->digits_refused)
                return NO_MATCH;
        size_t count = l->digits_left % 3 ? l->digits_left % 3 : 3;
        l->digits_left -= count;
        for (; count > 0; count--)
                at += peek(c, l, at).length;
        l->digits_at = at;
        return match(c, l, step + 1, at);
}

/* No length but the longest needs to be tried: nothing follows it. */
static size_t match_spaced_letters(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t start) {
        size_t at = start;
        for (;;) {
                size_t blank = at > start && at < l->end && c->text[at] == ' ';
                struct unicode_char next = peek(c, l, at + blank);
                if (!(next.properties & UNICODE_L))
                        break;
                for (at += blank; next.properties & (UNICODE_L | UNICODE_M); next = peek(c, l, at))
                        at += next.length;
        }
        return at == start ? NO_MATCH : match(c, l, step + 1, at);
}

static size_t match_not_before_text(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at) {
        struct unicode_char next = peek(c, l, at);
        return next.length > 0 && !(next.properties & UNICODE_WHITE) ? NO_MATCH : match(c, l, step + 1, at);
}

/* The run is read once: a rule further down may take it in many pieces. */
static size_t match_lines(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t start) {
        if (start >= l->white_end) {
                l->lines_end = start;
                size_t at = start;
                struct unicode_char next = peek(c, l, at);
                for (; next.properties & UNICODE_WHITE; next = peek(c, l, at)) {
                        at += next.length;
                        if (next.codepoint == '\r' || next.codepoint == '\n')
                                l->lines_end = at;
                }
                l->white_end = at;
        }
        return l->lines_end > start ? match(c, l, step + 1, l->lines_end) : NO_MATCH;
}

/* A run that stops short of the end: no part of it reaches the end either. */
static size_t match_at_end(struct cut_level *l, size_t at) {
        if (at == l->end)
                return at;
        if (at > l->hopeless_until)
                l->hopeless_until = at;
        return NO_MATCH;
}

/* The end of what STEP and those behind it match at AT, or NO_MATCH. */
static size_t match(const struct cutter *c, struct cut_level *l, const struct cut_step *step, size_t at) {
        switch (step->kind) {
        case CUT_END: return at;
        case CUT_CHARS: return match_chars(c, l, step, at);
        case CUT_TEXT: return match_text(c, l, step, at);
        case CUT_CONTRACTION: return match_contraction(c, l, step, at);
        case CUT_LINES: return match_lines(c, l, step, at);
        case CUT_NOT_BEFORE_TEXT: return match_not_before_text(c, l, step, at);
        case CUT_AT_END: return match_at_end(l, at);
        case CUT_THREES: return match_threes(c, l, step, at);
        case CUT_SPACED_LETTERS: return match_spaced_letters(c, l, step, at);
        }
        return NO_MATCH;
}

/* ---- stages ---- */

static size_t match_any(const struct cutter *c, struct cut_level *l, const struct cut_stage *stage, size_t at) {
        size_t end = NO_MATCH;
        for (size_t i = 0; i < stage->count && end == NO_MATCH && at >= l->hopeless_until; i++)
                end = match(c, l, stage->rules[i].steps, at);
        return end;
}

/* The end of the next piece of L: a match, or the gap before one. */
static size_t piece_end(const struct cutter *c, struct cut_level *l, const struct cut_stage *stage) {
        if (l->matched_end > l->at && l->matched_at == l->at)
                return l->matched_end;
        for (size_t at = l->at; at < l->end; at += peek(c, l, at).length) {
                size_t end = match_any(c, l, stage, at);
                if (end == NO_MATCH)
                        continue;
                assert(end > at);
                l->matched_at = at;
                l->matched_end = end;
                return at == l->at ? end : at;
        }
        return l->end;
}

static void level_begin(struct cut_level *l, size_t at, size_t end) {
        *l = (struct cut_level){ .at = at, .end = end };
}

void cut_begin(struct cutter *c, const struct cut_stage *stages, size_t stages_count, const char *text, size_t length) {
        static const struct cut_stage whole = { NULL, 0 }; /* nothing matches: one gap */
        assert(stages_count <= CUT_STAGES_MAX);
        *c = (struct cutter){ .stages = stages_count ? stages : &whole, .stages_count = stages_count ? stages_count : 1 };
        c->text = text;
        level_begin(&c->levels[0], 0, length);
}

bool cut_next(struct cutter *c, size_t *ret_start, size_t *ret_length) {
        size_t stage = c->stages_count - 1;
        while (c->levels[stage].at == c->levels[stage].end) {
                if (stage == 0)
                        return false;
                stage--;
        }
        for (;; stage++) {
                struct cut_level *l = &c->levels[stage];
                size_t start = l->at, end = piece_end(c, l, &c->stages[stage]);
                l->at = end;
                if (stage == c->stages_count - 1) {
                        *ret_start = start;
                        *ret_length = end - start;
                        return true;
                }
                level_begin(&c->levels[stage + 1], start, end);
        }
}
