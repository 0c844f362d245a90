/*
 * neon_vector.c - kernels that know no weight type, in NEON. Preparing and storing give the very bytes of the portable kernels; sums and
 * exponentials agree to rounding.
 */
#if defined(__aarch64__)
#include <math.h>
#include <string.h>

#include "engine/kernels_arm/neon_read.h"

enum { KV_Q8_0_BYTES = 34, KV_Q4_0_BYTES = 18 };

/* The largest magnitude of COUNT values, a multiple of 16; what is not a number counts for nothing. */
ALWAYS_INLINE float largest_magnitude(const float *x, uint32_t count) {
        float32x4_t largest[4] = { vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0), vdupq_n_f32(0) };
        for (uint32_t i = 0; i < count; i += 16) {
                UNROLL
                for (int j = 0; j < 4; j++)
                        largest[j] = vmaxnmq_f32(largest[j], vabsq_f32(vld1q_f32(x + i + 4 * j)));
        }
        return vmaxnmvq_f32(vmaxnmq_f32(vmaxnmq_f32(largest[0], largest[1]), vmaxnmq_f32(largest[2], largest[3])));
}

/* Four values times FACTOR, nearest whole numbers from LOW to HIGH; what is not a number gives 0. */
ALWAYS_INLINE int32x4_t whole_4(const float *x, float factor, int low, int high) {
        int32x4_t whole = vcvtnq_s32_f32(vmulq_n_f32(vld1q_f32(x), factor)); /* too large a number gives the largest */
        return vmaxq_s32(vminq_s32(whole, vdupq_n_s32(high)), vdupq_n_s32(low));
}

ALWAYS_INLINE int16x8_t whole_8(const float *x, float factor, int low, int high) {
        return vcombine_s16(vmovn_s32(whole_4(x, factor, low, high)), vmovn_s32(whole_4(x + 4, factor, low, high)));
}

ALWAYS_INLINE int8x16_t whole_16(const float *x, float factor, int low, int high) {
        return vcombine_s8(vmovn_s16(whole_8(x, factor, low, high)), vmovn_s16(whole_8(x + 8, factor, low, high)));
}

/* --- activations to whole numbers --- */

ALWAYS_INLINE float inverse_scale(float largest, float limit) {
        return largest > ACTIVATION_TINY ? limit / largest : 0.0f;
}

void neon_prepare_i16(const float *x, uint32_t n, uint8_t *column) {
        int16_t *codes = (int16_t *) (void *) column;
        float *scales = (float *) (void *) (column + i16_scales_offset(n));
        int32_t *sums = (int32_t *) (void *) (column + i16_sums_offset(n));
        for (uint32_t b = 0; b < n / 32; b++, x += 32, codes += 32) {
                float largest = largest_magnitude(x, 32), inverse = inverse_scale(largest, 32767.0f);
                scales[b] = largest / 32767.0f;
                sums[b] = 0;
                UNROLL
                for (int i = 0; i < 32; i += 8) {
                        int16x8_t eight = whole_8(x + i, inverse, -32767, 32767);
                        vst1q_s16(codes + i, eight);
                        sums[b] += vaddlvq_s16(eight);
                }
        }
}

void neon_prepare_i8(const float *x, uint32_t n, uint8_t *column) {
        int8_t *codes = (int8_t *) column;
        float *scales = (float *) (void *) (column + i8_scales_offset(n));
        int16_t *sums = (int16_t *) (void *) (column + i8_sums_offset(n));
        for (uint32_t b = 0; b < n / K_VALUES; b++) {
                float largest = largest_magnitude(x, K_VALUES), inverse = inverse_scale(largest, 127.0f);
                scales[b] = largest / 127.0f;
                for (int i = 0; i < 16; i++, x += 16, codes += 16) {
                        int8x16_t sixteen = whole_16(x, inverse, -127, 127);
                        vst1q_s8(codes, sixteen);
                        *sums++ = vaddlvq_s8(sixteen);
                }
        }
}

/* --- storing keys and values --- */

ALWAYS_INLINE float32x4_t clamp_to_half(float32x4_t x) {
        return vmaxnmq_f32(vminnmq_f32(x, vdupq_n_f32(65504.0f)), vdupq_n_f32(-65504.0f));
}

void neon_store_f16(const float *x, uint32_t n, uint8_t *row) {
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4)
                vst1_u8(row + 2 * (size_t) i, vreinterpret_u8_f16(vcvt_f16_f32(clamp_to_half(vld1q_f32(x + i)))));
        portable_store_f16(x + i, n - i, row + 2 * (size_t) i);
}

