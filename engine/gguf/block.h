/*
 * block.h - the blocks of the quantised types: what lies where in the bytes of a file. Facts of the GGUF formats.
 *
 * All members are bytes, so that a block may lie anywhere; numbers of two bytes are little-endian. "Half" is a float of
 * IEEE half precision. A value is scale * code - minimum in the types that have minima, else scale * code.
 */
#ifndef HEADROOM_ENGINE_GGUF_BLOCK_H
#define HEADROOM_ENGINE_GGUF_BLOCK_H

#include <stdint.h>

#define K_VALUES 256 /* of a block of the K and of most IQ types */

/* --- 32 values. Nibbles: of value i the low one of byte i, of value i + 16 the high one --- */

struct block_q4_0 { /* codes less 8 */
        uint8_t scale[2], nibbles[16];
};

struct block_q4_1 { /* OFFSET, half, is added */
        uint8_t scale[2], offset[2], nibbles[16];
};

struct block_q5_0 { /* bit i of FIFTH is bit 4 of code i; codes less 16 */
        uint8_t scale[2], fifth[4], nibbles[16];
};

struct block_q5_1 {
        uint8_t scale[2], offset[2], fifth[4], nibbles[16];
};

struct block_q8_0 {
        uint8_t scale[2];
        int8_t codes[32];
};

struct block_iq4_nl { /* nibbles stand for IQ4_LEVELS (grid.h) */
        uint8_t scale[2], nibbles[16];
};

struct block_mxfp4 { /* the scale is 2^(exponent - 127); nibbles stand for MXFP4_LEVELS / 2 */
        uint8_t exponent, nibbles[16];
};

/* --- 256 values, in 8 parts of 32 --- */

/* Sixteen nibbles of scale (low) and minimum (high), one for 16 values. Part j has bits 2 * (j % 4) of 32 bytes for each half. */
struct block_q2_k {
        uint8_t scales[16], codes[64], scale[2], minimum[2];
};

/*
 * Sixteen scales of six bits, less 32: low nibbles of 0..7 and high nibbles of 8..15 in the first eight bytes, the upper
 * bits of scale i at bits 2 * (i / 4) of byte 8 + i % 4. Codes as in Q2_K; bit j of the byte that the parts share adds
 * 4 in part j, and 4 is taken off.
 */
struct block_q3_k {
        uint8_t third[32], codes[64], scales[12], scale[2];
};

/* Scales and minima of parts, of six bits: unpack_k.c. Part j has the low (j even) or high nibbles of 32 bytes. */
struct block_q4_k {
        uint8_t scale[2], minimum[2], scales[12], nibbles[128];
};

/* As Q4_K; the fifth bit of part j is bit j of the byte that the parts share. */
struct block_q5_k {
        uint8_t scale[2], minimum[2], scales[12], fifth[32], nibbles[128];
};

/* Codes less 32. Two halves of 128; in each, part q has low nibbles in bytes 32 * (q % 2), its upper pair at bit 2 * q. */
struct block_q6_k {
        uint8_t nibbles[128], pairs[64];
        int8_t scales[16];
        uint8_t scale[2];
};

/* Scale j of six bits, less 32: nibble j of SCALES_LOW, bits 2 * j of SCALES_HIGH. Each part has nibbles as 32 values do. */
struct block_iq4_xs {
        uint8_t scale[2], scales_high[2], scales_low[4], nibbles[128];
};

/* A part: four numbers of points, then 4 * 7 signs (grid.h) and, in the upper four bits, s. Scale * (2 s + 1) / 8. */
struct block_iq2_xxs {
        uint8_t scale[2], parts[8][8];
};

/* Points: 9 bits of number, 7 signs. Nibbles s of 16 values. Scale * (2 s + 1) / 8. */
struct block_iq2_xs {
        uint8_t scale[2], points[32][2], scales[8];
};

/* The number of point i has its upper bits at bits 2 * (i % 4) of byte i / 4 of HIGH. Signs are whole. Scale * (2 s + 1) / 8. */
struct block_iq2_s {
        uint8_t scale[2], points[32], signs[32], high[8], scales[8];
};

/* Points of four values. Signs and s as in IQ2_XXS. Scale * (2 s + 1) / 4. */
struct block_iq3_xxs {
        uint8_t scale[2], points[64], signs[8][4];
};

/* Bit i % 8 of byte i / 8 of HIGH is bit 8 of point i's number. Nibbles s of parts. Scale * (2 s + 1). */
struct block_iq3_s {
        uint8_t scale[2], points[64], high[8], signs[32], scales[4];
};

/*
 * HIGH of a part: four times three upper bits of numbers, three bits s, and the sign of the eighth that is added to each
 * value of -1, 0 or 1. Scale * (2 s + 1).
 */
struct block_iq1_s {
        uint8_t scale[2], points[32], high[8][2];
};

/*
 * A nibble for a point: three upper bits of its number, and the sign of its eighth. Each two bytes of SCALES: four times
 * three bits s, of 16 values each, and a nibble of the scale of the block, a half.
 */
struct block_iq1_m {
        uint8_t points[32], high[16], scales[4][2];
};

_Static_assert(sizeof(struct block_q4_0) == 18 && sizeof(struct block_q4_1) == 20, "as in the GGUF specification");
_Static_assert(sizeof(struct block_q5_0) == 22 && sizeof(struct block_q5_1) == 24, "as in the GGUF specification");
_Static_assert(sizeof(struct block_q8_0) == 34 && sizeof(struct block_iq4_nl) == 18, "as in the GGUF specification");
_Static_assert(sizeof(struct block_mxfp4) == 17 && sizeof(struct block_iq4_xs) == 136, "as in the GGUF specification");
_Static_assert(sizeof(struct block_q2_k) == 84 && sizeof(struct block_q3_k) == 110, "as in the GGUF specification");
_Static_assert(sizeof(struct block_q4_k) == 144 && sizeof(struct block_q5_k) == 176, "as in the GGUF specification");
_Static_assert(sizeof(struct block_q6_k) == 210 && sizeof(struct block_iq2_xxs) == 66, "as in the GGUF specification");
_Static_assert(sizeof(struct block_iq2_xs) == 74 && sizeof(struct block_iq2_s) == 82, "as in the GGUF specification");
_Static_assert(sizeof(struct block_iq3_xxs) == 98 && sizeof(struct block_iq3_s) == 110, "as in the GGUF specification");
_Static_assert(sizeof(struct block_iq1_s) == 50 && sizeof(struct block_iq1_m) == 56, "as in the GGUF specification");

#endif
