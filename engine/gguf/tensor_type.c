/* tensor_type.c - the storage types of the GGUF specification. Ids that are missing were withdrawn by it. */
#include "engine/gguf/tensor_type.h"

#include <errno.h>
#include <stddef.h>
#include <strings.h>

#include "engine/gguf/block.h"

/* clang-format off */
static const struct tensor_type_info types[TENSOR_TYPE_COUNT] = {
        [TENSOR_F32]     = { "F32",     1,   4 },
        [TENSOR_F16]     = { "F16",     1,   2 },
        [TENSOR_BF16]    = { "BF16",    1,   2 },
        [TENSOR_F64]     = { "F64",     1,   8 },
        [TENSOR_I8]      = { "I8",      1,   1 },
        [TENSOR_I16]     = { "I16",     1,   2 },
        [TENSOR_I32]     = { "I32",     1,   4 },
        [TENSOR_I64]     = { "I64",     1,   8 },
        [TENSOR_Q4_0]    = { "Q4_0",    32,  sizeof(struct block_q4_0) },
        [TENSOR_Q4_1]    = { "Q4_1",    32,  sizeof(struct block_q4_1) },
        [TENSOR_Q5_0]    = { "Q5_0",    32,  sizeof(struct block_q5_0) },
        [TENSOR_Q5_1]    = { "Q5_1",    32,  sizeof(struct block_q5_1) },
        [TENSOR_Q8_0]    = { "Q8_0",    32,  sizeof(struct block_q8_0) },
        [TENSOR_Q8_1]    = { "Q8_1",    32,  36 },
        [TENSOR_Q2_K]    = { "Q2_K",    256, sizeof(struct block_q2_k) },
        [TENSOR_Q3_K]    = { "Q3_K",    256, sizeof(struct block_q3_k) },
        [TENSOR_Q4_K]    = { "Q4_K",    256, sizeof(struct block_q4_k) },
        [TENSOR_Q5_K]    = { "Q5_K",    256, sizeof(struct block_q5_k) },
        [TENSOR_Q6_K]    = { "Q6_K",    256, sizeof(struct block_q6_k) },
        [TENSOR_Q8_K]    = { "Q8_K",    256, 292 },
        [TENSOR_IQ1_S]   = { "IQ1_S",   256, sizeof(struct block_iq1_s) },
        [TENSOR_IQ1_M]   = { "IQ1_M",   256, sizeof(struct block_iq1_m) },
        [TENSOR_IQ2_XXS] = { "IQ2_XXS", 256, sizeof(struct block_iq2_xxs) },
        [TENSOR_IQ2_XS]  = { "IQ2_XS",  256, sizeof(struct block_iq2_xs) },
        [TENSOR_IQ2_S]   = { "IQ2_S",   256, sizeof(struct block_iq2_s) },
        [TENSOR_IQ3_XXS] = { "IQ3_XXS", 256, sizeof(struct block_iq3_xxs) },
        [TENSOR_IQ3_S]   = { "IQ3_S",   256, sizeof(struct block_iq3_s) },
        [TENSOR_IQ4_NL]  = { "IQ4_NL",  32,  sizeof(struct block_iq4_nl) },
        [TENSOR_IQ4_XS]  = { "IQ4_XS",  256, sizeof(struct block_iq4_xs) },
        [TENSOR_TQ1_0]   = { "TQ1_0",   256, 54 },
        [TENSOR_TQ2_0]   = { "TQ2_0",   256, 66 },
        [TENSOR_MXFP4]   = { "MXFP4",   32,  sizeof(struct block_mxfp4) },
        [TENSOR_NVFP4]   = { "NVFP4",   64,  36 },
        [TENSOR_Q1_0]    = { "Q1_0",    128, 18 },
        [TENSOR_Q2_0]    = { "Q2_0",    64,  18 },
};
/* clang-format on */

const struct tensor_type_info *tensor_type_info(uint32_t type) {
        if (type >= TENSOR_TYPE_COUNT || !types[type].name)
                return NULL;
        return &types[type];
}

bool tensor_type_row_bytes(uint32_t type, uint64_t values, uint64_t *ret) {
        const struct tensor_type_info *info = tensor_type_info(type);
        uint64_t bytes;

        if (!info || values % info->block_values)
                return false;
        if (__builtin_mul_overflow(values / info->block_values, (uint64_t) info->block_bytes, &bytes))
                return false;
        *ret = bytes;
        return true;
}

int tensor_type_by_name(const char *name, enum tensor_type *ret) {
        for (uint32_t i = 0; i < TENSOR_TYPE_COUNT; i++)
                if (types[i].name && !strcasecmp(types[i].name, name)) {
                        *ret = (enum tensor_type) i;
                        return 0;
                }
        return -ENOENT;
}
