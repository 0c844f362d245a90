/*
 * tensor_type.h - the storage types of GGUF tensors: one table, no arithmetic.
 *
 * Ids, block lengths and block sizes are those of the GGUF specification. A type that is in the table
 * but has no kernel can be sized and named, not run: `kernels.h` says which can be computed with.
 */
#ifndef HEADROOM_ENGINE_GGUF_TENSOR_TYPE_H
#define HEADROOM_ENGINE_GGUF_TENSOR_TYPE_H

#include <stdbool.h>
#include <stdint.h>

/* clang-format off */
enum tensor_type {
        TENSOR_F32     = 0,
        TENSOR_F16     = 1,
        TENSOR_Q4_0    = 2,
        TENSOR_Q4_1    = 3,
        TENSOR_Q5_0    = 6,
        TENSOR_Q5_1    = 7,
        TENSOR_Q8_0    = 8,
        TENSOR_Q8_1    = 9,
        TENSOR_Q2_K    = 10,
        TENSOR_Q3_K    = 11,
        TENSOR_Q4_K    = 12,
        TENSOR_Q5_K    = 13,
        TENSOR_Q6_K    = 14,
        TENSOR_Q8_K    = 15,
        TENSOR_IQ2_XXS = 16,
        TENSOR_IQ2_XS  = 17,
        TENSOR_IQ3_XXS = 18,
        TENSOR_IQ1_S   = 19,
        TENSOR_IQ4_NL  = 20,
        TENSOR_IQ3_S   = 21,
        TENSOR_IQ2_S   = 22,
        TENSOR_IQ4_XS  = 23,
        TENSOR_I8      = 24,
        TENSOR_I16     = 25,
        TENSOR_I32     = 26,
        TENSOR_I64     = 27,
        TENSOR_F64     = 28,
        TENSOR_IQ1_M   = 29,
        TENSOR_BF16    = 30,
        TENSOR_TQ1_0   = 34,
        TENSOR_TQ2_0   = 35,
        TENSOR_MXFP4   = 39,
        TENSOR_NVFP4   = 40,
        TENSOR_Q1_0    = 41,
        TENSOR_Q2_0    = 42,
        TENSOR_TYPE_COUNT,              /* one past the largest id; gaps are unknown types */
};
/* clang-format on */

struct tensor_type_info {
        const char *name;      /* "Q4_K"; NULL for an id that is unknown here */
        uint32_t block_values; /* values per block: a row holds a whole number of blocks */
        uint32_t block_bytes;
};

/* The row of TYPE, or NULL when the id is unknown. */
const struct tensor_type_info *tensor_type_info(uint32_t type);

/* Bytes of a row of VALUES; false when VALUES is no multiple of the block or the result overflows. */
bool tensor_type_row_bytes(uint32_t type, uint64_t values, uint64_t *ret);

/* The type named NAME ("q8_0", any case), or -ENOENT. */
int tensor_type_by_name(const char *name, enum tensor_type *ret);

#endif
