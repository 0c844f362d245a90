/*
 * portable.c - the kernels in plain C: the reference that every other set is tested against.
 *
 * Written for reading, one value at a time. A quantised block is unpacked first (unpack.h), so that there are two
 * formulas for all types. A product sums whole numbers within a block and floats from block to block.
 */
#include "engine/kernels/portable.h"

#include <math.h>

#include "engine/gguf/half.h"
#include "engine/kernels/kernels.h"
#include "engine/unpack/unpack.h"

/* --- rows to floats --- */

void portable_dequantize_f32(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t i = 0; i < n; i++)
                out[i] = load_float(row + 4 * (size_t) i);
}

void portable_dequantize_f16(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t i = 0; i < n; i++)
                out[i] = load_half(row + 2 * (size_t) i);
}

void portable_dequantize_bf16(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t i = 0; i < n; i++)
                out[i] = load_bfloat(row + 2 * (size_t) i);
}

static inline void dequantize_32(const uint8_t *row, uint32_t n, float *out, unpack_32 *unpack, size_t block_bytes) {
        for (uint32_t b = 0; b < n / 32; b++) {
                struct unpacked_32 u;
                unpack(row + b * block_bytes, &u);
                for (int i = 0; i < 32; i++)
                        *out++ = u.scale * (float) u.codes[i] - u.minimum;
        }
}

static inline void dequantize_256(const uint8_t *row, uint32_t n, float *out, unpack_256 *unpack, size_t block_bytes) {
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                struct unpacked_256 u;
                unpack(row + b * block_bytes, &u);
                for (int i = 0; i < K_VALUES; i++)
                        *out++ = u.scale * (float) u.scales[i / 16] * (float) u.codes[i] - u.minimum * (float) u.minima[i / 16];
        }
}

/* --- activations to whole numbers --- */

/* Not a number gives 0, so that a broken model cannot reach undefined conversions. */
static int to_code(float x, float limit) {
        if (!(x > -limit))
                return x <= -limit ? (int) -limit : 0;
        return (int) (x < limit ? lrintf(x) : (long) limit);
}

/* The factor that turns values into codes of at most LIMIT, given their largest magnitude. */
static float inverse_scale(float largest, float limit) {
        return largest > ACTIVATION_TINY ? limit / largest : 0;
}

static float largest_magnitude(const float *x, uint32_t count) {
        float largest = 0;
        for (uint32_t i = 0; i < count; i++)
                largest = fmaxf(largest, fabsf(x[i]));
        return largest;
}

static void prepare_i16(const float *x, uint32_t n, uint8_t *column) {
        int16_t *codes = (int16_t *) (void *) column;
        float *scales = (float *) (void *) (column + i16_scales_offset(n));
        int32_t *sums = (int32_t *) (void *) (column + i16_sums_offset(n));
        for (uint32_t b = 0; b < n / 32; b++) {
                float largest = largest_magnitude(x + b * 32, 32), inverse = inverse_scale(largest, 32767.0f);
                scales[b] = largest / 32767.0f;
                sums[b] = 0;
                for (uint32_t i = b * 32; i < b * 32 + 32; i++) {
                        codes[i] = (int16_t) to_code(x[i] * inverse, 32767.0f);
                        sums[b] += codes[i];
                }
        }
}

static void prepare_i8(const float *x, uint32_t n, uint8_t *column) {
        int8_t *codes = (int8_t *) column;
        float *scales = (float *) (void *) (column + i8_scales_offset(n));
        int16_t *sums = (int16_t *) (void *) (column + i8_sums_offset(n));
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                float largest = largest_magnitude(x + b * K_VALUES, K_VALUES), inverse = inverse_scale(largest, 127.0f);
                scales[b] = largest / 127.0f;
                for (uint32_t i = b * K_VALUES; i < (b + 1) * K_VALUES; i++)
                        codes[i] = (int8_t) to_code(x[i] * inverse, 127.0f);
        }
        for (uint32_t s = 0; s < n / 16; s++) {
                int sum = 0;
                for (uint32_t i = 0; i < 16; i++)
                        sum += codes[s * 16 + i];
                sums[s] = (int16_t) sum;
        }
}

/* A column's pieces. */
struct i16_column {
        const int16_t *codes;
        const float *scales;
};

static struct i16_column i16_of(const uint8_t *column, uint32_t n) {
        return (struct i16_column){ (const int16_t *) (const void *) column,
                                    (const float *) (const void *) (column + i16_scales_offset(n)) };
}

struct i8_column {
        const int8_t *codes;
        const float *scales;
        const int16_t *sums;
};

