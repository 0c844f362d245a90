/* gbnf.c - see gbnf.h. By recursive descent; what is wrong is said at once and ends it. */
#include "engine/grammar/gbnf.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/grammar/builder.h"
#include "engine/grammar/reader.h"
#include "policy/base/hash.h"

struct gbnf {
        struct reader r;
        struct grammar_builder *b;
        uint32_t *slots; /* rule + 1 by the hash of its name; 0: free */
        unsigned nesting;
        int failed; /* 0 or -errno */
        struct grammar_error *reterr;
};

#define NAME_SLOTS (2 * GRAMMAR_RULES_MAX) /* a power of two */

__attribute__((format(printf, 2, 3))) static uint32_t fail(struct gbnf *p, const char *format, ...) {
        if (p->failed)
                return 0;
        unsigned line = 1;
        for (size_t i = 0; i < p->r.at && i < p->r.length; i++)
                line += p->r.text[i] == '\n';
        char what[160];
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(what, sizeof(what), format, arguments);
        va_end(arguments);
        p->failed = grammar_fail(p->reterr, "line %u: %s", line, what);
        return 0;
}

/* ---- names ---- */

static bool of_name(uint32_t code) {
        return (code >= 'a' && code <= 'z') || (code >= 'A' && code <= 'Z') || (code >= '0' && code <= '9') || code == '-' ||
               code == '_';
}

static size_t take_name(struct reader *r, const char **ret) {
        *ret = r->text + r->at;
        while (of_name(reader_peek(r)))
                (void) reader_take(r);
        return (size_t) (r->text + r->at - *ret);
}

/* The rule of this name, made where it is new. */
static uint32_t rule_named(struct gbnf *p, const char *name, size_t length) {
        uint32_t slot = (uint32_t) hash_bytes(HASH_START, name, length) & (NAME_SLOTS - 1);
        for (; p->slots[slot]; slot = (slot + 1) & (NAME_SLOTS - 1)) {
                const char *other = p->b->rules[p->slots[slot] - 1].name;
                if (!strncmp(other, name, length) && !other[length])
                        return p->slots[slot] - 1;
        }
        uint32_t rule = grammar_builder_rule(p->b, name, length);
        if (!p->b->broken)
                p->slots[slot] = rule + 1;
        return rule;
}

/* ---- white space ---- */

static void skip(struct reader *r, bool lines) {
        for (;;) {
                uint32_t code = reader_peek(r);
                if (code == '#')
                        while ((code = reader_peek(r)) != '\n' && code != READER_END)
                                (void) reader_take(r);
                else if (code == ' ' || code == '\t' || code == '\r' || (lines && code == '\n'))
                        (void) reader_take(r);
                else
                        return;
        }
}

/* Whether a new rule, or the end of the text, stands here or behind the end of this line. */
static bool rule_ends(struct reader *r) {
        skip(r, false);
        if (reader_peek(r) != '\n' && reader_peek(r) != READER_END)
                return false;
        struct reader ahead = *r;
        const char *name;
        skip(&ahead, true);
        *r = ahead;
        if (reader_peek(&ahead) == READER_END)
                return true;
        if (!take_name(&ahead, &name))
                return false;
        skip(&ahead, false);
        return ahead.length - ahead.at >= 3 && !memcmp(ahead.text + ahead.at, "::=", 3);
}

/* ---- characters ---- */

struct escape {
        char letter;
        char value;
};
static const struct escape escapes[] = { { 'n', '\n' }, { 'r', '\r' }, { 't', '\t' }, { '\\', '\\' }, { '"', '"' },
                                         { '[', '[' },  { ']', ']' },  { '-', '-' },  { '^', '^' } };

