/* avx512_k.c - products of Q4_K, Q5_K and Q6_K in AVX-512 with VNNI. */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels_x86/lanes_avx512.h"

#define MULTIPLY(type) avx512_multiply_##type
#include "engine/kernels_x86/panel_k.h"

#else
typedef int no_avx512_k; /* a translation unit may not be empty */
#endif
