/* guesses.c - see guesses.h. */
#include "engine/speculation/guesses.h"

#include <stdlib.h>

struct guesses *guesses_new(uint32_t tokens_max) {
        struct guesses *g = calloc(1, sizeof(*g));
        if (!g || ngram_index_init(&g->index, tokens_max) < 0) {
                free(g);
                return NULL;
        }
        g->belief = worth_belief_first();
        return g;
}

void guesses_free(struct guesses *g) {
        if (!g)
                return;
        ngram_index_done(&g->index);
        free(g);
}

uint32_t guesses_make(struct guesses *g, const int32_t *ids, uint32_t count, uint32_t most) {
        uint32_t match;
        g->tokens[0] = ids[count - 1];
        g->count = ngram_guess(&g->index, ids, count, most, g->tokens + 1, &match);
        g->support = worth_support_of(match);
        g->right = 0;
        return g->count;
}

bool guesses_meet(struct guesses *g, int32_t token) {
        if (g->right == g->count || g->tokens[1 + g->right] != token)
                return false;
        g->right++;
        return true;
}

void guesses_settle(struct guesses *g) {
        worth_learn(&g->belief, g->support, g->count, g->right);
        g->count = g->right = 0;
}
