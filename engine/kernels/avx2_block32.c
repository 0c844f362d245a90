/*
 * avx2_block32.c - products of the types in blocks of 32, in AVX2: codes as 16-bit numbers against 16-bit activations. Four
 * products of codes stay within 2^24 (IQ4_NL: 4 * 127 * 32767), so that a lane is exact as a float.
 */
#if defined(__x86_64__)
#include <stdbool.h>

#include "engine/kernels/avx2_tile.h"
#include "engine/gguf/block.h"
#include "engine/unpack/grid.h"

/* A block: 32 codes in order, its scale and what it adds to each value, in all lanes. */
struct weights_32 {
        __m256i low, high;
        __m256 scale, offset;
};

ALWAYS_INLINE __m128i load_128(const void *bytes) {
        return _mm_loadu_si128((const __m128i *) bytes);
}

ALWAYS_INLINE __m256 half_everywhere(const uint8_t *half) {
        return _mm256_set1_ps(_cvtsh_ss(load_u16(half)));
}

/* The nibbles 0..15, in order. */
ALWAYS_INLINE struct weights_32 nibbles_of(const uint8_t nibbles[16]) {
        __m256i both = _mm256_cvtepu8_epi16(load_128(nibbles));
        return (struct weights_32){ .low = _mm256_and_si256(both, _mm256_set1_epi16(15)), .high = _mm256_srli_epi16(both, 4) };
}

/* The values of nibbles, by a table of 16 signed bytes. */
ALWAYS_INLINE struct weights_32 levels_of(const uint8_t nibbles[16], __m128i levels) {
        __m128i packed = load_128(nibbles), fifteen = _mm_set1_epi8(15);
        __m128i low = _mm_and_si128(packed, fifteen), high = _mm_and_si128(_mm_srli_epi16(packed, 4), fifteen);
        return (struct weights_32){ .low = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(levels, low)),
                                    .high = _mm256_cvtepi8_epi16(_mm_shuffle_epi8(levels, high)) };
}

/* All ones where a bit of 16 is clear. */
ALWAYS_INLINE __m256i clear_bits(const uint8_t bits[2]) {
        const __m256i each = _mm256_setr_epi16(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, -32768);
        __m256i all = _mm256_set1_epi16((short) load_u16(bits));
        return _mm256_cmpeq_epi16(_mm256_and_si256(all, each), _mm256_setzero_si256());
}

ALWAYS_INLINE struct weights_32 load_q8_0(const uint8_t *block) {
        const struct block_q8_0 *b = (const void *) block;
        return (struct weights_32){ .low = _mm256_cvtepi8_epi16(load_128(b->codes)),
                                    .high = _mm256_cvtepi8_epi16(load_128(b->codes + 16)),
                                    .scale = half_everywhere(b->scale) };
}

/* The codes 0..15 stand for -8..7. */
ALWAYS_INLINE struct weights_32 load_q4_0(const uint8_t *block) {
        const struct block_q4_0 *b = (const void *) block;
        struct weights_32 w = nibbles_of(b->nibbles);
        w.low = _mm256_sub_epi16(w.low, _mm256_set1_epi16(8));
        w.high = _mm256_sub_epi16(w.high, _mm256_set1_epi16(8));
        w.scale = half_everywhere(b->scale);
        return w;
}

ALWAYS_INLINE struct weights_32 load_q4_1(const uint8_t *block) {
        const struct block_q4_1 *b = (const void *) block;
        struct weights_32 w = nibbles_of(b->nibbles);
        w.scale = half_everywhere(b->scale);
        w.offset = half_everywhere(b->offset);
        return w;
}

/* A clear fifth bit means 16 less: all bits from the fifth on are set. */
ALWAYS_INLINE struct weights_32 load_q5_0(const uint8_t *block) {
        const struct block_q5_0 *b = (const void *) block;
        struct weights_32 w = nibbles_of(b->nibbles);
        w.low = _mm256_or_si256(w.low, _mm256_slli_epi16(clear_bits(b->fifth), 4));
        w.high = _mm256_or_si256(w.high, _mm256_slli_epi16(clear_bits(b->fifth + 2), 4));
        w.scale = half_everywhere(b->scale);
        return w;
}

ALWAYS_INLINE struct weights_32 load_q5_1(const uint8_t *block) {
        const struct block_q5_1 *b = (const void *) block;
        struct weights_32 w = nibbles_of(b->nibbles);
        w.low = _mm256_or_si256(w.low, _mm256_andnot_si256(clear_bits(b->fifth), _mm256_set1_epi16(16)));
        w.high = _mm256_or_si256(w.high, _mm256_andnot_si256(clear_bits(b->fifth + 2), _mm256_set1_epi16(16)));
        w.scale = half_everywhere(b->scale);
        w.offset = half_everywhere(b->offset);
        return w;
}

