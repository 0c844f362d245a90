/* avx512.c - the kernels of processors with AVX-512 and VNNI: their table. What is not in avx512_*.c is AVX2's. */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx2.h"
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels/portable.h"
#include "engine/kernels_x86/sets.h"

/* clang-format off */
const struct kernels kernels_avx512 = {
        .name = "avx512",
        .types = {
                [TENSOR_F32] = { ACTIVATION_F32, portable_dequantize_f32, avx512_multiply_f32 },
                [TENSOR_F16] = { ACTIVATION_F32, portable_dequantize_f16, avx512_multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, avx512_multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, avx512_multiply_q4_0 },
                [TENSOR_Q4_1] = { ACTIVATION_I16, portable_dequantize_q4_1, avx512_multiply_q4_1 },
                [TENSOR_Q5_0] = { ACTIVATION_I16, portable_dequantize_q5_0, avx512_multiply_q5_0 },
                [TENSOR_Q5_1] = { ACTIVATION_I16, portable_dequantize_q5_1, avx512_multiply_q5_1 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, avx512_multiply_q8_0 },
                [TENSOR_IQ4_NL] = { ACTIVATION_I16, portable_dequantize_iq4_nl, avx512_multiply_iq4_nl },
                [TENSOR_MXFP4] = { ACTIVATION_I16, portable_dequantize_mxfp4, avx512_multiply_mxfp4 },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, avx512_multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, avx512_multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, avx512_multiply_q6_k },
                AVX2_TYPES_256
        },
        .prepare = {
                [ACTIVATION_I16] = avx2_prepare_i16,
                [ACTIVATION_I8] = avx2_prepare_i8,
        },
        .kv = {
                [KV_F16] = { avx2_load_f16, avx2_store_f16, avx512_mix_f16, avx512_score_f16 },
                [KV_Q8_0] = { avx2_load_q8_0, avx2_store_q8_0, avx512_mix_q8_0, NULL },
                [KV_Q4_0] = { portable_dequantize_q4_0, avx2_store_q4_0, avx512_mix_q4_0, NULL },
        },
        .rms_norm = avx2_rms_norm,
        .hadamard = avx2_hadamard,
        .add = avx2_add,
        .scale = avx2_scale,
        .swiglu = avx2_swiglu,
        .maximum = avx512_maximum,
        .exponential_sum = avx512_exponential_sum,
};
/* clang-format on */

#else
typedef int no_avx512_here; /* a translation unit may not be empty */
#endif
