/* kv_fixture.h - a KV cache of a small shape whose layers have different numbers of heads, for tests that include cmocka first. */
#ifndef HEADROOM_TESTS_UNIT_ENGINE_KV_KV_FIXTURE_H
#define HEADROOM_TESTS_UNIT_ENGINE_KV_KV_FIXTURE_H

#include "engine/kv/cache.h"

static uint32_t heads[] = { 2, 1, 3 };

static const struct hparams hparams = {
        .n_layer = 3,
        .n_head = 6,
        .n_head_kv = 3,
        .head_kv = heads,
        .d_head_k = 64,
        .d_head_v = 32,
};

static inline struct kv_cache *new_cache(uint32_t tokens, enum kv_type type_k, enum kv_type type_v) {
        struct kv_cache *c = NULL;
        assert_int_equal(kv_cache_new(&(struct kv_config){ &hparams, tokens, type_k, type_v }, &c), 0);
        return c;
}

#endif
