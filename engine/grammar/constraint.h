/*
 * constraint.h - holds one answer to a grammar: which tokens may come next.
 *
 * Asking about one token costs its bytes. A mask of all tokens costs a walk through the vocabulary; it is kept, so that a
 * place of the grammar that comes again (the inside of a string, mostly) costs nothing. End tokens are allowed where the
 * grammar may end, other control tokens never, unless they are marks that count as their spelling.
 */
#ifndef HEADROOM_ENGINE_GRAMMAR_CONSTRAINT_H
#define HEADROOM_ENGINE_GRAMMAR_CONSTRAINT_H

#include "engine/grammar/grammar.h"
#include "engine/grammar/token_trie.h"
#include "engine/tokenizer/tokenizer.h"

struct guard;

struct guard_config { /* all must outlive the guard */
        const struct grammar *grammar;
        const struct tokenizer *tokenizer;
        const struct token_trie *trie;
        uint32_t n_vocab;
        bool first;           /* the first token begins a text of its own, as for an answer */
        const int32_t *spelt; /* control tokens that stand for their spelling, which the grammar may ask for; spelt_count */
        uint32_t spelt_count;
};
int guard_new(const struct guard_config *config, struct guard **ret); /* 0 or -ENOMEM */
void guard_free(struct guard *g);

bool guard_allows(struct guard *g, int32_t id);
/* A bit for each token, 32 in a word: those that are allowed. Good until the next call. */
const uint32_t *guard_mask(struct guard *g);
/* ID, which is allowed, is part of the answer now. */
void guard_take(struct guard *g, int32_t id);
/* The text is whole, and nothing can follow. */
bool guard_is_over(const struct guard *g);
/* The text is whole as it is. */
bool guard_may_end(const struct guard *g);

/* Masks worked out so far, and tokens asked about: for whoever measures. */
struct guard_figures {
        uint64_t masks_made, masks_found, tokens_asked;
};
struct guard_figures guard_figures(const struct guard *g);

#endif
