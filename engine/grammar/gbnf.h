/*
 * gbnf.h - grammars as llama.cpp's clients write them: GBNF, a BNF with the postfix operators of regular expressions.
 *
 *      root   ::= item ("," " "? item)*        # a rule; `root` is where a text begins
 *      item   ::= [a-z_] [a-z0-9_]{0,15} | "\"" [^"\n]* "\""
 *
 * A rule ends at the end of a line, unless the next line does not begin with another `name ::=`. Texts and classes know
 * \n \r \t \\ \" \[ \] \- \^, \xNN, \uNNNN and \UNNNNNNNN; a `.` is any character. Of another format nothing is taken on.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_GBNF_H
#define HEADROOM_ENGINE_GRAMMAR_GBNF_H

#include <stddef.h>

#include "engine/grammar/builder.h"
#include "engine/grammar/grammar.h"

/*
 * All: 0; -EINVAL or -ENOMEM and one sentence, with the line where there is one. Adds the rules of TEXT, none of whose names it has, to B.
 */
int gbnf_read(struct grammar_builder *b, const char *text, size_t length, struct grammar_error *reterr);
/* ... of which *ret_rule, its `root`, begins the whole. */
int gbnf_read_whole(struct grammar_builder *b, const char *text, size_t length, uint32_t *ret_rule, struct grammar_error *reterr);
/* A whole grammar of TEXT alone. */
int gbnf_compile(const char *text, size_t length, struct grammar **ret, struct grammar_error *reterr);

#endif
