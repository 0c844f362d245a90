/* dotprod.c - the kernels of ARM processors that multiply bytes by fours (FEAT_DotProd): their table. */
#if defined(__aarch64__)
#include "engine/kernels_arm/neon_panel.h"

const struct kernels kernels_dotprod = { NEON_TABLE("dotprod") };

#else
typedef int no_dotprod_here; /* a translation unit may not be empty */
#endif