/* Stores SCALE as half and returns the inverse of what was stored. */
ALWAYS_INLINE float store_scale(float scale, uint8_t *block) {
        float16x4_t half = vcvt_f16_f32(clamp_to_half(vdupq_n_f32(scale)));
        store_u16(block, vget_lane_u16(vreinterpret_u16_f16(half), 0));
        float stored = half_at(block);
        return stored != 0 ? 1.0f / stored : 0.0f;
}

void neon_store_q8_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++, x += 32, row += KV_Q8_0_BYTES) {
                float inverse = store_scale(largest_magnitude(x, 32) / 127.0f, row);
                vst1q_s8((int8_t *) row + 2, whole_16(x, inverse, -127, 127));
                vst1q_s8((int8_t *) row + 18, whole_16(x + 16, inverse, -127, 127));
        }
}

/* The first value of largest magnitude, with its sign; zero has none. */
ALWAYS_INLINE float extreme_of_32(const float *x) {
        float largest = largest_magnitude(x, 32);
        for (int i = 0; largest > 0 && i < 32; i++)
                if (fabsf(x[i]) == largest)
                        return x[i];
        return 0;
}

void neon_store_q4_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++, x += 32, row += KV_Q4_0_BYTES) {
                float inverse = store_scale(extreme_of_32(x) / -8.0f, row);
                uint8x16_t low = vreinterpretq_u8_s8(vaddq_s8(whole_16(x, inverse, -8, 7), vdupq_n_s8(8)));
                uint8x16_t high = vreinterpretq_u8_s8(vaddq_s8(whole_16(x + 16, inverse, -8, 7), vdupq_n_s8(8)));
                vst1q_u8(row + 2, vsliq_n_u8(low, high, 4));
        }
}

/* --- reading them --- */

/* The 32 values at I of a row, all but their scale. */
struct values_32 {
        float32x4_t v[8];
};

ALWAYS_INLINE void widen_16(int8x16_t codes, float32x4_t ret[4]) {
        int16x8_t low = vmovl_s8(vget_low_s8(codes)), high = vmovl_high_s8(codes);
        ret[0] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(low)));
        ret[1] = vcvtq_f32_s32(vmovl_high_s16(low));
        ret[2] = vcvtq_f32_s32(vmovl_s16(vget_low_s16(high)));
        ret[3] = vcvtq_f32_s32(vmovl_high_s16(high));
}

ALWAYS_INLINE struct values_32 row_32(enum kv_type type, const uint8_t *row, uint32_t i, float *ret_scale) {
        struct values_32 ret;
        *ret_scale = 1;
        if (type == KV_F16) {
                UNROLL
                for (int j = 0; j < 8; j++)
                        ret.v[j] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + 2 * (size_t) i + 8 * j)));
                return ret;
        }
        const struct codes_32 w = type == KV_Q8_0 ? read_32(TENSOR_Q8_0, row + i / 32 * (size_t) KV_Q8_0_BYTES)
                                                  : read_32(TENSOR_Q4_0, row + i / 32 * (size_t) KV_Q4_0_BYTES);
        widen_16(w.codes[0], ret.v);
        widen_16(w.codes[1], ret.v + 4);
        *ret_scale = w.scale;
        return ret;
}

void neon_load_f16(const uint8_t *row, uint32_t n, float *out) {
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4)
                vst1q_f32(out + i, vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(row + 2 * (size_t) i))));
        for (; i < n; i++)
                out[i] = half_at(row + 2 * (size_t) i);
}

void neon_load_q8_0(const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t i = 0; i < n; i += 32) {
                float scale;
                struct values_32 w = row_32(KV_Q8_0, row, i, &scale);
                UNROLL
                for (int j = 0; j < 8; j++)
                        vst1q_f32(out + i + 4 * j, vmulq_n_f32(w.v[j], scale));
        }
}

/* --- weighted sums of values --- */

#define MIX_COLUMNS 2u /* with 32 values each: sixteen sums */