/* One character of a text or class, escapes included. READER_BAD when it is none, which is said. */
static uint32_t take_char(struct gbnf *p) {
        uint32_t code = reader_take(&p->r);
        if (code == '\\') {
                uint32_t letter = reader_take(&p->r);
                code = letter == 'x'   ? reader_hex(&p->r, 2)
                       : letter == 'u' ? reader_hex(&p->r, 4)
                       : letter == 'U' ? reader_hex(&p->r, 8)
                                       : READER_BAD;
                for (size_t i = 0; i < sizeof(escapes) / sizeof(escapes[0]); i++)
                        if (letter == (uint32_t) escapes[i].letter)
                                code = (uint32_t) escapes[i].value;
                if (code == READER_BAD)
                        fail(p, "an escape is not one of \\n \\r \\t \\\\ \\\" \\[ \\] \\- \\^ \\xNN \\uNNNN \\UNNNNNNNN");
        } else if (code == READER_BAD) {
                fail(p, "the text is not valid UTF-8");
        }
        if (code == 0 || (code > CODE_POINT_MAX && code < READER_END) || (code >= 0xd800 && code <= 0xdfff)) {
                fail(p, "a text cannot hold the character U+%04X", (unsigned) code);
                code = READER_BAD;
        }
        return code;
}

static uint32_t read_text(struct gbnf *p) {
        uint32_t sequence = grammar_builder_sequence(p->b);
        while (!p->failed && !reader_takes(&p->r, '"')) {
                if (reader_peek(&p->r) == '\n' || reader_peek(&p->r) == READER_END)
                        return fail(p, "a text has no closing quotation mark");
                uint32_t code = take_char(p);
                grammar_builder_add(p->b, sequence, grammar_builder_range(p->b, code, code));
        }
        return sequence;
}

static void read_class_items(struct gbnf *p, struct char_set *set) {
        while (!p->failed && !reader_takes(&p->r, ']')) {
                if (reader_peek(&p->r) == '\n' || reader_peek(&p->r) == READER_END) {
                        fail(p, "a class has no closing bracket");
                        return;
                }
                uint32_t first = take_char(p), last = first;
                const char *next = p->r.text + p->r.at;
                if (p->r.length - p->r.at >= 2 && next[0] == '-' && next[1] != ']') {
                        (void) reader_take(&p->r);
                        last = take_char(p);
                }
                if (!p->failed && last < first)
                        fail(p, "a range of a class runs backwards");
                if (!p->failed)
                        char_set_add(set, first, last);
        }
}

static uint32_t read_class(struct gbnf *p) {
        struct char_set set = { 0 };
        bool inverted = reader_takes(&p->r, '^');
        read_class_items(p, &set);
        if (inverted)
                char_set_invert(&set);
        uint32_t e = grammar_builder_class(p->b, &set);
        char_set_done(&set);
        return e;
}

/* ---- expressions ---- */

static uint32_t read_choice(struct gbnf *p, bool in_brackets);

static uint32_t read_group(struct gbnf *p) {
        if (++p->nesting > GRAMMAR_NESTING_MAX)
                return fail(p, "brackets are nested more than %u deep", GRAMMAR_NESTING_MAX);
        uint32_t e = read_choice(p, true);
        p->nesting--;
        if (!reader_takes(&p->r, ')'))
                return fail(p, "a bracket is not closed");
        return e;
}

static uint32_t read_item(struct gbnf *p) {
        const char *name;
        size_t length = take_name(&p->r, &name);
        if (length)
                return grammar_builder_call(p->b, rule_named(p, name, length));
        switch (reader_take(&p->r)) {
        case '"': return read_text(p);
        case '[': return read_class(p);
        case '(': return read_group(p);
        case '.': return grammar_builder_range(p->b, 1, CODE_POINT_MAX);
        case READER_BAD: return fail(p, "the text is not valid UTF-8");
        case '<':
        case '!': return fail(p, "tokens in a grammar (<...>) are not supported: write out their text");
        default: return fail(p, "here a text, a class, a name or a bracket is missing");
        }
}