ALWAYS_INLINE struct weights_32 load_iq4_nl(const uint8_t *block) {
        const struct block_iq4_nl *b = (const void *) block;
        struct weights_32 w = levels_of(b->nibbles, _mm_setr_epi8(IQ4_LEVELS));
        w.scale = half_everywhere(b->scale);
        return w;
}

ALWAYS_INLINE struct weights_32 load_mxfp4(const uint8_t *block) {
        const struct block_mxfp4 *b = (const void *) block;
        struct weights_32 w = levels_of(b->nibbles, _mm_setr_epi8(MXFP4_LEVELS));
        w.scale = _mm256_set1_ps(half_of_power(b->exponent));
        return w;
}

/* Column J's 16 codes at I of block B. */
ALWAYS_INLINE __m256i codes_16(const struct tile *t, int j, uint32_t b, uint32_t i) {
        return load_256(t->columns[j], b * (size_t) 64 + 2 * (size_t) i);
}

ALWAYS_INLINE __m256 i16_scale(const struct tile *t, int j, uint32_t b) {
        return _mm256_broadcast_ss((const float *) (const void *) (t->columns[j] + i16_scales_offset(t->p->n)) + b);
}

/* The sum of block B's activations, in eight lanes: what an offset is multiplied with. */
ALWAYS_INLINE __m256 i16_sum(const struct tile *t, int j, uint32_t b) {
        const __m256i one = _mm256_set1_epi16(1);
        __m256i sums =
                _mm256_add_epi32(_mm256_madd_epi16(codes_16(t, j, b, 0), one), _mm256_madd_epi16(codes_16(t, j, b, 16), one));
        return _mm256_mul_ps(i16_scale(t, j, b), _mm256_cvtepi32_ps(sums));
}

ALWAYS_INLINE struct weights_32 load_32(const uint8_t *block, enum tensor_type type) {
        switch (type) {
        case TENSOR_Q4_0: return load_q4_0(block);
        case TENSOR_Q4_1: return load_q4_1(block);
        case TENSOR_Q5_0: return load_q5_0(block);
        case TENSOR_Q5_1: return load_q5_1(block);
        case TENSOR_IQ4_NL: return load_iq4_nl(block);
        case TENSOR_MXFP4: return load_mxfp4(block);
        default: return load_q8_0(block);
        }
}

ALWAYS_INLINE void tile_32(const struct product *p, uint32_t r, uint32_t c, int rows, int columns, enum tensor_type type,
                           size_t block_bytes) {
        const bool has_offset = type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
        struct tile t;
        tile_begin(&t, p, r, c, rows, columns);
        for (uint32_t b = 0; b < p->n / 32; b++) {
                __m256 sum[TILE_MAX];
                fetch_ahead(&t, b, block_bytes, rows, columns);
                UNROLL
                for (int j = 0; has_offset && j < columns; j++)
                        sum[j] = i16_sum(&t, j, b);
                UNROLL
                for (int k = 0; k < rows; k++) {
                        struct weights_32 w = load_32(t.rows[k] + b * block_bytes, type);
                        UNROLL
                        for (int j = 0; j < columns; j++) {
                                __m256i whole = _mm256_add_epi32(_mm256_madd_epi16(w.low, codes_16(&t, j, b, 0)),
                                                                 _mm256_madd_epi16(w.high, codes_16(&t, j, b, 16)));
                                __m256 both = _mm256_mul_ps(w.scale, i16_scale(&t, j, b));
                                t.sums[k][j] = _mm256_fmadd_ps(both, _mm256_cvtepi32_ps(whole), t.sums[k][j]);
                                if (has_offset)
                                        t.sums[k][j] = _mm256_fmadd_ps(w.offset, sum[j], t.sums[k][j]);
                        }
                }
        }
        tile_end(&t, r, c, rows, columns);
}

#define DEFINE_32(type, id)                                                                                      \
        ALWAYS_INLINE void tile_##type(const struct product *p, uint32_t r, uint32_t c, int rows, int columns) { \
                tile_32(p, r, c, rows, columns, id, sizeof(struct block_##type));                                \
        }                                                                                                        \
        DEFINE_MULTIPLY(type, 3)

DEFINE_32(q8_0, TENSOR_Q8_0)
DEFINE_32(q4_0, TENSOR_Q4_0)
DEFINE_32(q4_1, TENSOR_Q4_1)
DEFINE_32(q5_0, TENSOR_Q5_0)
DEFINE_32(q5_1, TENSOR_Q5_1)
DEFINE_32(iq4_nl, TENSOR_IQ4_NL)
DEFINE_32(mxfp4, TENSOR_MXFP4)

#else
typedef int no_avx2_32; /* a translation unit may not be empty */
#endif
