/* kv_level.h - precisions of a KV cache as policy knows them, most precise first; the same order as policy/base/kv_type.h. */
#ifndef HEADROOM_POLICY_BASE_KV_LEVEL_H
#define HEADROOM_POLICY_BASE_KV_LEVEL_H

enum kv_level { KV_LEVEL_F16, KV_LEVEL_Q8_0, KV_LEVEL_Q4_0, KV_LEVEL_COUNT };

/* Bytes per 32 values: 64, 34, 18 (block sizes of the GGUF specification). */
static inline unsigned kv_level_size(enum kv_level level) {
        return level == KV_LEVEL_F16 ? 64 : level == KV_LEVEL_Q8_0 ? 34 : 18;
}

#endif
