/* avx_vnni.c - the kernels of processors with AVX-VNNI but no AVX-512: their table, and products of Q4_K, Q5_K and Q6_K. The rest is AVX2's. */
#if defined(__x86_64__)
#include "engine/kernels/portable.h"
#include "engine/kernels_x86/avx2.h"
#include "engine/kernels_x86/lanes_avx2.h"
#include "engine/kernels_x86/sets.h"

#define MULTIPLY(type) avx_vnni_multiply_##type
#include "engine/kernels_x86/panel_k.h"

/* clang-format off */
const struct kernels kernels_avx_vnni = {
        .name = "avx-vnni",
        .types = {
                [TENSOR_F32] = { ACTIVATION_F32, portable_dequantize_f32, avx2_multiply_f32 },
                [TENSOR_F16] = { ACTIVATION_F32, portable_dequantize_f16, avx2_multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, avx2_multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, avx_vnni_multiply_q4_0 },
                [TENSOR_Q4_1] = { ACTIVATION_I16, portable_dequantize_q4_1, avx_vnni_multiply_q4_1 },
                [TENSOR_Q5_0] = { ACTIVATION_I16, portable_dequantize_q5_0, avx_vnni_multiply_q5_0 },
                [TENSOR_Q5_1] = { ACTIVATION_I16, portable_dequantize_q5_1, avx_vnni_multiply_q5_1 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, avx_vnni_multiply_q8_0 },
                [TENSOR_IQ4_NL] = { ACTIVATION_I16, portable_dequantize_iq4_nl, avx_vnni_multiply_iq4_nl },
                [TENSOR_MXFP4] = { ACTIVATION_I16, portable_dequantize_mxfp4, avx_vnni_multiply_mxfp4 },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, avx_vnni_multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, avx_vnni_multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, avx_vnni_multiply_q6_k },
                AVX2_TYPES_256
        },
        AVX2_VECTORS
};
/* clang-format on */

#else
typedef int no_avx_vnni; /* a translation unit may not be empty */
#endif
