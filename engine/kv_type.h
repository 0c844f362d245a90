/* kv_type.h - precisions of a KV cache block, most precise first: the order of the downshift ladder. */
#ifndef HEADROOM_ENGINE_KV_TYPE_H
#define HEADROOM_ENGINE_KV_TYPE_H

enum kv_type {
        KV_F16,  /* 2 bytes a value */
        KV_Q8_0, /* 34 bytes per 32 values */
        KV_Q4_0, /* 18 bytes per 32 values */
        KV_TYPE_COUNT,
};

/* "f16", "q8_0", "q4_0". */
const char *kv_type_name(enum kv_type type);
/* 0 and *ret, or -EINVAL. */
int kv_type_by_name(const char *name, enum kv_type *ret);

#endif
