/*
 * prefix_cache.h - the KV of finished sequences, kept so that a later one with the same prefix need not compute it
 * again.
 *
 * An entry keeps the whole blocks of a sequence and the tokens they hold. It serves the tenant whose sequence it was alone: how soon a
 * prompt is answered would tell others what was asked before. Entries are dropped, the least recently
 * used first, when their blocks are wanted. No sequence waits for room that an entry holds.
 */
#ifndef HEADROOM_ENGINE_KV_PREFIX_CACHE_H
#define HEADROOM_ENGINE_KV_PREFIX_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/base/bounds.h"
#include "engine/kv/cache.h"

struct prefix {
        struct kv_sequence kv; /* tokens_count is a multiple of KV_BLOCK_TOKENS, not 0 */
        int32_t *tokens;
        uint64_t tenant;
        uint64_t used;      /* when, by the store's own count */
        bool was_candidate; /* to be saved in a file */
};

struct prefix_store { /* start with all zero and the cache */
        struct kv_cache *cache;
        struct prefix entries[PREFIXES_MAX];
        uint32_t count;
        uint64_t uses;
};
void prefix_store_done(struct prefix_store *s);

/* How many tokens two texts have in common from the start, in whole blocks. */
uint32_t prefix_common(const int32_t *a, uint32_t a_count, const int32_t *b, uint32_t b_count);

/* The entry of TENANT that shares the longest prefix with TOKENS, and how long it is (whole blocks); NULL and 0 if none does. */
const struct kv_sequence *prefix_find(struct prefix_store *s, uint64_t tenant, const int32_t *tokens, uint32_t count,
                                      uint32_t *ret_common);

/* Takes over KV, which holds a prefix of TENANT's TOKENS, as an entry; what is no whole block is freed. KV is empty afterwards. */
void prefix_keep(struct prefix_store *s, uint64_t tenant, struct kv_sequence *kv, const int32_t *tokens);

/* Drops the least recently used entry; false when there is none. */
bool prefix_drop_oldest(struct prefix_store *s);

#endif
