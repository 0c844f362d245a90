/*
 * token_trie.h - the texts of a vocabulary as a tree of bytes, so that what tokens have in common is tried once.
 *
 * Nodes stand in the order of a walk: behind a node those below it, up to `skip`. The tokens whose text ends at a node are
 * ids[node.tokens] up to those of the next node. Left out are tokens that no text becomes: control and end tokens,
 * those without a text, and those longer than GRAMMAR_PIECE_MAX bytes.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_TOKEN_TRIE_H
#define HEADROOM_ENGINE_GRAMMAR_TOKEN_TRIE_H

#include "engine/grammar/bounds.h"
#include "engine/tokenizer/tokenizer.h"

struct trie_node {
        uint32_t skip;   /* the next node that is not below this one */
        uint32_t tokens; /* in ids */
        uint16_t depth;  /* bytes of its text; the root has 0 */
        uint8_t byte;    /* its last */
};

struct token_trie {
        struct trie_node *nodes; /* nodes_count, and one behind them that ends the ids of the last */
        int32_t *ids;
        uint32_t nodes_count, ids_count;
        bool drops_space; /* a text's first token may lose the space it begins with */
};

/* Of the tokens below N_VOCAB. 0 or -ENOMEM. T is not kept. */
int token_trie_new(const struct tokenizer *t, uint32_t n_vocab, struct token_trie **ret);
void token_trie_free(struct token_trie *trie);

#endif
