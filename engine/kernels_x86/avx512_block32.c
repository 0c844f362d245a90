/* avx512_block32.c - products of the types in blocks of 32 in AVX-512 with VNNI. */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx512.h"
#include "engine/kernels_x86/lanes_avx512.h"

#define MULTIPLY(type) avx512_multiply_##type
#include "engine/kernels_x86/panel_block32.h"

#else
typedef int no_avx512_block32; /* a translation unit may not be empty */
#endif
