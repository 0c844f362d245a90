/*
 * ngram.h - what followed when a text last said what it says now: its own words as a guess at the next ones.
 *
 * For each run of NGRAM_TOKENS tokens the index knows the place behind its last occurrence, by a hash: a table that is made once and never
 * grows, in which later runs take the places of earlier ones. What is found there is compared with the text, so a hash that two runs
 * share costs a guess and nothing else.
 */
#ifndef HEADROOM_ENGINE_SPECULATION_NGRAM_H
#define HEADROOM_ENGINE_SPECULATION_NGRAM_H

#include <stdint.h>

#define NGRAM_TOKENS 3u /* two are often followed by something else, four are found a token later */

struct ngram_index {
        uint32_t *places; /* a power of two of them; 0: empty */
        uint32_t mask;
        uint32_t seen; /* tokens of the text that are in it */
};

/* For a text of up to TOKENS_MAX. 0 or -ENOMEM. */
int ngram_index_init(struct ngram_index *x, uint32_t tokens_max);
void ngram_index_done(struct ngram_index *x);

/*
 * Guesses at the tokens behind the COUNT at IDS, the same text as before and longer: up to MOST of them to OUT. Returns how many;
 * *ret_match says how many tokens before them were the same the last time, up to NGRAM_MATCH_MAX.
 */
uint32_t ngram_guess(struct ngram_index *x, const int32_t *ids, uint32_t count, uint32_t most, int32_t *out, uint32_t *ret_match);

#endif
