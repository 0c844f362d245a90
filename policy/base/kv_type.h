/*
 * kv_type.h - precisions of a KV cache block, most precise first: the order of the downshift ladder.
 *
 * Quantised keys are stored rotated by a Hadamard matrix, and meet queries rotated by the same, which leaves every product as
 * it is. Models have a few key channels much larger than the others; rotated, they share their size among all, and a group
 * of 32 has a scale that fits all of it. Values have no such channels, and are stored as they are (docs/kv-cache.md: measured).
 */
#ifndef HEADROOM_POLICY_BASE_KV_TYPE_H
#define HEADROOM_POLICY_BASE_KV_TYPE_H

#include <stdbool.h>

enum kv_type {
        KV_F16,  /* 2 bytes a value */
        KV_Q8_0, /* 34 bytes per 32 values */
        KV_Q4_0, /* 18 bytes per 32 values */
        KV_TYPE_COUNT,
};

/* Bytes of a block of 32 values: 64, 34, 18 (the block sizes of the GGUF specification). */
static inline unsigned kv_type_block_bytes(enum kv_type type) {
        return type == KV_F16 ? 64 : type == KV_Q8_0 ? 34 : 18;
}

/* Whether keys of this type are stored rotated. */
static inline bool kv_type_rotates_keys(enum kv_type type) {
        return type != KV_F16;
}

/* "f16", "q8_0", "q4_0". */
const char *kv_type_name(enum kv_type type);
/* 0 and *ret, or -EINVAL. */
int kv_type_by_name(const char *name, enum kv_type *ret);

#endif
