/*
 * prefix_hash.h - hashes that identify the prefixes of a text: a number for each block of its tokens, made of all tokens up
 * to its end.
 *
 * Two texts have their first N blocks in common when the Nth numbers are equal (but for chance, so a sequence that takes KV
 * over compares the tokens too). So the longest common prefix of a text and many others is found without their tokens.
 */
#ifndef HEADROOM_ENGINE_KV_PREFIX_HASH_H
#define HEADROOM_ENGINE_KV_PREFIX_HASH_H

#include <stdint.h>

#include "engine/kv/cache.h"

/* The seed of the hashes of this model (session_model) in this precision and for this TENANT: no other has a number in common with
 * them. Nobody's texts, those of tenant 0, have one of their own. */
uint64_t prefix_hash_seed(uint64_t model, enum kv_type type, uint64_t tenant);
/* The numbers of the whole blocks of COUNT tokens, into HASHES, which has room for them; returns how many. */
uint32_t prefix_hash_blocks(uint64_t seed, const int32_t *tokens, uint32_t count, uint64_t *hashes);

#endif
