/*
 * prefix_hash.h - what a beginning of a text is known by: a number for each block of its tokens, made of all tokens up to there.
 *
 * Two texts have their first N blocks in common when the Nth numbers are equal (but for chance, so whoever takes something over
 * compares the tokens too). So the longest common beginning of a text and many others is found without their tokens.
 */
#ifndef HEADROOM_ENGINE_KV_PREFIX_HASH_H
#define HEADROOM_ENGINE_KV_PREFIX_HASH_H

#include <stdint.h>

#include "engine/kv/cache.h"

/* Where chains of this model (session_model) in this precision begin: no other has a number in common with them. */
uint64_t chain_seed(uint64_t model, enum kv_type type);
/* The numbers of the whole blocks of COUNT tokens, into CHAIN, which has room for them; returns how many. */
uint32_t chain_of(uint64_t seed, const int32_t *tokens, uint32_t count, uint64_t *chain);

#endif
