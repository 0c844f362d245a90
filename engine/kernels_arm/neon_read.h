/*
 * neon_read.h - blocks of rows as NEON registers: sixteen codes at a time, in the order of their values, and what they are scaled by.
 * TYPE is a constant wherever this is called, so that each product keeps its own branch alone. Layouts: gguf/block.h.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_NEON_READ_H
#define HEADROOM_ENGINE_KERNELS_ARM_NEON_READ_H

#include <stdbool.h>
#include <string.h>

#include "engine/gguf/block.h"
#include "engine/gguf/half.h"
#include "engine/kernels_arm/neon.h"
#include "engine/unpack/grid.h"
#include "engine/unpack/unpack.h"

ALWAYS_INLINE float half_at(const uint8_t *bytes) {
        __fp16 half;
        memcpy(&half, bytes, sizeof(half));
        return (float) half;
}

ALWAYS_INLINE int8x16_t low_nibbles(uint8x16_t bytes) {
        return vreinterpretq_s8_u8(vandq_u8(bytes, vdupq_n_u8(15)));
}

ALWAYS_INLINE int8x16_t high_nibbles(uint8x16_t bytes) {
        return vreinterpretq_s8_u8(vshrq_n_u8(bytes, 4));
}

/* --- blocks of 32 --- */

/* value i = scale * codes[i / 16][i % 16] + offset */
struct codes_32 {
        int8x16_t codes[2];
        float scale, offset;
};

ALWAYS_INLINE void read_nibbles(const uint8_t nibbles[16], struct codes_32 *ret) {
        uint8x16_t bytes = vld1q_u8(nibbles);
        ret->codes[0] = low_nibbles(bytes);
        ret->codes[1] = high_nibbles(bytes);
}

/* By a table of sixteen. */
ALWAYS_INLINE void read_levels(const uint8_t nibbles[16], const int8_t levels[16], struct codes_32 *ret) {
        int8x16_t table = vld1q_s8(levels);
        read_nibbles(nibbles, ret);
        ret->codes[0] = vqtbl1q_s8(table, vreinterpretq_u8_s8(ret->codes[0]));
        ret->codes[1] = vqtbl1q_s8(table, vreinterpretq_u8_s8(ret->codes[1]));
}

/* Sixteen where a bit of 16 is set. */
ALWAYS_INLINE int8x16_t sixteens(const uint8_t bits[2]) {
        static const uint8_t each[16] = { 1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128 };
        uint8x16_t all = vcombine_u8(vdup_n_u8(bits[0]), vdup_n_u8(bits[1]));
        return vreinterpretq_s8_u8(vandq_u8(vtstq_u8(all, vld1q_u8(each)), vdupq_n_u8(16)));
}

ALWAYS_INLINE void read_fifth_bits(const uint8_t fifth[4], struct codes_32 *ret) {
        ret->codes[0] = vorrq_s8(ret->codes[0], sixteens(fifth));
        ret->codes[1] = vorrq_s8(ret->codes[1], sixteens(fifth + 2));
}

ALWAYS_INLINE void take_off(int8_t below, struct codes_32 *ret) {
        ret->codes[0] = vsubq_s8(ret->codes[0], vdupq_n_s8(below));
        ret->codes[1] = vsubq_s8(ret->codes[1], vdupq_n_s8(below));
}

ALWAYS_INLINE struct codes_32 read_q8_0(const struct block_q8_0 *b) {
        return (struct codes_32){ { vld1q_s8(b->codes), vld1q_s8(b->codes + 16) }, half_at(b->scale), 0 };
}

