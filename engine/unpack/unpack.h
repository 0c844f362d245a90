/*
 * unpack.h - a block of any quantised type, unpacked into one of two shapes. All plain C kernels compute with these, so
 * a type is defined by one function that puts its bits in order.
 *
 * Every number is exact: codes and scales are whole, SCALE and MINIMUM hold no more digits than the file does.
 */
#ifndef HEADROOM_ENGINE_UNPACK_UNPACK_H
#define HEADROOM_ENGINE_UNPACK_UNPACK_H

#include "engine/gguf/block.h"

/* value i = scale * codes[i] - minimum */
struct unpacked_32 {
        float scale, minimum;
        int8_t codes[32];
};

/* value i = scale * scales[i / 16] * codes[i] - minimum * minima[i / 16]; a scale times a code is 2^12 at most */
struct unpacked_256 {
        float scale, minimum;
        int8_t scales[16];
        uint8_t minima[16];
        int8_t codes[K_VALUES];
};

typedef void unpack_32(const uint8_t *block, struct unpacked_32 *ret);
typedef void unpack_256(const uint8_t *block, struct unpacked_256 *ret);

unpack_32 unpack_q4_0, unpack_q4_1, unpack_q5_0, unpack_q5_1, unpack_q8_0, unpack_iq4_nl, unpack_mxfp4;
unpack_256 unpack_q2_k, unpack_q3_k, unpack_q4_k, unpack_q5_k, unpack_q6_k;
unpack_256 unpack_iq4_xs, unpack_iq2_xxs, unpack_iq2_xs, unpack_iq2_s, unpack_iq3_xxs, unpack_iq3_s, unpack_iq1_s, unpack_iq1_m;

#endif
