/*
 * avx2_vector.c - kernels that know no weight type, in AVX2, FMA and F16C. Preparing and storing give the very bytes
 * of the portable kernels; sums and exponentials agree to rounding.
 */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx2.h"

#include <math.h>

enum { KV_Q8_0_BYTES = 34, KV_Q4_0_BYTES = 18 };

ALWAYS_INLINE __m256 magnitude_of(__m256 x) {
        return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), x);
}

/* The largest magnitude of 32 values so far. A comparison with what is not a number keeps the other. */
ALWAYS_INLINE __m256 largest_of_32(const float *x, __m256 largest) {
        for (int i = 0; i < 32; i += 8)
                largest = _mm256_max_ps(magnitude_of(_mm256_loadu_ps(x + i)), largest);
        return largest;
}

/* Eight values times FACTOR, nearest whole numbers within +-LIMIT; what is not a number gives 0. */
ALWAYS_INLINE __m256i whole_8(const float *x, __m256 factor, float limit) {
        __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x), factor);
        __m256 number = _mm256_and_ps(scaled, _mm256_cmp_ps(scaled, scaled, _CMP_ORD_Q));
        return _mm256_cvtps_epi32(_mm256_max_ps(_mm256_min_ps(number, _mm256_set1_ps(limit)), _mm256_set1_ps(-limit)));
}

/* 32 codes in order: packing works within lanes, the permutation puts them right. */
ALWAYS_INLINE __m256i codes_of_32(const float *x, __m256 factor, float limit) {
        __m256i a = _mm256_packs_epi32(whole_8(x, factor, limit), whole_8(x + 8, factor, limit));
        __m256i b = _mm256_packs_epi32(whole_8(x + 16, factor, limit), whole_8(x + 24, factor, limit));
        return _mm256_permutevar8x32_epi32(_mm256_packs_epi16(a, b), _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
}

ALWAYS_INLINE void store_256(void *to, __m256i bits) {
        _mm256_storeu_si256((__m256i *) to, bits);
}

/* --- activations to whole numbers --- */

ALWAYS_INLINE __m256 inverse_scale(float largest, float limit) {
        return _mm256_set1_ps(largest > ACTIVATION_TINY ? limit / largest : 0.0f);
}

void avx2_prepare_i16(const float *x, uint32_t n, uint8_t *column) {
        float *scales = (float *) (void *) (column + i16_scales_offset(n));
        int32_t *sums = (int32_t *) (void *) (column + i16_sums_offset(n));
        for (uint32_t b = 0; b < n / 32; b++, x += 32, column += 64) {
                float largest = largest_lane(largest_of_32(x, _mm256_setzero_ps()));
                __m256 inverse = inverse_scale(largest, 32767.0f);
                __m256i all = _mm256_setzero_si256();
                scales[b] = largest / 32767.0f;
                for (int i = 0; i < 2; i++) {
                        __m256i packed = _mm256_packs_epi32(whole_8(x + 16 * i, inverse, 32767.0f),
                                                            whole_8(x + 16 * i + 8, inverse, 32767.0f));
                        store_256(column + 32 * i, _mm256_permute4x64_epi64(packed, 0xd8));
                        all = _mm256_add_epi32(all, _mm256_madd_epi16(packed, _mm256_set1_epi16(1)));
                }
                __m128i half = _mm_add_epi32(_mm256_castsi256_si128(all), _mm256_extracti128_si256(all, 1));
                half = _mm_add_epi32(half, _mm_shuffle_epi32(half, 0x4e));
                sums[b] = _mm_cvtsi128_si32(_mm_add_epi32(half, _mm_shuffle_epi32(half, 0xb1)));
        }
}

/* Sums of 16 codes each: two per 32 codes, whose pairs maddubs adds with weight one. */
ALWAYS_INLINE void sums_of_16(__m256i codes, int16_t sums[2]) {
        __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), codes);
        __m256i fours = _mm256_hadd_epi16(pairs, pairs);
        __m256i eights = _mm256_hadd_epi16(fours, fours);
        __m256i all = _mm256_hadd_epi16(eights, eights);
        sums[0] = (int16_t) _mm256_extract_epi16(all, 0);
        sums[1] = (int16_t) _mm256_extract_epi16(all, 8);
}