/* ITEM with the operators behind it. */
static uint32_t read_operators(struct gbnf *p, uint32_t item) {
        for (unsigned count = 0; !p->failed; count++) {
                uint32_t least = 0, most = GRAMMAR_UNBOUNDED;
                if (reader_takes(&p->r, '+'))
                        least = 1;
                else if (reader_takes(&p->r, '?'))
                        most = 1;
                else if (reader_takes(&p->r, '{')) {
                        if (!reader_bounds(&p->r, GRAMMAR_REPEAT_MAX, &least, &most))
                                return fail(p, "a repetition is not one of {m} {m,} {m,n} {,n} with m <= n <= %u",
                                            GRAMMAR_REPEAT_MAX);
                } else if (!reader_takes(&p->r, '*'))
                        break;
                if (count >= 4)
                        return fail(p, "too many repetitions of a repetition");
                item = grammar_builder_repeat(p->b, item, least, most);
        }
        return item;
}

static bool sequence_ends(struct gbnf *p, bool in_brackets) {
        if (in_brackets)
                skip(&p->r, true);
        else if (rule_ends(&p->r))
                return true;
        uint32_t next = reader_peek(&p->r);
        return p->failed || next == '|' || next == READER_END || (next == ')' && in_brackets);
}

static uint32_t read_sequence(struct gbnf *p, bool in_brackets) {
        uint32_t sequence = grammar_builder_sequence(p->b);
        while (!sequence_ends(p, in_brackets))
                grammar_builder_add(p->b, sequence, read_operators(p, read_item(p)));
        return sequence;
}

static uint32_t read_choice(struct gbnf *p, bool in_brackets) {
        uint32_t choice = grammar_builder_choice(p->b);
        do
                grammar_builder_add(p->b, choice, read_sequence(p, in_brackets));
        while (!p->failed && reader_takes(&p->r, '|'));
        return choice;
}

static void read_rule(struct gbnf *p) {
        const char *name;
        size_t length = take_name(&p->r, &name);
        if (!length) {
                fail(p, "here a rule must begin: name ::= ...");
                return;
        }
        skip(&p->r, false);
        if (p->r.length - p->r.at < 3 || memcmp(p->r.text + p->r.at, "::=", 3)) {
                fail(p, "behind the name of a rule must stand ::=");
                return;
        }
        p->r.at += 3;
        uint32_t rule = rule_named(p, name, length);
        if (!p->b->broken && p->b->rules[rule].body) {
                fail(p, "rule '%.*s' is defined twice", length < 60 ? (int) length : 60, name);
                return;
        }
        grammar_builder_set_body(p->b, rule, read_choice(p, false));
}

static int read_rules(struct gbnf *p) {
        for (skip(&p->r, true); !p->failed && !p->b->broken && reader_peek(&p->r) != READER_END; skip(&p->r, true))
                read_rule(p);
        return p->failed;
}

int gbnf_read(struct grammar_builder *b, const char *text, size_t length, struct grammar_error *reterr) {
        if (length > GRAMMAR_TEXT_BYTES_MAX)
                return grammar_fail(reterr, "it is longer than %u KiB", GRAMMAR_TEXT_BYTES_MAX >> 10);
        struct gbnf p = { .r = { text, length, 0 }, .b = b, .reterr = reterr };
        p.slots = calloc(NAME_SLOTS, sizeof(*p.slots));
        if (!p.slots) {
                (void) grammar_fail(reterr, "there is no memory for it");
                return -ENOMEM;
        }
        int r = read_rules(&p);
        free(p.slots);
        return r;
}

int gbnf_read_whole(struct grammar_builder *b, const char *text, size_t length, uint32_t *ret_rule,
                    struct grammar_error *reterr) {
        int r = gbnf_read(b, text, length, reterr);
        *ret_rule = grammar_builder_find(b, "root");
        if (r == 0 && *ret_rule == b->rules_count && !b->broken)
                r = grammar_fail(reterr, "it has no rule 'root', where a text begins");
        return r;
}

int gbnf_compile(const char *text, size_t length, struct grammar **ret, struct grammar_error *reterr) {
        struct grammar_builder b = { 0 };
        uint32_t root;
        int r = gbnf_read_whole(&b, text, length, &root, reterr);
        if (r == 0)
                r = grammar_builder_compile(&b, root, ret, reterr);
        grammar_builder_done(&b);
        return r;
}
