/* dotprod.c - the kernels of ARM processors that multiply bytes by fours (FEAT_DotProd): their table, and the products of quantised types. */
#if defined(__aarch64__)
#include "engine/kernels_arm/neon_rows.h"

#define DEFINE_32(type, id)                                                                 \
        static void multiply_##type(const struct product *p) {                              \
                FOR_COLUMNS(p, c, rows_32(id, p, c, columns, sizeof(struct block_##type))); \
        }
#define DEFINE_256(type, id)                                                                 \
        static void multiply_##type(const struct product *p) {                               \
                FOR_COLUMNS(p, c, rows_256(id, p, c, columns, sizeof(struct block_##type))); \
        }
NEON_EACH_32(DEFINE_32)
NEON_EACH_256(DEFINE_256)

const struct kernels kernels_dotprod = { NEON_TABLE("dotprod") };

#else
typedef int no_dotprod_here; /* a translation unit may not be empty */
#endif
