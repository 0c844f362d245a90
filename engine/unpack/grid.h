/*
 * grid.h - the grids of the IQ types: some hundreds of points of 8 or 4 small whole numbers, of which a block names one by
 * its number where other types would store the values themselves. The tables are facts of the formats (grid_table.c).
 *
 * A point is a byte a value, the first one lowest. IQ2 and IQ3 have magnitudes, whose signs lie in the block; IQ1 has 0, 1
 * and 2, which stand for -1, 0 and 1.
 */
#ifndef HEADROOM_ENGINE_UNPACK_GRID_H
#define HEADROOM_ENGINE_UNPACK_GRID_H

#include <stdint.h>

extern const uint64_t grid_iq1[2048];    /* IQ1_S, IQ1_M */
extern const uint64_t grid_iq2_xxs[256]; /* 8, 25, 43 */
extern const uint64_t grid_iq2_xs[512];
extern const uint64_t grid_iq2_s[1024];
extern const uint32_t grid_iq3_xxs[256]; /* 4, 12, 20, 28, 36, 44, 52, 62 */
extern const uint32_t grid_iq3_s[512];   /* 1, 3, 5 .. 15 */

/* Values of the codes 0..15 of IQ4_NL and IQ4_XS, and those of MXFP4 (OCP Microscaling Formats 1.0: E2M1), doubled. */
#define IQ4_LEVELS   -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113
#define MXFP4_LEVELS 0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12

/* Seven stored signs of eight values: bit i is the sign of value i, the eighth makes their number even. */
static inline uint8_t grid_signs(uint32_t seven) {
        return (uint8_t) ((seven & 127) | (uint32_t) __builtin_parity(seven & 127) << 7);
}

#endif