void avx2_prepare_i8(const float *x, uint32_t n, uint8_t *column) {
        float *scales = (float *) (void *) (column + i8_scales_offset(n));
        int16_t *sums = (int16_t *) (void *) (column + i8_sums_offset(n));
        for (uint32_t b = 0; b < n / 256; b++) {
                __m256 largest_lanes = _mm256_setzero_ps();
                for (int i = 0; i < 256; i += 32)
                        largest_lanes = largest_of_32(x + i, largest_lanes);
                float largest = largest_lane(largest_lanes);
                __m256 inverse = inverse_scale(largest, 127.0f);
                scales[b] = largest / 127.0f;
                for (int i = 0; i < 8; i++, x += 32, column += 32, sums += 2) {
                        __m256i codes = codes_of_32(x, inverse, 127.0f);
                        store_256(column, codes);
                        sums_of_16(codes, sums);
                }
        }
}

/* --- storing keys and values --- */

ALWAYS_INLINE __m256 clamp_to_half(__m256 x) {
        return _mm256_max_ps(_mm256_min_ps(x, _mm256_set1_ps(65504.0f)), _mm256_set1_ps(-65504.0f));
}

void avx2_store_f16(const float *x, uint32_t n, uint8_t *row) {
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
                _mm_storeu_si128((__m128i *) (void *) (row + 2 * (size_t) i),
                                 _mm256_cvtps_ph(clamp_to_half(_mm256_loadu_ps(x + i)), _MM_FROUND_TO_NEAREST_INT));
        for (; i < n; i++)
                store_u16(row + 2 * (size_t) i, half_from_float(fmaxf(-65504.0f, fminf(65504.0f, x[i]))));
}

/* Stores SCALE as half and returns the inverse of what was stored. */
ALWAYS_INLINE __m256 store_scale(float scale, uint8_t *block) {
        uint16_t half = _cvtss_sh(scale > 65504.0f ? 65504.0f : scale < -65504.0f ? -65504.0f : scale, _MM_FROUND_TO_NEAREST_INT);
        store_u16(block, half);
        float stored = _cvtsh_ss(half);
        return _mm256_set1_ps(stored != 0 ? 1.0f / stored : 0.0f);
}

ALWAYS_INLINE void store_32_q8_0(const float *x, uint8_t *block) {
        float largest = largest_lane(largest_of_32(x, _mm256_setzero_ps()));
        __m256 inverse = store_scale(largest / 127.0f, block);
        store_256(block + 2, codes_of_32(x, inverse, 127.0f));
}

void avx2_store_q8_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++)
                store_32_q8_0(x + 32 * (size_t) b, row + b * (size_t) KV_Q8_0_BYTES);
}

/* The first value of magnitude LARGEST, with its sign; zero has none. */
static float first_of_32(const float *x, float largest) {
        __m256 wanted = _mm256_set1_ps(largest);
        for (int i = 0; largest > 0 && i < 32; i += 8) {
                __m256 eight = _mm256_loadu_ps(x + i);
                int found = _mm256_movemask_ps(_mm256_cmp_ps(magnitude_of(eight), wanted, _CMP_EQ_OQ));
                if (found)
                        return x[i + __builtin_ctz((unsigned) found)];
        }
        return 0;
}

