/* i8mm.c - the kernels of ARM processors that multiply matrices of bytes (FEAT_I8MM): their table. */
#if defined(__aarch64__)
#include "engine/kernels_arm/neon_panel.h"

const struct kernels kernels_i8mm = { NEON_TABLE("i8mm") };

#else
typedef int no_i8mm_here; /* a translation unit may not be empty */
#endif
