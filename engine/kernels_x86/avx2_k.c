/* avx2_k.c - products of Q4_K, Q5_K and Q6_K in AVX2. */
#if defined(__x86_64__)
#include "engine/kernels_x86/lanes_avx2.h"
#include "engine/kernels_x86/avx2.h"

#define MULTIPLY(type) avx2_multiply_##type
#include "engine/kernels_x86/panel_k.h"

#else
typedef int no_avx2_k; /* a translation unit may not be empty */
#endif
