/*
 * portable.c - the kernels in plain C: the reference that every other set is tested against.
 *
 * Written for reading, one value at a time, in the formulas of the GGUF block formats. A product sums whole
 * numbers within a block and floats from block to block.
 */
#include "engine/kernels/portable.h"

#include <math.h>

#include "engine/kernels/half.h"
#include "engine/kernels/kernels.h"

/* --- block formats: where the pieces lie --- */

enum {
        Q4_0_BYTES = 18,  /* half scale, 16 bytes of nibbles: value i low, value i + 16 high */
        Q8_0_BYTES = 34,  /* half scale, 32 int8 */
        Q4_K_BYTES = 144, /* half scale and scale of minima, 12 bytes of 6-bit pairs, 128 of nibbles */
        Q5_K_BYTES = 176, /* the same with 32 bytes of fifth bits before the nibbles */
        Q6_K_BYTES = 210, /* 128 bytes of low nibbles, 64 of high bit pairs, 16 int8 scales, half scale */
        K_VALUES = 256,
};

static void codes_of_q4_0(const uint8_t *block, int8_t codes[32]) {
        for (int i = 0; i < 16; i++) {
                codes[i] = (int8_t) ((block[2 + i] & 15) - 8);
                codes[i + 16] = (int8_t) ((block[2 + i] >> 4) - 8);
        }
}

/* Sub-block j of 32 values lies in the low (j even) or high nibbles of 32 bytes. */
static void codes_of_q4_k(const uint8_t *block, uint8_t codes[K_VALUES]) {
        const uint8_t *nibbles = block + 16;
        for (int i = 0; i < K_VALUES; i++)
                codes[i] = (uint8_t) (nibbles[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15);
}

/* As Q4_K; the fifth bit of sub-block j is bit j of the byte that 8 sub-blocks share. */
static void codes_of_q5_k(const uint8_t *block, uint8_t codes[K_VALUES]) {
        const uint8_t *fifth = block + 16, *nibbles = block + 48;
        for (int i = 0; i < K_VALUES; i++) {
                int low = nibbles[i / 64 * 32 + i % 32] >> (i / 32 % 2 * 4) & 15;
                codes[i] = (uint8_t) (low | (fifth[i % 32] >> (i / 32) & 1) << 4);
        }
}

/* Two halves of 128; in each, quarter k of 32 values has low nibbles in bytes 32 * (k % 2), its high pair at bit 2 * k. */
static void codes_of_q6_k(const uint8_t *block, int8_t codes[K_VALUES]) {
        for (int i = 0; i < K_VALUES; i++) {
                int half = i / 128, quarter = i / 32 % 4, at = i % 32;
                int low = block[half * 64 + quarter % 2 * 32 + at] >> (quarter / 2 * 4) & 15;
                int high = block[128 + half * 32 + at] >> (quarter * 2) & 3;
                codes[i] = (int8_t) ((low | high << 4) - 32);
        }
}

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

void portable_dequantize_q4_0(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t b = 0; b < n / 32; b++, row += Q4_0_BYTES) {
                int8_t codes[32];
                codes_of_q4_0(row, codes);
                for (int i = 0; i < 32; i++)
                        *out++ = (float) codes[i] * load_half(row);
        }
}

void portable_dequantize_q8_0(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t b = 0; b < n / 32; b++, row += Q8_0_BYTES)
                for (int i = 0; i < 32; i++)
                        *out++ = (float) (int8_t) row[2 + i] * load_half(row);
}

/* Q4_K and Q5_K: scale * code - minimum, both six-bit multiples per sub-block of 32. */
static void dequantize_with_minima(const uint8_t *block, const uint8_t codes[K_VALUES], float *out) {
        uint8_t scales[8], minima[8];
        k_scales_unpack(block + 4, scales, minima);
        for (int i = 0; i < K_VALUES; i++) {
                float scale = load_half(block) * (float) scales[i / 32];
                float minimum = load_half(block + 2) * (float) minima[i / 32];
                out[i] = scale * (float) codes[i] - minimum;
        }
}

void portable_dequantize_q4_k(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                uint8_t codes[K_VALUES];
                codes_of_q4_k(row + b * (size_t) Q4_K_BYTES, codes);
                dequantize_with_minima(row + b * (size_t) Q4_K_BYTES, codes, out + b * (size_t) K_VALUES);
        }
}

void portable_dequantize_q5_k(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                uint8_t codes[K_VALUES];
                codes_of_q5_k(row + b * (size_t) Q5_K_BYTES, codes);
                dequantize_with_minima(row + b * (size_t) Q5_K_BYTES, codes, out + b * (size_t) K_VALUES);
        }
}

void portable_dequantize_q6_k(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t b = 0; b < n / K_VALUES; b++, row += Q6_K_BYTES) {
                int8_t codes[K_VALUES];
                codes_of_q6_k(row, codes);
                for (int i = 0; i < K_VALUES; i++)
                        *out++ = load_half(row + 208) * (float) (int8_t) row[192 + i / 16] * (float) codes[i];
        }
}

/* --- activations to whole numbers --- */

