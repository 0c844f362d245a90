/*
 * hash.h - FNV-1a (Fowler, Noll, Vo): small, without tables, the same on every machine. Files on disk are identified
 * by its values, so the function must stay as it is. An author of both texts can make them collide.
 */
#ifndef HEADROOM_POLICY_BASE_HASH_H
#define HEADROOM_POLICY_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_START    0xcbf29ce484222325u
#define HASH_START_32 2166136261u
#define HASH_SPREAD   0x9e3779b97f4a7c15u /* 2^64 / golden ratio: a product with it spreads the low bits upwards */

/* Goes on from a hash of what came before, or from HASH_START. */
static inline uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t count) {
        for (size_t i = 0; i < count; i++)
                hash = (hash ^ ((const uint8_t *) bytes)[i]) * 0x100000001b3u;
        return hash;
}

/* The lowest bytes of a number, the lowest first, whatever the machine's order. */
static inline uint64_t hash_number(uint64_t hash, uint64_t value, unsigned bytes) {
        for (unsigned i = 0; i < bytes; i++)
                hash = (hash ^ (value >> 8 * i & 0xff)) * 0x100000001b3u;
        return hash;
}

/* From HASH_START_32. */
static inline uint32_t hash_bytes_32(uint32_t hash, const void *bytes, size_t count) {
        for (size_t i = 0; i < count; i++)
                hash = (hash ^ ((const uint8_t *) bytes)[i]) * 16777619u;
        return hash;
}

#endif
