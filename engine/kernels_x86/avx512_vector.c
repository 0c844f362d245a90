/* avx512_vector.c - softmax in AVX-512. Sums are added up in one order; exponentials agree with the portable ones to rounding. */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels_x86/lanes_avx512.h"

float avx512_maximum(const float *x, uint32_t n) {
        __m512 lanes = _mm512_set1_ps(x[0]);
        for (uint32_t i = 0; i < n; i += 16) {
                __mmask16 mask = lanes_mask(n - i);
                lanes = _mm512_mask_max_ps(lanes, mask, _mm512_maskz_loadu_ps(mask, x + i), lanes);
        }
        return _mm512_reduce_max_ps(lanes);
}

/*
 * exp(x) = 2^k * exp(rest) with k whole and |rest| <= ln(2) / 2, where six terms of the series are exact to about a
 * unit in the last place. Below -87.3 the result is 0 (it would be denormal).
 */
ALWAYS_INLINE __m512 exponential(__m512 x) {
        __mmask16 in_range = _mm512_cmp_ps_mask(x, _mm512_set1_ps(-87.3f), _CMP_NLT_UQ);
        __m512 k = _mm512_roundscale_ps(_mm512_mul_ps(x, _mm512_set1_ps(1.44269504f)), _MM_FROUND_TO_NEAREST_INT);
        __m512 rest = _mm512_fnmadd_ps(k, _mm512_set1_ps(0x1.62e4p-1f), x); /* ln(2) in two parts: the first is exact times k */
        rest = _mm512_fnmadd_ps(k, _mm512_set1_ps(0x1.7f7d1cp-20f), rest);
        __m512 y = _mm512_set1_ps(1.0f / 720);
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 120));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 24));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f / 6));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(0.5f));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f));
        y = _mm512_fmadd_ps(y, rest, _mm512_set1_ps(1.0f));
        return _mm512_maskz_scalef_ps(in_range, y, k);
}

float avx512_exponential_sum(float *x, uint32_t n, float shift) {
        __m512 sums = _mm512_setzero_ps();
        for (uint32_t i = 0; i < n; i += 16) {
                __mmask16 mask = lanes_mask(n - i);
                __m512 y = exponential(_mm512_sub_ps(_mm512_maskz_loadu_ps(mask, x + i), _mm512_set1_ps(shift)));
                _mm512_mask_storeu_ps(x + i, mask, y);
                sums = _mm512_mask_add_ps(sums, mask, sums, y);
        }
        return _mm512_reduce_add_ps(sums);
}

#else
typedef int no_avx512_vector; /* a translation unit may not be empty */
#endif