/* Not a number gives 0, so that a broken model cannot reach undefined conversions. */
static int to_code(float x, float limit) {
        if (!(x > -limit))
                return x <= -limit ? (int) -limit : 0;
        return (int) (x < limit ? lrintf(x) : (long) limit);
}

/* What turns values into codes of at most LIMIT, given their largest magnitude. */
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
        for (uint32_t b = 0; b < n / 32; b++) {
                float largest = largest_magnitude(x + b * 32, 32), inverse = inverse_scale(largest, 32767.0f);
                scales[b] = largest / 32767.0f;
                for (uint32_t i = b * 32; i < b * 32 + 32; i++)
                        codes[i] = (int16_t) to_code(x[i] * inverse, 32767.0f);
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

static int dot_32(const int8_t *a, const int16_t *b) {
        int sum = 0;
        for (int i = 0; i < 32; i++)
                sum += a[i] * b[i];
        return sum;
}

static float dot_q4_0(const uint8_t *row, const uint8_t *column, uint32_t n) {
        struct i16_column x = i16_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / 32; b++, row += Q4_0_BYTES) {
                int8_t codes[32];
                codes_of_q4_0(row, codes);
                sum += load_half(row) * x.scales[b] * (float) dot_32(codes, x.codes + b * 32);
        }
        return sum;
}

static float dot_q8_0(const uint8_t *row, const uint8_t *column, uint32_t n) {
        struct i16_column x = i16_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / 32; b++, row += Q8_0_BYTES)
                sum += load_half(row) * x.scales[b] * (float) dot_32((const int8_t *) row + 2, x.codes + b * 32);
        return sum;
}

/* Block B: codes times scales, less what the minima take off, which is the same for all values of a sub-block. */
static float dot_with_minima(const uint8_t *block, const uint8_t codes[K_VALUES], const struct i8_column *x, uint32_t b) {
        uint8_t scales[8], minima[8];
        int whole = 0, below = 0;
        k_scales_unpack(block + 4, scales, minima);
        for (int i = 0; i < K_VALUES; i++)
                whole += scales[i / 32] * codes[i] * x->codes[b * K_VALUES + (uint32_t) i];
        for (int s = 0; s < 16; s++)
                below += minima[s / 2] * x->sums[b * 16 + (uint32_t) s];
        return load_half(block) * x->scales[b] * (float) whole - load_half(block + 2) * x->scales[b] * (float) below;
}

static float dot_q4_k(const uint8_t *row, const uint8_t *column, uint32_t n) {
        struct i8_column x = i8_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / K_VALUES; b++, row += Q4_K_BYTES) {
                uint8_t codes[K_VALUES];
                codes_of_q4_k(row, codes);
                sum += dot_with_minima(row, codes, &x, b);
        }
        return sum;
}

static float dot_q5_k(const uint8_t *row, const uint8_t *column, uint32_t n) {
        struct i8_column x = i8_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / K_VALUES; b++, row += Q5_K_BYTES) {
                uint8_t codes[K_VALUES];
                codes_of_q5_k(row, codes);
                sum += dot_with_minima(row, codes, &x, b);
        }
        return sum;
}

static float dot_q6_k(const uint8_t *row, const uint8_t *column, uint32_t n) {
        struct i8_column x = i8_of(column, n);
        float sum = 0;
        for (uint32_t b = 0; b < n / K_VALUES; b++, row += Q6_K_BYTES) {
                int8_t codes[K_VALUES];
                int whole = 0;
                codes_of_q6_k(row, codes);
                for (int i = 0; i < K_VALUES; i++)
                        whole += (int8_t) row[192 + i / 16] * codes[i] * x.codes[b * K_VALUES + (uint32_t) i];
                sum += load_half(row + 208) * x.scales[b] * (float) whole;
        }
        return sum;
}

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
DEFINE_MULTIPLY(q8_0)
DEFINE_MULTIPLY(q4_k)
DEFINE_MULTIPLY(q5_k)
DEFINE_MULTIPLY(q6_k)

const struct kernels kernels_portable = {
        .name = "portable",
        .types = {
                [TENSOR_F32]  = { ACTIVATION_F32, portable_dequantize_f32, multiply_f32 },
                [TENSOR_F16]  = { ACTIVATION_F32, portable_dequantize_f16, multiply_f16 },
                [TENSOR_BF16] = { ACTIVATION_F32, portable_dequantize_bf16, multiply_bf16 },
                [TENSOR_Q4_0] = { ACTIVATION_I16, portable_dequantize_q4_0, multiply_q4_0 },
                [TENSOR_Q8_0] = { ACTIVATION_I16, portable_dequantize_q8_0, multiply_q8_0 },
                [TENSOR_Q4_K] = { ACTIVATION_I8, portable_dequantize_q4_k, multiply_q4_k },
                [TENSOR_Q5_K] = { ACTIVATION_I8, portable_dequantize_q5_k, multiply_q5_k },
                [TENSOR_Q6_K] = { ACTIVATION_I8, portable_dequantize_q6_k, multiply_q6_k },
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
        .turn = portable_turn,
        .add = portable_add,
        .scale = portable_scale,
        .swiglu = portable_swiglu,
        .maximum = portable_maximum,
        .exponential_sum = portable_exponential_sum,
};