static struct i8_column i8_of(const uint8_t *column, uint32_t n) {
        return (struct i8_column){
                (const int8_t *) column,
                (const float *) (const void *) (column + i8_scales_offset(n)),
                (const int16_t *) (const void *) (column + i8_sums_offset(n)),
        };
}

/* --- one row times one column --- */

static float dot_f32(const uint8_t *row, const uint8_t *column, uint32_t n) {
        const float *x = (const float *) (const void *) column;
        float sum = 0;
        for (uint32_t i = 0; i < n; i++)
                sum += load_float(row + 4 * (size_t) i) * x[i];
        return sum;
}

static float dot_f16(const uint8_t *row, const uint8_t *column, uint32_t n) {
        const float *x = (const float *) (const void *) column;
        float sum = 0;
        for (uint32_t i = 0; i < n; i++)
                sum += load_half(row + 2 * (size_t) i) * x[i];
        return sum;
}

static float dot_bf16(const uint8_t *row, const uint8_t *column, uint32_t n) {
        const float *x = (const float *) (const void *) column;
        float sum = 0;
        for (uint32_t i = 0; i < n; i++)
                sum += load_bfloat(row + 2 * (size_t) i) * x[i];
        return sum;
}

/* A block: codes by codes, less what the minimum takes off, which is the same for all values. */
static inline float dot_32(const uint8_t *row, const uint8_t *column, uint32_t n, unpack_32 *unpack, size_t block_bytes) {
        struct i16_column x = i16_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / 32; b++) {
                struct unpacked_32 u;
                int whole = 0, below = 0;
                unpack(row + b * block_bytes, &u);
                for (uint32_t i = 0; i < 32; i++) {
                        whole += u.codes[i] * x.codes[b * 32 + i];
                        below += x.codes[b * 32 + i];
                }
                sum += u.scale * x.scales[b] * (float) whole - u.minimum * x.scales[b] * (float) below;
        }
        return sum;
}

static inline float dot_256(const uint8_t *row, const uint8_t *column, uint32_t n, unpack_256 *unpack, size_t block_bytes) {
        struct i8_column x = i8_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                struct unpacked_256 u;
                int whole = 0, below = 0;
                unpack(row + b * block_bytes, &u);
                for (uint32_t i = 0; i < K_VALUES; i++)
                        whole += u.scales[i / 16] * u.codes[i] * x.codes[b * K_VALUES + i];
                for (uint32_t s = 0; s < 16; s++)
                        below += u.minima[s] * x.sums[b * 16 + s];
                sum += u.scale * x.scales[b] * (float) whole - u.minimum * x.scales[b] * (float) below;
        }
        return sum;
}

/* The two kernels of a quantised type, from how it is unpacked. */
#define DEFINE_TYPE(values, type)                                                                \
        void portable_dequantize_##type(const uint8_t *row, uint32_t n, float *out) {            \
                dequantize_##values(row, n, out, unpack_##type, sizeof(struct block_##type));    \
        }                                                                                        \
        static float dot_##type(const uint8_t *row, const uint8_t *column, uint32_t n) {         \
                return dot_##values(row, column, n, unpack_##type, sizeof(struct block_##type)); \
        }
DEFINE_TYPE(32, q4_0)
DEFINE_TYPE(32, q4_1)
DEFINE_TYPE(32, q5_0)
DEFINE_TYPE(32, q5_1)
DEFINE_TYPE(32, q8_0)
DEFINE_TYPE(32, iq4_nl)
DEFINE_TYPE(32, mxfp4)
DEFINE_TYPE(256, q2_k)
DEFINE_TYPE(256, q3_k)
DEFINE_TYPE(256, q4_k)
DEFINE_TYPE(256, q5_k)
DEFINE_TYPE(256, q6_k)
DEFINE_TYPE(256, iq4_xs)
DEFINE_TYPE(256, iq2_xxs)
DEFINE_TYPE(256, iq2_xs)
DEFINE_TYPE(256, iq2_s)
DEFINE_TYPE(256, iq3_xxs)
DEFINE_TYPE(256, iq3_s)
DEFINE_TYPE(256, iq1_s)
DEFINE_TYPE(256, iq1_m)

/* --- many rows times many columns --- */

static inline void multiply_with(const struct product *p, float (*dot)(const uint8_t *, const uint8_t *, uint32_t)) {
        for (uint32_t c = 0; c < p->columns_count; c++)
                for (uint32_t r = 0; r < p->rows_count; r++)
                        p->out[c * p->out_stride + r] = dot(p->rows + r * p->row_bytes, p->columns + c * p->column_bytes, p->n);
}

