/*
 * trie.h - finds tokens at a place in a text: some of a vocabulary's tokens, sorted by text and walked byte by byte.
 *
 * Each further byte narrows the range of sorted texts that begin like the text read so far. Tokens longer than
 * TRIE_DEPTH_MAX bytes are left out, which bounds the walk at each place.
 */
#ifndef HEADROOM_ENGINE_TOKENIZER_TRIE_H
#define HEADROOM_ENGINE_TOKENIZER_TRIE_H

#include "engine/tokenizer/vocab.h"

struct trie {
        const struct vocab *vocab;
        int32_t *ids; /* sorted by text, equal texts by id */
        uint32_t count;
        uint32_t first[257]; /* ids[first[b]] .. ids[first[b + 1] - 1] begin with byte b */
};

/* Of the tokens that are at all long enough, those that WANTED names. 0 or -ENOMEM. */
int trie_init(struct trie *t, const struct vocab *v, bool (*wanted)(const struct vocab *v, int32_t id));
void trie_done(struct trie *t);

/* The tokens that begin with the DEPTH bytes read so far. */
struct trie_walk {
        uint32_t low, high;
        size_t depth;
};

/* False where no token begins like this; the walk is over then. */
bool trie_begin(const struct trie *t, struct trie_walk *w, uint8_t byte);
bool trie_step(const struct trie *t, struct trie_walk *w, uint8_t byte);

/* The token that is what has been read, or TOKEN_NONE; the lowest id of several. */
int32_t trie_token(const struct trie *t, const struct trie_walk *w);

/* The longest token at BYTES, of LENGTH bytes, or TOKEN_NONE. *ret_length is set where one is found. */
int32_t trie_longest(const struct trie *t, const char *bytes, size_t length, size_t *ret_length);

#endif
