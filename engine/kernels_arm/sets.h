/* sets.h - the tables of 64-bit ARM, best first: i8mm for processors with FEAT_I8MM, dotprod with FEAT_DotProd, neon for all. */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_SETS_H
#define HEADROOM_ENGINE_KERNELS_ARM_SETS_H

#include "engine/kernels/kernels.h"

extern const struct kernels kernels_i8mm, kernels_dotprod, kernels_neon;

#endif
