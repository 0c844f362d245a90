/* sets.h - the tables of 64-bit ARM, best first: dotprod for processors with FEAT_DotProd, neon for all. */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_SETS_H
#define HEADROOM_ENGINE_KERNELS_ARM_SETS_H

#include "engine/kernels/kernels.h"

extern const struct kernels kernels_dotprod, kernels_neon;

#endif