#define DEFINE_MULTIPLY(type)                                  \
        static void multiply_##type(const struct product *p) { \
                multiply_with(p, dot_##type);                  \
        }
DEFINE_MULTIPLY(f32)
DEFINE_MULTIPLY(f16)
DEFINE_MULTIPLY(bf16)
DEFINE_MULTIPLY(q4_0)
DEFINE_MULTIPLY(q4_1)
DEFINE_MULTIPLY(q5_0)
DEFINE_MULTIPLY(q5_1)
DEFINE_MULTIPLY(q8_0)
DEFINE_MULTIPLY(iq4_nl)
DEFINE_MULTIPLY(mxfp4)
DEFINE_MULTIPLY(q2_k)
DEFINE_MULTIPLY(q3_k)
DEFINE_MULTIPLY(q4_k)
DEFINE_MULTIPLY(q5_k)
DEFINE_MULTIPLY(q6_k)
DEFINE_MULTIPLY(iq4_xs)
DEFINE_MULTIPLY(iq2_xxs)
DEFINE_MULTIPLY(iq2_xs)
DEFINE_MULTIPLY(iq2_s)
DEFINE_MULTIPLY(iq3_xxs)
DEFINE_MULTIPLY(iq3_s)
DEFINE_MULTIPLY(iq1_s)
DEFINE_MULTIPLY(iq1_m)

/* clang-format off */
const struct kernels kernels_portable = {
        .name = "portable",
        .types = {
                [TENSOR_F32]  = { ACTIVATION_F32, portable_dequantize_f32, multiply_f32 },
                [TENSOR_F16]  = { ACTIVATION_F32, portable_dequantize_f16, multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, multiply_q4_0 },
                [TENSOR_Q4_1] = { ACTIVATION_I16, portable_dequantize_q4_1, multiply_q4_1 },
                [TENSOR_Q5_0] = { ACTIVATION_I16, portable_dequantize_q5_0, multiply_q5_0 },
                [TENSOR_Q5_1] = { ACTIVATION_I16, portable_dequantize_q5_1, multiply_q5_1 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, multiply_q8_0 },
                [TENSOR_IQ4_NL] = { ACTIVATION_I16, portable_dequantize_iq4_nl, multiply_iq4_nl },
                [TENSOR_MXFP4] = { ACTIVATION_I16, portable_dequantize_mxfp4, multiply_mxfp4 },
                [TENSOR_Q2_K] = { ACTIVATION_I8, portable_dequantize_q2_k, multiply_q2_k },
                [TENSOR_Q3_K] = { ACTIVATION_I8, portable_dequantize_q3_k, multiply_q3_k },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, multiply_q6_k },
                [TENSOR_IQ4_XS] = { ACTIVATION_I8, portable_dequantize_iq4_xs, multiply_iq4_xs },
                [TENSOR_IQ2_XXS] = { ACTIVATION_I8, portable_dequantize_iq2_xxs, multiply_iq2_xxs },
                [TENSOR_IQ2_XS] = { ACTIVATION_I8, portable_dequantize_iq2_xs, multiply_iq2_xs },
                [TENSOR_IQ2_S] = { ACTIVATION_I8, portable_dequantize_iq2_s, multiply_iq2_s },
                [TENSOR_IQ3_XXS] = { ACTIVATION_I8, portable_dequantize_iq3_xxs, multiply_iq3_xxs },
                [TENSOR_IQ3_S] = { ACTIVATION_I8, portable_dequantize_iq3_s, multiply_iq3_s },
                [TENSOR_IQ1_S] = { ACTIVATION_I8, portable_dequantize_iq1_s, multiply_iq1_s },
                [TENSOR_IQ1_M] = { ACTIVATION_I8, portable_dequantize_iq1_m, multiply_iq1_m },
        },
        .prepare = {
                [ACTIVATION_I16] = prepare_i16,
                [ACTIVATION_I8]  = prepare_i8,
        },
        .kv = {
                [KV_F16]  = { portable_dequantize_f16, portable_store_f16, portable_mix_f16 },
                [KV_Q8_0] = { portable_dequantize_q8_0, portable_store_q8_0, portable_mix_q8_0 },
                [KV_Q4_0] = { portable_dequantize_q4_0, portable_store_q4_0, portable_mix_q4_0 },
        },
        .rms_norm = portable_rms_norm,
        .hadamard = portable_hadamard,
        .add = portable_add,
        .scale = portable_scale,
        .swiglu = portable_swiglu,
        .maximum = portable_maximum,
        .exponential_sum = portable_exponential_sum,
};
/* clang-format on */
