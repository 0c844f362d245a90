/*
 * portable_vector.c - plain C kernels that know no weight type: rows of the KV cache, norms, activations, softmax.
 */
#include <math.h>

#include "engine/gguf/half.h"
#include "engine/kernels/portable.h"

enum { KV_Q8_0_BYTES = 34, KV_Q4_0_BYTES = 18 }; /* per 32 values, as the tensor types of the same name */

/* --- storing keys and values --- */

void portable_store_f16(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t i = 0; i < n; i++)
                store_u16(row + 2 * (size_t) i, half_from_float(fmaxf(-65504.0f, fminf(65504.0f, x[i]))));
}

/* The stored scale is rounded to half; the codes follow the stored one, so that what is read back is nearest to X. */
static long code_of(float x, float inverse, long low, long high) {
        float scaled = x * inverse;
        if (!(scaled > (float) low))
                return scaled <= (float) low ? low : 0;
        return scaled < (float) high ? lrintf(scaled) : high;
}

static float store_scale(float scale, uint8_t *block) {
        uint16_t half = half_from_float(fmaxf(-65504.0f, fminf(65504.0f, scale)));
        store_u16(block, half);
        float stored = half_to_float(half);
        return stored != 0 ? 1.0f / stored : 0;
}

void portable_store_q8_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++, x += 32, row += KV_Q8_0_BYTES) {
                float largest = 0;
                for (int i = 0; i < 32; i++)
                        largest = fmaxf(largest, fabsf(x[i]));
                float inverse = store_scale(largest / 127.0f, row);
                for (int i = 0; i < 32; i++)
                        row[2 + i] = (uint8_t) code_of(x[i], inverse, -127, 127);
        }
}

/* The value of largest magnitude becomes code -8, so the whole range of -8 .. 7 is used. */
void portable_store_q4_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++, x += 32, row += KV_Q4_0_BYTES) {
                float extreme = 0;
                for (int i = 0; i < 32; i++)
                        if (fabsf(x[i]) > fabsf(extreme))
                                extreme = x[i];
                float inverse = store_scale(extreme / -8.0f, row);
                for (int i = 0; i < 16; i++) {
                        long low = code_of(x[i], inverse, -8, 7), high = code_of(x[i + 16], inverse, -8, 7);
                        row[2 + i] = (uint8_t) ((low + 8) | (high + 8) << 4);
                }
        }
}

/* --- weighted sums of values --- */

static inline void mix_with(const struct mixture *m, float (*value)(const uint8_t *row, uint32_t i)) {
        for (uint32_t c = 0; c < m->columns_count; c++)
                for (uint32_t r = 0; r < m->rows_count; r++)
                        for (uint32_t i = 0; i < m->n; i++)
                                m->out[c * m->out_stride + i] +=
                                        m->weights[c * m->weights_stride + r] * value(m->rows + r * m->row_bytes, i);
}

static float value_f16(const uint8_t *row, uint32_t i) {
        return load_half(row + 2 * (size_t) i);
}

static float value_q8_0(const uint8_t *row, uint32_t i) {
        const uint8_t *block = row + i / 32 * (size_t) KV_Q8_0_BYTES;
        return load_half(block) * (float) (int8_t) block[2 + i % 32];
}

static float value_q4_0(const uint8_t *row, uint32_t i) {
        const uint8_t *block = row + i / 32 * (size_t) KV_Q4_0_BYTES;
        int code = block[2 + i % 16] >> (i % 32 / 16 * 4) & 15;
        return load_half(block) * (float) (code - 8);
}

void portable_mix_f16(const struct mixture *m) {
        mix_with(m, value_f16);
}

void portable_mix_q8_0(const struct mixture *m) {
        mix_with(m, value_q8_0);
}

void portable_mix_q4_0(const struct mixture *m) {
        mix_with(m, value_q4_0);
}

/* --- vectors of floats --- */

void portable_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out) {
        double squares = 0;
        for (uint32_t i = 0; i < n; i++)
                squares += (double) x[i] * (double) x[i];
        float factor = (float) (1.0 / sqrt(squares / n + (double) epsilon));
        for (uint32_t i = 0; i < n; i++)
                out[i] = x[i] * factor * load_float(weight + 4 * (size_t) i);
}

/* Each pass adds and subtracts values twice as far apart as the one before. */
static void hadamard_one(float *x, uint32_t n) {
        for (uint32_t apart = 1; apart < n; apart *= 2)
                for (uint32_t i = 0; i < n; i++)
                        if (!(i & apart)) {
                                float a = x[i], b = x[i + apart];
                                x[i] = a + b;
                                x[i + apart] = a - b;
                        }
        float factor = 1 / sqrtf((float) n);
        for (uint32_t i = 0; i < n; i++)
                x[i] *= factor;
}

void portable_hadamard(float *x, uint32_t n) {
        uint32_t width = hadamard_width(n);
        for (uint32_t i = 0; i < n; i += width)
                hadamard_one(x + i, width);
}

void portable_add(float *x, const float *y, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                x[i] += y[i];
}

void portable_scale(float *x, float factor, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                x[i] *= factor;
}

void portable_swiglu(float *gate, const float *up, uint32_t n) {
        for (uint32_t i = 0; i < n; i++)
                gate[i] = gate[i] / (1.0f + expf(-gate[i])) * up[i];
}

float portable_maximum(const float *x, uint32_t n) {
        float largest = x[0];
        for (uint32_t i = 1; i < n; i++)
                largest = fmaxf(largest, x[i]);
        return largest;
}

float portable_exponential_sum(float *x, uint32_t n, float shift) {
        float sum = 0;
        for (uint32_t i = 0; i < n; i++) {
                x[i] = expf(x[i] - shift);
                sum += x[i];
        }
        return sum;
}
