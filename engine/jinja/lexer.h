/*
 * lexer.h - the text of a template to tokens: text, and what stands inside of {{ }} and {% %}.
 *
 * White space is taken off here: what '-' says, and what templates are rendered with by custom (trim_blocks and lstrip_blocks: a
 * line that holds nothing but a block leaves nothing behind).
 */
#ifndef HEADROOM_ENGINE_JINJA_LEXER_H
#define HEADROOM_ENGINE_JINJA_LEXER_H

#include "engine/jinja_value/tainted.h"

enum token_kind {
        TOKEN_END,
        TOKEN_DATA,        /* text to print */
        TOKEN_PRINT_BEGIN, /* {{ */
        TOKEN_PRINT_END,
        TOKEN_BLOCK_BEGIN, /* {% */
        TOKEN_BLOCK_END,
        TOKEN_NAME,
        TOKEN_STRING, /* its escapes undone */
        TOKEN_INTEGER,
        TOKEN_FLOAT,
        TOKEN_OPERATOR, /* text: "+", "==", ... */
};

struct token {
        enum token_kind kind;
        uint32_t line;
        struct tainted text;
        union {
                int64_t integer;
                double number;
        };
};

struct lexer {
        struct jinja_job *job;
        const char *at, *begin, *end;
        uint32_t line;
        enum { LEXER_DATA, LEXER_PRINT, LEXER_BLOCK } inside;
        char brackets[128]; /* open ones: within them }} and %} end nothing */
        uint32_t brackets_count;
};

/* TEXT's lines end in "\n" alone; it must outlive what is made of it. */
void lexer_init(struct lexer *l, struct jinja_job *job, struct tainted text);
/* The next token; fails at what is none. */
struct token lexer_next(struct lexer *l);

#endif
