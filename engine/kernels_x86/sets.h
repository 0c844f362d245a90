/* sets.h - the tables of x86-64, best first: AVX-512 with VNNI; AVX2 with FMA and F16C, and AVX-VNNI or not. */
#ifndef HEADROOM_ENGINE_KERNELS_X86_SETS_H
#define HEADROOM_ENGINE_KERNELS_X86_SETS_H

#include "engine/kernels/kernels.h"

extern const struct kernels kernels_avx512, kernels_avx_vnni, kernels_avx2;

#endif