/* Values I .. I + 31 of COLUMNS columns from C. */
ALWAYS_INLINE void mix_32(enum kv_type type, const struct mixture *m, uint32_t c, uint32_t i, unsigned columns) {
        float32x4_t sums[MIX_COLUMNS][8];
        UNROLL
        for (unsigned j = 0; j < columns; j++) {
                UNROLL
                for (unsigned v = 0; v < 8; v++)
                        sums[j][v] = vld1q_f32(m->out + (c + j) * m->out_stride + i + 4 * v);
        }
        for (uint32_t r = 0; r < m->rows_count; r++) {
                float scale;
                const struct values_32 w = row_32(type, m->rows + r * m->row_bytes, i, &scale);
                UNROLL
                for (unsigned j = 0; j < columns; j++) {
                        float weight = m->weights[(c + j) * m->weights_stride + r] * scale;
                        UNROLL
                        for (unsigned v = 0; v < 8; v++)
                                sums[j][v] = vfmaq_n_f32(sums[j][v], w.v[v], weight);
                }
        }
        UNROLL
        for (unsigned j = 0; j < columns; j++) {
                UNROLL
                for (unsigned v = 0; v < 8; v++)
                        vst1q_f32(m->out + (c + j) * m->out_stride + i + 4 * v, sums[j][v]);
        }
}

ALWAYS_INLINE void mix(enum kv_type type, const struct mixture *m) {
        for (uint32_t i = 0; i + 32 <= m->n; i += 32) {
                uint32_t c = 0;
                for (; c + MIX_COLUMNS <= m->columns_count; c += MIX_COLUMNS)
                        mix_32(type, m, c, i, MIX_COLUMNS);
                for (; c < m->columns_count; c++)
                        mix_32(type, m, c, i, 1);
        }
}

void neon_mix_q8_0(const struct mixture *m) {
        mix(KV_Q8_0, m);
}

void neon_mix_q4_0(const struct mixture *m) {
        mix(KV_Q4_0, m);
}

/* Only f16 rows can end in less than 32 values. */
void neon_mix_f16(const struct mixture *m) {
        mix(KV_F16, m);
        struct mixture rest = *m;
        rest.rows += 2 * (size_t) (m->n & ~31u);
        rest.out += m->n & ~31u;
        rest.n = m->n & 31u;
        portable_mix_f16(&rest);
}

/* --- vectors of floats --- */

void neon_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out) {
        float32x4_t squares[2] = { vdupq_n_f32(0), vdupq_n_f32(0) };
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8) {
                UNROLL
                for (int j = 0; j < 2; j++)
                        squares[j] = vfmaq_f32(squares[j], vld1q_f32(x + i + 4 * j), vld1q_f32(x + i + 4 * j));
        }
        float sum = vaddvq_f32(vaddq_f32(squares[0], squares[1]));
        for (; i < n; i++)
                sum += x[i] * x[i];
        float factor = 1.0f / sqrtf(sum / (float) n + epsilon);
        for (i = 0; i + 4 <= n; i += 4) {
                float32x4_t w = vreinterpretq_f32_u8(vld1q_u8(weight + 4 * (size_t) i));
                vst1q_f32(out + i, vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), factor), w));
        }
        for (; i < n; i++)
                out[i] = x[i] * factor * load_float(weight + 4 * (size_t) i);
}

/* The passes over values that are two and four apart, within eight values. */
ALWAYS_INLINE void hadamard_8(float *x) {
        float32x4_t a = vld1q_f32(x), b = vld1q_f32(x + 4);
        float32x4_t even = vuzp1q_f32(a, b), odd = vuzp2q_f32(a, b); /* 0 2 4 6, 1 3 5 7 */
        a = vaddq_f32(even, odd);
        b = vsubq_f32(even, odd);
        even = vuzp1q_f32(a, b), odd = vuzp2q_f32(a, b); /* of sums 0 4, of differences 1 5; 2 6 and 3 7 */
        a = vaddq_f32(even, odd);
        b = vsubq_f32(even, odd);
        even = vuzp1q_f32(a, b), odd = vuzp2q_f32(a, b); /* 0 1 2 3; 4 5 6 7 */
        vst1q_f32(x, vaddq_f32(even, odd));
        vst1q_f32(x + 4, vsubq_f32(even, odd));
}

static void hadamard_one(float *x, uint32_t n) {
        for (uint32_t i = 0; i < n; i += 8)
                hadamard_8(x + i);
        for (uint32_t apart = 8; apart < n; apart *= 2)
                for (uint32_t start = 0; start < n; start += 2 * apart)
                        for (uint32_t i = start; i < start + apart; i += 4) {
                                float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + apart);
                                vst1q_f32(x + i, vaddq_f32(a, b));
                                vst1q_f32(x + i + apart, vsubq_f32(a, b));
                        }
        neon_scale(x, 1 / sqrtf((float) n), n);
}

void neon_hadamard(float *x, uint32_t n) {
        uint32_t width = hadamard_width(n);
        for (uint32_t i = 0; i < n; i += width)
                hadamard_one(x + i, width);
}

