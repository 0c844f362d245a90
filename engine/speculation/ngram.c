/* ngram.c - see ngram.h. */
#include "engine/speculation/ngram.h"

#include <errno.h>
#include <stdlib.h>

#include "engine/base/bounds.h"

#define HASH_FACTOR 0x9e3779b1u /* of Knuth's multiplicative hash: 2^32 over the golden ratio */

int ngram_index_init(struct ngram_index *x, uint32_t tokens_max) {
        uint32_t places = NGRAM_PLACES_MIN;
        while (places < tokens_max && places < NGRAM_PLACES_MAX)
                places *= 2;
        *x = (struct ngram_index){ .places = calloc(places, sizeof(*x->places)), .mask = places - 1 };
        return x->places ? 0 : -ENOMEM;
}

void ngram_index_done(struct ngram_index *x) {
        free(x->places);
        *x = (struct ngram_index){ 0 };
}

/* The place of the run that ends before END. */
static uint32_t *place_of(const struct ngram_index *x, const int32_t *end) {
        uint32_t hash = 0;
        for (uint32_t i = NGRAM_TOKENS; i > 0; i--)
                hash = (hash ^ (uint32_t) end[-(int) i]) * HASH_FACTOR;
        return &x->places[(hash ^ hash >> 16) & x->mask];
}

/* How many tokens before AT and before COUNT are the same. */
static uint32_t match_of(const int32_t *ids, uint32_t at, uint32_t count) {
        uint32_t match = 0;
        while (match < at && match < NGRAM_MATCH_MAX && ids[at - match - 1] == ids[count - match - 1])
                match++;
        return match;
}

/* All runs but the last, which is the question, are in the index. */
static void see(struct ngram_index *x, const int32_t *ids, uint32_t count) {
        for (uint32_t end = x->seen > NGRAM_TOKENS ? x->seen : NGRAM_TOKENS; end < count; end++)
                *place_of(x, ids + end) = end;
        x->seen = count;
}

uint32_t ngram_guess(struct ngram_index *x, const int32_t *ids, uint32_t count, uint32_t most, int32_t *out,
                     uint32_t *ret_match) {
        see(x, ids, count);
        uint32_t at = count > NGRAM_TOKENS ? *place_of(x, ids + count) : 0;
        *ret_match = at ? match_of(ids, at, count) : 0;
        if (*ret_match < NGRAM_TOKENS)
                return 0;
        for (uint32_t i = 0; i < most; i++) /* where the text goes round in a circle, on into the guess */
                out[i] = at + i < count ? ids[at + i] : out[at + i - count];
        return most;
}
