/* avx_vnni_block32.c - products of the types in blocks of 32 in AVX-VNNI. */
#if defined(__x86_64__)
#include "engine/kernels_x86/avx2.h"
#include "engine/kernels_x86/lanes_avx2.h"

#define MULTIPLY(type) avx_vnni_multiply_##type
#include "engine/kernels_x86/panel_block32.h"

#else
typedef int no_avx_vnni_block32; /* a translation unit may not be empty */
#endif