void neon_add(float *x, const float *y, uint32_t n) {
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4)
                vst1q_f32(x + i, vaddq_f32(vld1q_f32(x + i), vld1q_f32(y + i)));
        for (; i < n; i++)
                x[i] += y[i];
}

void neon_scale(float *x, float factor, uint32_t n) {
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4)
                vst1q_f32(x + i, vmulq_n_f32(vld1q_f32(x + i), factor));
        for (; i < n; i++)
                x[i] *= factor;
}

/*
 * exp(x) = 2^k * exp(rest) with k whole and |rest| <= ln(2) / 2, where six terms of the series are exact to about a
 * unit in the last place. Below -87.3 the result is 0 (it would be denormal), above 88.3 it stays at its largest.
 */
ALWAYS_INLINE float32x4_t exponential(float32x4_t x) {
        uint32x4_t too_low = vcltq_f32(x, vdupq_n_f32(-87.3f));
        x = vminq_f32(vdupq_n_f32(88.3f), vmaxq_f32(vdupq_n_f32(-87.3f), x));
        float32x4_t k = vrndnq_f32(vmulq_n_f32(x, 1.44269504f));
        float32x4_t rest = vfmsq_n_f32(x, k, 0x1.62e4p-1f); /* ln(2) in two parts: the first is exact times k */
        rest = vfmsq_n_f32(rest, k, 0x1.7f7d1cp-20f);
        float32x4_t y = vfmaq_n_f32(vdupq_n_f32(1.0f / 120), rest, 1.0f / 720);
        y = vfmaq_f32(vdupq_n_f32(1.0f / 24), y, rest);
        y = vfmaq_f32(vdupq_n_f32(1.0f / 6), y, rest);
        y = vfmaq_f32(vdupq_n_f32(0.5f), y, rest);
        y = vfmaq_f32(vdupq_n_f32(1.0f), y, rest);
        y = vfmaq_f32(vdupq_n_f32(1.0f), y, rest);
        int32x4_t power = vshlq_n_s32(vcvtnq_s32_f32(k), 23);
        float32x4_t ret = vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(y), power));
        return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(ret), too_low));
}

/* The last values of a vector, fewer than four; what follows them is 0. */
ALWAYS_INLINE float32x4_t load_last(const float *x, uint32_t count) {
        float four[4] = { 0 };
        memcpy(four, x, count * sizeof(float));
        return vld1q_f32(four);
}

ALWAYS_INLINE void store_last(float *x, float32x4_t v, uint32_t count) {
        float four[4];
        vst1q_f32(four, v);
        memcpy(x, four, count * sizeof(float));
}

ALWAYS_INLINE float32x4_t swiglu_4(float32x4_t gate, float32x4_t up) {
        float32x4_t below = vaddq_f32(vdupq_n_f32(1.0f), exponential(vnegq_f32(gate)));
        return vmulq_f32(vdivq_f32(gate, below), up);
}

void neon_swiglu(float *gate, const float *up, uint32_t n) {
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4)
                vst1q_f32(gate + i, swiglu_4(vld1q_f32(gate + i), vld1q_f32(up + i)));
        if (i < n)
                store_last(gate + i, swiglu_4(load_last(gate + i, n - i), load_last(up + i, n - i)), n - i);
}

float neon_maximum(const float *x, uint32_t n) {
        float largest = x[0];
        uint32_t i = 0;
        if (n >= 4) {
                float32x4_t lanes = vld1q_f32(x);
                for (i = 4; i + 4 <= n; i += 4)
                        lanes = vmaxnmq_f32(lanes, vld1q_f32(x + i));
                largest = vmaxnmvq_f32(lanes);
        }
        for (; i < n; i++)
                largest = fmaxf(largest, x[i]);
        return largest;
}

float neon_exponential_sum(float *x, uint32_t n, float shift) {
        float32x4_t sums = vdupq_n_f32(0);
        uint32_t i = 0;
        for (; i + 4 <= n; i += 4) {
                float32x4_t y = exponential(vsubq_f32(vld1q_f32(x + i), vdupq_n_f32(shift)));
                vst1q_f32(x + i, y);
                sums = vaddq_f32(sums, y);
        }
        float sum = vaddvq_f32(sums);
        if (i < n) {
                store_last(x + i, exponential(vsubq_f32(load_last(x + i, n - i), vdupq_n_f32(shift))), n - i);
                for (; i < n; i++)
                        sum += x[i];
        }
        return sum;
}

#else
typedef int no_neon_vectors; /* a translation unit may not be empty */
#endif
