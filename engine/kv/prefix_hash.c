/* prefix_hash.c - see prefix_hash.h. */
#include "engine/kv/prefix_hash.h"

#include "policy/base/hash.h"

uint64_t prefix_hash_seed(uint64_t model, enum kv_type type, uint64_t tenant) {
        uint64_t seed = hash_number(hash_number(HASH_START, model, 8), (uint64_t) type, 4);
        return tenant ? hash_number(seed, tenant, 8) : seed; /* files of before there were tenants stay good */
}

uint32_t prefix_hash_blocks(uint64_t seed, const int32_t *tokens, uint32_t count, uint64_t *hashes) {
        uint32_t blocks = count / KV_BLOCK_TOKENS;
        uint64_t hash = seed;
        for (uint32_t b = 0; b < blocks; b++) {
                for (uint32_t i = 0; i < KV_BLOCK_TOKENS; i++)
                        hash = hash_number(hash, (uint32_t) tokens[b * KV_BLOCK_TOKENS + i], 4);
                hashes[b] = hash;
        }
        return blocks;
}
