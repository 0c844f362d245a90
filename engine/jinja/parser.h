/*
 * parser.h - tokens to a tree, by Jinja's grammar: its precedences, its tuples without brackets, its tests.
 *
 * Known to be left out, and refused by name: inheritance and inclusion (block, extends, include, import), "do", "trans".
 */
#ifndef HEADROOM_ENGINE_JINJA_PARSER_H
#define HEADROOM_ENGINE_JINJA_PARSER_H

#include "engine/jinja/lexer.h"
#include "engine/jinja/node.h"

struct parser {
        struct jinja_job *job;
        struct lexer lexer;
        struct token now, then; /* the token it stands at, and the one behind */
        uint32_t loops;         /* open loops: where "break" may stand */
};

/* The statements of the whole TEXT (see lexer_init), in JOB's arena; fails where it is none. */
struct node *parser_parse(struct jinja_job *job, struct tainted text);

/* ---- between the two files of the parser ---- */

struct node *parser_node(struct parser *p, enum node_kind kind);
void parser_step(struct parser *p);
bool parser_sees(const struct parser *p, const char *operator);
bool parser_sees_word(const struct parser *p, const char *word);
bool parser_takes(struct parser *p, const char *operator); /* steps over it when it is there */
bool parser_takes_word(struct parser *p, const char *word);
void parser_expect(struct parser *p, const char *operator);
struct tainted parser_name(struct parser *p); /* the name that must stand here */
/* Fails with an error that names the token found in place of WANTED. */
_Noreturn void parser_unexpected(struct parser *p, const char *wanted);

struct node *parser_expression(struct parser *p);
/* Several, apart by commas, are a tuple. CHOICE: "a if b" may stand in it. STOP: a word that ends it, or NULL. */
struct node *parser_tuple(struct parser *p, bool choice, const char *stop);
struct node *parser_target(struct parser *p, const char *stop);                /* a target of an assignment */
struct node *parser_filters(struct parser *p, struct node *piped, bool begun); /* BEGUN: the first "|" is left out */
struct node *parser_parameters(struct parser *p);                              /* (a, b=1) of a macro */

#endif
