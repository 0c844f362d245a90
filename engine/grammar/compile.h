/* compile.h - properties of the nodes of a finished grammar: for compile.c alone. */
#ifndef HEADROOM_ENGINE_GRAMMAR_COMPILE_H
#define HEADROOM_ENGINE_GRAMMAR_COMPILE_H

#include "engine/grammar/grammar.h"

/* Jumps to an END become ENDs; then `nullable`, `body_empty` and `need` of every node. */
void analyse_nodes(struct grammar *g);
/* Whether some node can come back to itself without a character, by rules beginning with rules: 1 and *ret_node; 0; -ENOMEM. */
int analyse_left_recursion(const struct grammar *g, uint32_t *ret_node);

#endif
