/* kv_type.c - the names of the KV cache precisions, in the order of the downshift ladder. */
#include "policy/base/kv_type.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static const char *const names[KV_TYPE_COUNT] = {
        [KV_F16] = "f16",
        [KV_Q8_0] = "q8_0",
        [KV_Q4_0] = "q4_0",
};

const char *kv_type_name(enum kv_type type) {
        assert(type < KV_TYPE_COUNT);
        return names[type];
}

int kv_type_by_name(const char *name, enum kv_type *ret) {
        for (unsigned i = 0; i < KV_TYPE_COUNT; i++)
                if (!strcmp(names[i], name)) {
                        *ret = (enum kv_type) i;
                        return 0;
                }
        return -EINVAL;
}
