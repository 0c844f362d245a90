/*
 * dispatch.h - the choice of the set of kernels. It stands above the rooms of all instruction sets, so that these know nothing of each other.
 *
 * Which set runs is decided by what the processor can do, or by HEADROOM_KERNELS=portable|avx2|avx-vnni|avx512|neon|dotprod|i8mm.
 */
#ifndef HEADROOM_ENGINE_DISPATCH_DISPATCH_H
#define HEADROOM_ENGINE_DISPATCH_DISPATCH_H

#include "engine/kernels/kernels.h"

/* The best table for this processor, or the one that HEADROOM_KERNELS names. The same one at each call. */
const struct kernels *kernels_get(void);
/* The table named NAME if this processor can run it, else NULL. */
const struct kernels *kernels_named(const char *name);

#endif
