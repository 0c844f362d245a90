/* dispatch.c - which set of kernels runs: asked of the processor once. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "engine/kernels/kernels.h"

const struct kernels *kernels_named(const char *name) {
        return strcmp(name, kernels_portable.name) ? NULL : &kernels_portable;
}

const struct kernels *kernels_get(void) {
        const char *wanted = getenv("HEADROOM_KERNELS");
        const struct kernels *k = wanted ? kernels_named(wanted) : NULL;
        return k ? k : &kernels_portable;
}

enum tensor_type kv_tensor_type(enum kv_type type) {
        static const enum tensor_type types[KV_TYPE_COUNT] = {
                [KV_F16] = TENSOR_F16,
                [KV_Q8_0] = TENSOR_Q8_0,
                [KV_Q4_0] = TENSOR_Q4_0,
        };
        assert(type < KV_TYPE_COUNT);
        return types[type];
}