ALWAYS_INLINE struct codes_32 read_q4_0(const struct block_q4_0 *b) {
        struct codes_32 w = { .scale = half_at(b->scale) };
        read_nibbles(b->nibbles, &w);
        take_off(8, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_q4_1(const struct block_q4_1 *b) {
        struct codes_32 w = { .scale = half_at(b->scale), .offset = half_at(b->offset) };
        read_nibbles(b->nibbles, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_q5_0(const struct block_q5_0 *b) {
        struct codes_32 w = { .scale = half_at(b->scale) };
        read_nibbles(b->nibbles, &w);
        read_fifth_bits(b->fifth, &w);
        take_off(16, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_q5_1(const struct block_q5_1 *b) {
        struct codes_32 w = { .scale = half_at(b->scale), .offset = half_at(b->offset) };
        read_nibbles(b->nibbles, &w);
        read_fifth_bits(b->fifth, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_iq4_nl(const struct block_iq4_nl *b) {
        static const int8_t levels[16] = { IQ4_LEVELS };
        struct codes_32 w = { .scale = half_at(b->scale) };
        read_levels(b->nibbles, levels, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_mxfp4(const struct block_mxfp4 *b) {
        static const int8_t levels[16] = { MXFP4_LEVELS };
        struct codes_32 w = { .scale = half_of_power(b->exponent) };
        read_levels(b->nibbles, levels, &w);
        return w;
}

ALWAYS_INLINE struct codes_32 read_32(enum tensor_type type, const uint8_t *block) {
        switch (type) {
        case TENSOR_Q4_0: return read_q4_0((const void *) block);
        case TENSOR_Q4_1: return read_q4_1((const void *) block);
        case TENSOR_Q5_0: return read_q5_0((const void *) block);
        case TENSOR_Q5_1: return read_q5_1((const void *) block);
        case TENSOR_IQ4_NL: return read_iq4_nl((const void *) block);
        case TENSOR_MXFP4: return read_mxfp4((const void *) block);
        default: return read_q8_0((const void *) block);
        }
}

ALWAYS_INLINE bool has_offset(enum tensor_type type) {
        return type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
}

/* --- blocks of 256 --- */

/* value i = scale * scales[i / 16] * code i - minimum * minima[i / 16]; what lies in PLAIN holds for the types that plain C unpacks. */
struct row_256 {
        const uint8_t *block;
        float scale, minimum;
        int8_t scales[16];
        uint8_t minima[16];
        struct unpacked_256 plain;
};

ALWAYS_INLINE bool has_minima(enum tensor_type type) {
        return type == TENSOR_Q2_K || type == TENSOR_Q4_K || type == TENSOR_Q5_K;
}

/* Of Q4_K and Q5_K: six-bit scales and minima of parts (unpack_k.c), each for two sixteens. */
ALWAYS_INLINE void read_part_scales(const uint8_t packed[12], struct row_256 *ret) {
        uint32_t w0 = load_u32(packed), w1 = load_u32(packed + 4), w2 = load_u32(packed + 8);
        uint64_t scales = (w0 & 0x3f3f3f3fu) | (uint64_t) ((w2 & 0x0f0f0f0fu) | (w0 >> 6 & 0x03030303u) << 4) << 32;
        uint64_t minima = (w1 & 0x3f3f3f3fu) | (uint64_t) ((w2 >> 4 & 0x0f0f0f0fu) | (w1 >> 6 & 0x03030303u) << 4) << 32;
        uint8x16_t s = vreinterpretq_u8_u64(vdupq_n_u64(scales)), m = vreinterpretq_u8_u64(vdupq_n_u64(minima));
        vst1q_s8(ret->scales, vreinterpretq_s8_u8(vzip1q_u8(s, s)));
        vst1q_u8(ret->minima, vzip1q_u8(m, m));
}

/* Of Q3_K: nibbles in eight bytes, the upper pairs in four. */
ALWAYS_INLINE void read_q3_k_scales(const uint8_t packed[12], struct row_256 *ret) {
        uint8x8_t nibbles = vld1_u8(packed);
        uint32_t pairs = load_u32(packed + 8);
        const uint32_t all[4] = { pairs, pairs >> 2, pairs >> 4, pairs >> 6 };
        uint8x16_t low = vcombine_u8(vand_u8(nibbles, vdup_n_u8(15)), vshr_n_u8(nibbles, 4));
        uint8x16_t high = vandq_u8(vreinterpretq_u8_u32(vld1q_u32(all)), vdupq_n_u8(3));
        int8x16_t both = vreinterpretq_s8_u8(vorrq_u8(low, vshlq_n_u8(high, 4)));
        vst1q_s8(ret->scales, vsubq_s8(both, vdupq_n_s8(32)));
}

/* Of IQ4_XS: nibbles of parts, and two bits each. */
ALWAYS_INLINE void read_iq4_xs_scales(const struct block_iq4_xs *b, struct row_256 *ret) {
        uint32_t high = load_u16(b->scales_high);
        for (int part = 0; part < 8; part++) {
                int low = b->scales_low[part / 2] >> (part % 2 * 4) & 15;
                ret->scales[2 * part] = ret->scales[2 * part + 1] = (int8_t) ((low | (int) (high >> (2 * part) & 3) << 4) - 32);
        }
}

ALWAYS_INLINE void unpack_plain(unpack_256 *unpack, const uint8_t *block, struct row_256 *ret) {
        unpack(block, &ret->plain);
        ret->scale = ret->plain.scale;
        memcpy(ret->scales, ret->plain.scales, sizeof(ret->scales));
}

ALWAYS_INLINE void read_k_head(enum tensor_type type, const uint8_t *block, struct row_256 *ret) {
        const struct block_q2_k *q2 = (const void *) block;
        const struct block_q3_k *q3 = (const void *) block;
        const struct block_q4_k *q4 = (const void *) block; /* Q5_K begins alike */
        const struct block_q6_k *q6 = (const void *) block;
        if (type == TENSOR_Q2_K) {
                uint8x16_t both = vld1q_u8(q2->scales);
                vst1q_s8(ret->scales, low_nibbles(both));
                vst1q_u8(ret->minima, vshrq_n_u8(both, 4));
                ret->scale = half_at(q2->scale);
                ret->minimum = half_at(q2->minimum);
        } else if (type == TENSOR_Q3_K) {
                read_q3_k_scales(q3->scales, ret);
                ret->scale = half_at(q3->scale);
        } else if (type == TENSOR_Q6_K) {
                memcpy(ret->scales, q6->scales, sizeof(ret->scales));
                ret->scale = half_at(q6->scale);
        } else {
                read_part_scales(q4->scales, ret);
                ret->scale = half_at(q4->scale);
                ret->minimum = half_at(q4->minimum);
        }
}

/* All of a block but its codes. */
ALWAYS_INLINE void read_head(enum tensor_type type, const uint8_t *block, struct row_256 *ret) {
        ret->block = block;
        ret->minimum = 0;
        switch (type) {
        case TENSOR_IQ4_XS:
                read_iq4_xs_scales((const void *) block, ret);
                ret->scale = half_at(block);
                break;
        case TENSOR_IQ2_XXS: unpack_plain(unpack_iq2_xxs, block, ret); break;
        case TENSOR_IQ2_XS: unpack_plain(unpack_iq2_xs, block, ret); break;
        case TENSOR_IQ2_S: unpack_plain(unpack_iq2_s, block, ret); break;
        case TENSOR_IQ3_XXS: unpack_plain(unpack_iq3_xxs, block, ret); break;
        case TENSOR_IQ3_S: unpack_plain(unpack_iq3_s, block, ret); break;
        case TENSOR_IQ1_S: unpack_plain(unpack_iq1_s, block, ret); break;
        case TENSOR_IQ1_M: unpack_plain(unpack_iq1_m, block, ret); break;
        default: read_k_head(type, block, ret);
        }
}

/* The bits from AT of bytes; AT may be 0, which no instruction shifts by. */
ALWAYS_INLINE uint8x16_t shifted_right(uint8x16_t bytes, int at) {
        return vshlq_u8(bytes, vdupq_n_s8((int8_t) -at));
}

/* Bit AT of bytes, as bit 4 (TO 16) or 2 (TO 4). */
ALWAYS_INLINE int8x16_t bit_to(uint8x16_t bytes, int at, uint8_t to) {
        uint8x16_t set = vtstq_u8(bytes, vdupq_n_u8((uint8_t) (1u << at)));
        return vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(to)));
}

/* Nibbles of codes 16 V to 16 V + 15 as Q4_K and Q5_K have them. */
ALWAYS_INLINE int8x16_t k_nibbles(const uint8_t nibbles[128], int v) {
        uint8x16_t bytes = vld1q_u8(nibbles + v / 4 * 32 + v % 2 * 16);
        return v / 2 % 2 ? high_nibbles(bytes) : low_nibbles(bytes);
}

/* Two bits of the codes, as Q2_K and Q3_K have them. */
ALWAYS_INLINE int8x16_t k_pairs(const uint8_t codes[64], int v) {
        uint8x16_t bytes = vld1q_u8(codes + v / 8 * 32 + v % 2 * 16);
        return vreinterpretq_s8_u8(vandq_u8(shifted_right(bytes, v / 2 % 4 * 2), vdupq_n_u8(3)));
}

ALWAYS_INLINE int8x16_t q6_k_codes(const struct block_q6_k *b, int v) {
        int half = v / 8, quarter = v / 2 % 4, at = v % 2 * 16;
        uint8x16_t bytes = vld1q_u8(b->nibbles + half * 64 + quarter % 2 * 32 + at);
        uint8x16_t pairs = shifted_right(vld1q_u8(b->pairs + half * 32 + at), quarter * 2);
        uint8x16_t high = vshlq_n_u8(vandq_u8(pairs, vdupq_n_u8(3)), 4);
        int8x16_t low = quarter / 2 ? high_nibbles(bytes) : low_nibbles(bytes);
        return vsubq_s8(vorrq_s8(low, vreinterpretq_s8_u8(high)), vdupq_n_s8(32));
}

ALWAYS_INLINE int8x16_t iq4_xs_codes(const struct block_iq4_xs *b, int v) {
        static const int8_t levels[16] = { IQ4_LEVELS };
        uint8x16_t bytes = vld1q_u8(b->nibbles + v / 2 * 16);
        return vqtbl1q_s8(vld1q_s8(levels), vreinterpretq_u8_s8(v % 2 ? high_nibbles(bytes) : low_nibbles(bytes)));
}

/* Codes 16 V to 16 V + 15. */
ALWAYS_INLINE int8x16_t read_codes(enum tensor_type type, const struct row_256 *row, int v) {
        const void *block = row->block;
        const struct block_q2_k *q2 = block;
        const struct block_q3_k *q3 = block;
        const struct block_q4_k *q4 = block;
        const struct block_q5_k *q5 = block;
        switch (type) {
        case TENSOR_Q2_K: return k_pairs(q2->codes, v);
        case TENSOR_Q3_K:
                return vsubq_s8(vorrq_s8(k_pairs(q3->codes, v), bit_to(vld1q_u8(q3->third + v % 2 * 16), v / 2, 4)),
                                vdupq_n_s8(4));
        case TENSOR_Q4_K: return k_nibbles(q4->nibbles, v);
        case TENSOR_Q5_K: return vorrq_s8(k_nibbles(q5->nibbles, v), bit_to(vld1q_u8(q5->fifth + v % 2 * 16), v / 2, 16));
        case TENSOR_Q6_K: return q6_k_codes(block, v);
        case TENSOR_IQ4_XS: return iq4_xs_codes(block, v);
        default: return vld1q_s8(row->plain.codes + 16 * v);
        }
}

/* Whether two sixteens after each other have one scale always. */
ALWAYS_INLINE bool has_parts_of_32(enum tensor_type type) {
        return type == TENSOR_Q4_K || type == TENSOR_Q5_K || type == TENSOR_IQ4_XS || type == TENSOR_IQ2_XXS ||
               type == TENSOR_IQ3_XXS || type == TENSOR_IQ3_S || type == TENSOR_IQ1_S;
}

#endif
