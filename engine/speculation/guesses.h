/*
 * guesses.h - the tokens that are likely to come in one text, and how often such guesses were right.
 *
 * They are checked by the pass that computes the text's next token, which takes them as if they were there: what the sampler picks
 * after each of them is what it would have picked. The first that it picks otherwise ends that, and what was computed for those behind it
 * is given up. So the text is the same, at any temperature and under any grammar, bit for bit; guesses change its speed alone.
 */
#ifndef HEADROOM_ENGINE_SPECULATION_GUESSES_H
#define HEADROOM_ENGINE_SPECULATION_GUESSES_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/speculation/ngram.h"
#include "engine/speculation/worth.h"

struct guesses {
        struct ngram_index index;
        struct worth_belief belief;
        enum worth_support support;                 /* of those below */
        int32_t tokens[1 + SPECULATION_TOKENS_MAX]; /* the newest token of the text, then guesses at what follows */
        uint32_t count, right;                      /* guesses, and how many turned out right so far */
};

/* For a text of up to TOKENS_MAX; NULL: there is no memory. */
struct guesses *guesses_new(uint32_t tokens_max);
void guesses_free(struct guesses *g);

/* Makes up to MOST guesses at what follows the COUNT (at least 1) tokens at IDS; returns how many. */
uint32_t guesses_make(struct guesses *g, const int32_t *ids, uint32_t count, uint32_t most);
/* The text's next token is TOKEN: true where that was the next guess. */
bool guesses_meet(struct guesses *g, int32_t token);
/* No more of them are met. */
void guesses_settle(struct guesses *g);

#endif
