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

struct constraint;

struct constraint_config { /* all must outlive the constraint */
        const struct grammar *grammar;
        const struct tokenizer *tokenizer;
        const struct token_trie *trie;
        uint32_t n_vocab;
        bool first; /* the first token begins a text of its own, as for an answer */
        const int32_t *
                literal_tokens; /* control tokens that stand for their spelling, which the grammar may ask for; literal_tokens_count */
        uint32_t literal_tokens_count;
};
int constraint_new(const struct constraint_config *config, struct constraint **ret); /* 0 or -ENOMEM */
void constraint_free(struct constraint *g);

bool constraint_allows(struct constraint *g, int32_t id);
/*
 * How many of the COUNT tokens at IDS may come one after the other, as far as that was worked out before: those beyond are taken for
 * allowed. What the answer comes to does not depend on who asks this, when, or about what.
 */
uint32_t constraint_follow(struct constraint *g, const int32_t *ids, uint32_t count);
/* A bit for each token, 32 in a word: those that are allowed. Good until the next call. */
const uint32_t *constraint_mask(struct constraint *g);
/* ID, which is allowed, is part of the answer now. */
void constraint_take(struct constraint *g, int32_t id);
/* The text is whole, and nothing can follow. */
bool constraint_is_over(const struct constraint *g);
/* The text is whole as it is. */
bool constraint_may_end(const struct constraint *g);

/* Masks worked out so far, and tokens asked about: for benchmarks. */
struct constraint_figures {
        uint64_t masks_made, masks_found, tokens_asked;
};
struct constraint_figures constraint_figures(const struct constraint *g);

#endif