/* The first value of largest magnitude. Which sign it has is a toss-up: no branch may depend on it, but for equals. */
ALWAYS_INLINE float extreme_of_32(const float *x) {
        __m256 highest = _mm256_setzero_ps(), lowest = highest;
        for (int i = 0; i < 32; i += 8) {
                __m256 eight = _mm256_loadu_ps(x + i);
                highest = _mm256_max_ps(eight, highest);
                lowest = _mm256_max_ps(_mm256_xor_ps(eight, _mm256_set1_ps(-0.0f)), lowest);
        }
        float high = largest_lane(highest), low = largest_lane(lowest);
        if (high == low)
                return first_of_32(x, high);
        __m128 h = _mm_set_ss(high), l = _mm_set_ss(low);
        return _mm_cvtss_f32(_mm_blendv_ps(_mm_xor_ps(l, _mm_set_ss(-0.0f)), h, _mm_cmpgt_ss(h, l)));
}

ALWAYS_INLINE void store_32_q4_0(const float *x, uint8_t *block) {
        __m256 inverse = store_scale(extreme_of_32(x) / -8.0f, block);
        __m256i codes = _mm256_min_epi8(codes_of_32(x, inverse, 8.0f), _mm256_set1_epi8(7));
        codes = _mm256_add_epi8(codes, _mm256_set1_epi8(8));
        __m128i low = _mm256_castsi256_si128(codes), high = _mm256_extracti128_si256(codes, 1);
        _mm_storeu_si128((__m128i *) (void *) (block + 2), _mm_or_si128(low, _mm_slli_epi16(high, 4)));
}

void avx2_store_q4_0(const float *x, uint32_t n, uint8_t *row) {
        for (uint32_t b = 0; b < n / 32; b++)
                store_32_q4_0(x + 32 * (size_t) b, row + b * (size_t) KV_Q4_0_BYTES);
}

/* --- reading them --- */

/* Eight values at I of a row, and the factor they still need. */
ALWAYS_INLINE __m256 row_8(enum kv_type type, const uint8_t *row, uint32_t i, uint32_t part) {
        if (type == KV_F16)
                return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *) (const void *) (row + 2 * (size_t) (i + 8 * part))));
        if (type == KV_Q8_0) {
                const uint8_t *codes = row + i / 32 * (size_t) KV_Q8_0_BYTES + 2 + 8 * (size_t) part;
                return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *) (const void *) codes)));
        }
        const uint8_t *nibbles = row + i / 32 * (size_t) KV_Q4_0_BYTES + 2 + 8 * (size_t) (part % 2);
        __m256i bytes = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *) (const void *) nibbles));
        __m256i codes = part < 2 ? _mm256_and_si256(bytes, _mm256_set1_epi32(15)) : _mm256_srli_epi32(bytes, 4);
        return _mm256_cvtepi32_ps(_mm256_sub_epi32(codes, _mm256_set1_epi32(8)));
}

ALWAYS_INLINE float row_scale(enum kv_type type, const uint8_t *row, uint32_t i) {
        if (type == KV_F16)
                return 1.0f;
        return _cvtsh_ss(load_u16(row + i / 32 * (size_t) (type == KV_Q8_0 ? KV_Q8_0_BYTES : KV_Q4_0_BYTES)));
}

ALWAYS_INLINE void load(enum kv_type type, const uint8_t *row, uint32_t n, float *out) {
        for (uint32_t i = 0; i + 32 <= n; i += 32) {
                __m256 scale = _mm256_set1_ps(row_scale(type, row, i));
                UNROLL
                for (uint32_t part = 0; part < 4; part++) {
                        __m256 values = row_8(type, row, i, part);
                        _mm256_storeu_ps(out + i + 8 * part, type == KV_F16 ? values : _mm256_mul_ps(values, scale));
                }
        }
}

void avx2_load_f16(const uint8_t *row, uint32_t n, float *out) {
        load(KV_F16, row, n, out);
        for (uint32_t i = n & ~31u; i < n; i++)
                out[i] = load_half(row + 2 * (size_t) i);
}

void avx2_load_q8_0(const uint8_t *row, uint32_t n, float *out) {
        load(KV_Q8_0, row, n, out);
}

/* --- vectors of floats --- */

