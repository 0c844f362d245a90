/* sets.h - the tables of x86-64, best first: AVX-512 with VNNI, and AVX2 with FMA and F16C. */
#ifndef HEADROOM_ENGINE_KERNELS_X86_SETS_H
#define HEADROOM_ENGINE_KERNELS_X86_SETS_H

#include "engine/kernels/kernels.h"

extern const struct kernels kernels_avx512, kernels_avx2;

#endif
