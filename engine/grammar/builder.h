/*
 * builder.h - a grammar while it is written down: rules, each with one expression.
 *
 * The reader of a format builds expressions bottom up and names them by number; an expression is used once, a rule as
 * often as one likes. Nothing is checked in between: a failure (a limit, memory) is remembered, numbers stay usable, and
 * grammar_builder_compile reports it. Texts are copied.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_BUILDER_H
#define HEADROOM_ENGINE_GRAMMAR_BUILDER_H

#include <stddef.h>

#include "engine/base/strbuf.h"
#include "engine/grammar/char_set.h"
#include "engine/grammar/grammar.h"

enum expression_kind {
        EXPRESSION_SEQUENCE, /* of none: the empty text */
        EXPRESSION_CHOICE,   /* of none: nothing matches */
        EXPRESSION_RANGE,
        EXPRESSION_CLASS,
        EXPRESSION_TEXT,
        EXPRESSION_RULE,
        EXPRESSION_REPEAT,
};

struct expression {
        enum expression_kind kind;
        uint32_t first, last, next; /* children, and the next child of the same parent; 0: none */
        uint32_t a, b;              /* RANGE: from, to; CLASS, RULE: its number; TEXT: offset, length; REPEAT: least, most */
};

struct grammar_builder_rule {
        char *name;
        uint32_t body; /* expression; 0: none yet */
        uint32_t node; /* while compiling: where it begins */
};

struct grammar_builder { /* all zero at first; release with grammar_builder_done */
        struct expression *expressions;
        uint32_t expressions_count, expressions_capacity;
        struct grammar_builder_rule *rules;
        uint32_t rules_count, rules_capacity;
        struct grammar_class *classes;
        uint32_t classes_count, classes_capacity;
        struct char_range *ranges;
        uint32_t ranges_count, ranges_capacity;
        struct text text;
        int broken; /* 0, or the first -errno */
};
void grammar_builder_done(struct grammar_builder *b);

/* A rule of this name, without a body; NAME of LENGTH bytes is for errors, and for grammar_builder_find. */
uint32_t grammar_builder_rule(struct grammar_builder *b, const char *name, size_t length);
/* The first rule of this name; rules_count when there is none. */
uint32_t grammar_builder_find(const struct grammar_builder *b, const char *name);
void grammar_builder_set_body(struct grammar_builder *b, uint32_t rule, uint32_t expression);

uint32_t grammar_builder_sequence(struct grammar_builder *b);
uint32_t grammar_builder_choice(struct grammar_builder *b);
void grammar_builder_add(struct grammar_builder *b, uint32_t parent, uint32_t child);
uint32_t grammar_builder_range(struct grammar_builder *b, uint32_t first, uint32_t last);
/* Settles SET, which stays the caller's. */
uint32_t grammar_builder_class(struct grammar_builder *b, struct char_set *set);
/* TEXT is UTF-8. */
uint32_t grammar_builder_text(struct grammar_builder *b, const char *text, size_t length);
uint32_t grammar_builder_literal(struct grammar_builder *b, const char *text);
uint32_t grammar_builder_call(struct grammar_builder *b, uint32_t rule);
/* MOST: a number, or GRAMMAR_UNBOUNDED. */
uint32_t grammar_builder_repeat(struct grammar_builder *b, uint32_t child, uint32_t least, uint32_t most);
uint32_t grammar_builder_optional(struct grammar_builder *b, uint32_t child);
/* Any text up to and with MARK (of ASCII, not empty), which stands nowhere in it before. */
uint32_t grammar_builder_until(struct grammar_builder *b, const char *mark);

/* 0 and *ret; -EINVAL (no body, left recursion, a limit, a root that nothing can satisfy) or -ENOMEM and one sentence. */
int grammar_builder_compile(struct grammar_builder *b, uint32_t root, struct grammar **ret, struct grammar_error *reterr);

#endif