void avx2_rms_norm(const float *x, const uint8_t *weight, uint32_t n, float epsilon, float *out) {
        __m256 squares = _mm256_setzero_ps();
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
                squares = _mm256_fmadd_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(x + i), squares);
        float sum = sum_of(squares);
        for (; i < n; i++)
                sum += x[i] * x[i];
        float factor = 1.0f / sqrtf(sum / (float) n + epsilon);
        __m256 factors = _mm256_set1_ps(factor);
        for (i = 0; i + 8 <= n; i += 8) {
                __m256 w = _mm256_loadu_ps((const float *) (const void *) (weight + 4 * (size_t) i));
                _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), factors), w));
        }
        for (; i < n; i++)
                out[i] = x[i] * factor * load_float(weight + 4 * (size_t) i);
}

/* Lanes plus the same ones in another order, those under SIGNS subtracted from them. */
ALWAYS_INLINE __m256 plus_minus(__m256 reordered, __m256 x, __m256 signs) {
        return _mm256_add_ps(reordered, _mm256_xor_ps(x, signs));
}

/* The first three passes of `turn`, within eight values. */
ALWAYS_INLINE __m256 hadamard_8(__m256 x) {
        const float z = 0.0f, m = -0.0f;
        x = plus_minus(_mm256_permute_ps(x, 0xb1), x, _mm256_setr_ps(z, m, z, m, z, m, z, m));
        x = plus_minus(_mm256_permute_ps(x, 0x4e), x, _mm256_setr_ps(z, z, m, m, z, z, m, m));
        return plus_minus(_mm256_permute2f128_ps(x, x, 1), x, _mm256_setr_ps(z, z, z, z, m, m, m, m));
}

ALWAYS_INLINE void hadamard_pass(__m256 v[8], int apart) {
        UNROLL
        for (int i = 0; i < 8; i++)
                if (!(i & apart)) {
                        __m256 a = v[i], b = v[i + apart];
                        v[i] = _mm256_add_ps(a, b);
                        v[i + apart] = _mm256_sub_ps(a, b);
                }
}

/* The first six passes of `turn`, within 64 values: the whole of it for most heads. */
ALWAYS_INLINE void hadamard_64(float *x) {
        __m256 v[8];
        UNROLL
        for (int i = 0; i < 8; i++)
                v[i] = hadamard_8(_mm256_loadu_ps(x + 8 * i));
        hadamard_pass(v, 1);
        hadamard_pass(v, 2);
        hadamard_pass(v, 4);
        UNROLL
        for (int i = 0; i < 8; i++)
                _mm256_storeu_ps(x + 8 * i, v[i]);
}

static void hadamard_one(float *x, uint32_t n) {
        uint32_t apart = n < 64 ? 8 : 64;
        for (uint32_t i = 0; i < n; i += apart)
                if (apart == 8)
                        _mm256_storeu_ps(x + i, hadamard_8(_mm256_loadu_ps(x + i)));
                else
                        hadamard_64(x + i);
        for (; apart < n; apart *= 2)
                for (uint32_t start = 0; start < n; start += 2 * apart)
                        for (uint32_t i = start; i < start + apart; i += 8) {
                                __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + apart);
                                _mm256_storeu_ps(x + i, _mm256_add_ps(a, b));
                                _mm256_storeu_ps(x + i + apart, _mm256_sub_ps(a, b));
                        }
        avx2_scale(x, 1 / sqrtf((float) n), n);
}

void avx2_hadamard(float *x, uint32_t n) {
        uint32_t width = hadamard_width(n);
        for (uint32_t i = 0; i < n; i += width)
                hadamard_one(x + i, width);
}

void avx2_add(float *x, const float *y, uint32_t n) {
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
                _mm256_storeu_ps(x + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
        for (; i < n; i++)
                x[i] += y[i];
}

void avx2_scale(float *x, float factor, uint32_t n) {
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
                _mm256_storeu_ps(x + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), _mm256_set1_ps(factor)));
        for (; i < n; i++)
                x[i] *= factor;
}

