/*
 * q8.h - the Q8_0 form of a row: blocks of 32 values, each a half-precision scale and 32 signed bytes.
 *
 * value = scale * byte, scale = largest magnitude / 127 (GGUF specification). Half precision by IEEE 754,
 * rounding to nearest even, without help from the compiler so that it is the same everywhere.
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_Q8_H
#define HEADROOM_TESTS_DEMO_MODEL_Q8_H

#include <stdint.h>

enum { Q8_VALUES = 32 };

struct q8_block {
        uint16_t scale;
        int8_t values[Q8_VALUES];
};
_Static_assert(sizeof(struct q8_block) == 34, "the file's blocks have no padding");

uint16_t q8_half_from_float(float x);
float q8_half_to_float(uint16_t half);

void q8_encode(struct q8_block *block, const float *x);
void q8_decode(float *x, const struct q8_block *block);

#endif