/*
 * exp(x) = 2^k * exp(rest) with k whole and |rest| <= ln(2) / 2, where six terms of the series are exact to about a
 * unit in the last place. Below -87.3 the result is 0 (it would be denormal), above 88.3 it stays at its largest.
 */
ALWAYS_INLINE __m256 exponential(__m256 x) {
        __m256 in_range = _mm256_cmp_ps(x, _mm256_set1_ps(-87.3f), _CMP_NLT_UQ);
        x = _mm256_min_ps(_mm256_set1_ps(88.3f), _mm256_max_ps(_mm256_set1_ps(-87.3f), x));
        __m256 k = _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        __m256 rest = _mm256_fnmadd_ps(k, _mm256_set1_ps(0x1.62e4p-1f), x); /* ln(2) in two parts: the first is exact times k */
        rest = _mm256_fnmadd_ps(k, _mm256_set1_ps(0x1.7f7d1cp-20f), rest);
        __m256 y = _mm256_set1_ps(1.0f / 720);
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(1.0f / 120));
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(1.0f / 24));
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(1.0f / 6));
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(0.5f));
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(1.0f));
        y = _mm256_fmadd_ps(y, rest, _mm256_set1_ps(1.0f));
        __m256i power = _mm256_slli_epi32(_mm256_cvtps_epi32(k), 23);
        return _mm256_and_ps(in_range, _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(y), power)));
}

/* The first COUNT lanes of a mask, for the end of a vector. */
ALWAYS_INLINE __m256i first_lanes(uint32_t count) {
        return _mm256_cmpgt_epi32(_mm256_set1_epi32((int) count), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

ALWAYS_INLINE __m256 swiglu_8(__m256 gate, __m256 up) {
        __m256 below = _mm256_add_ps(_mm256_set1_ps(1.0f), exponential(_mm256_xor_ps(gate, _mm256_set1_ps(-0.0f))));
        return _mm256_mul_ps(_mm256_div_ps(gate, below), up);
}

void avx2_swiglu(float *gate, const float *up, uint32_t n) {
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8)
                _mm256_storeu_ps(gate + i, swiglu_8(_mm256_loadu_ps(gate + i), _mm256_loadu_ps(up + i)));
        if (i < n) {
                __m256i lanes = first_lanes(n - i);
                _mm256_maskstore_ps(gate + i, lanes,
                                    swiglu_8(_mm256_maskload_ps(gate + i, lanes), _mm256_maskload_ps(up + i, lanes)));
        }
}

float avx2_maximum(const float *x, uint32_t n) {
        float largest = x[0];
        uint32_t i = 0;
        if (n >= 8) {
                __m256 lanes = _mm256_loadu_ps(x);
                for (i = 8; i + 8 <= n; i += 8)
                        lanes = _mm256_max_ps(_mm256_loadu_ps(x + i), lanes);
                largest = largest_lane(lanes);
        }
        for (; i < n; i++)
                largest = x[i] > largest ? x[i] : largest;
        return largest;
}

float avx2_exponential_sum(float *x, uint32_t n, float shift) {
        const __m256 shifts = _mm256_set1_ps(shift);
        __m256 sums = _mm256_setzero_ps();
        uint32_t i = 0;
        for (; i + 8 <= n; i += 8) {
                __m256 y = exponential(_mm256_sub_ps(_mm256_loadu_ps(x + i), shifts));
                _mm256_storeu_ps(x + i, y);
                sums = _mm256_add_ps(sums, y);
        }
        if (i < n) {
                __m256i lanes = first_lanes(n - i);
                __m256 y = exponential(_mm256_sub_ps(_mm256_maskload_ps(x + i, lanes), shifts));
                y = _mm256_and_ps(y, _mm256_castsi256_ps(lanes));
                _mm256_maskstore_ps(x + i, lanes, y);
                sums = _mm256_add_ps(sums, y);
        }
        return sum_of(sums);
}

#else
typedef int no_avx2_here_either; /* a translation unit may not be empty */
#endif
