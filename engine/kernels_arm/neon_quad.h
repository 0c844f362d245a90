/*
 * neon_quad.h - sixteen values of four rows times those of two columns, in the shape that a set's instruction takes: with dotprod a vector
 * is four rows by four values, which leaves the rows in lanes; with i8mm two rows by eight values, which meet both columns at once.
 */
#ifndef HEADROOM_ENGINE_KERNELS_ARM_NEON_QUAD_H
#define HEADROOM_ENGINE_KERNELS_ARM_NEON_QUAD_H

#include "engine/kernels_arm/neon.h"

/* Sixteen values of four rows, as the set takes them. */
struct quad {
        int8x16_t w[4];
};

/* The same sixteen values of two columns. */
struct pair {
        int8x16_t x[2];
};

/* Sums of a quad's four rows and a pair of columns. */
struct quad_sums {
        int32x4_t s[2];
};

ALWAYS_INLINE int8x16_t upper_halves(int8x16_t a, int8x16_t b) {
        return vreinterpretq_s8_s64(vtrn2q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

ALWAYS_INLINE int8x16_t lower_halves(int8x16_t a, int8x16_t b) {
        return vreinterpretq_s8_s64(vtrn1q_s64(vreinterpretq_s64_s8(a), vreinterpretq_s64_s8(b)));
}

#ifdef __ARM_FEATURE_MATMUL_INT8
/* Of each two rows the first eight values, then the last. */
ALWAYS_INLINE struct quad quad_of(const int8x16_t rows[4]) {
        return (struct quad){ { lower_halves(rows[0], rows[1]), upper_halves(rows[0], rows[1]), lower_halves(rows[2], rows[3]),
                                upper_halves(rows[2], rows[3]) } };
}

ALWAYS_INLINE struct pair pair_of(int8x16_t a, int8x16_t b) {
        return (struct pair){ { lower_halves(a, b), upper_halves(a, b) } };
}

/* S[i]: of the first column with rows 2 i and 2 i + 1, then of the second. */
ALWAYS_INLINE void add_quad(struct quad_sums *sums, const struct quad *q, const struct pair *x) {
        UNROLL
        for (int i = 0; i < 4; i++)
                sums->s[i / 2] = vmmlaq_s32(sums->s[i / 2], x->x[i % 2], q->w[i]);
}

/* As `add_quad`, with columns whose bytes have no sign. */
ALWAYS_INLINE void add_lower(struct quad_sums *sums, const struct quad *q, const struct pair *x) {
        UNROLL
        for (int i = 0; i < 4; i++)
                sums->s[i / 2] = vusmmlaq_s32(sums->s[i / 2], vreinterpretq_u8_s8(x->x[i % 2]), q->w[i]);
}

ALWAYS_INLINE int32x4_t halves_of(int32x4_t a, int32x4_t b, int which) {
        int64x2_t wide_a = vreinterpretq_s64_s32(a), wide_b = vreinterpretq_s64_s32(b);
        return vreinterpretq_s32_s64(which ? vtrn2q_s64(wide_a, wide_b) : vtrn1q_s64(wide_a, wide_b));
}

/* Adds PART times the scales of its rows. */
ALWAYS_INLINE void add_scaled(struct quad_sums *sums, const struct quad_sums *part, int32x4_t scales) {
        sums->s[0] = vmlaq_s32(sums->s[0], part->s[0], halves_of(scales, scales, 0));
        sums->s[1] = vmlaq_s32(sums->s[1], part->s[1], halves_of(scales, scales, 1));
}

/* The sums of column J, row by row. */
ALWAYS_INLINE int32x4_t rows_of(const struct quad_sums *sums, int j) {
        return halves_of(sums->s[0], sums->s[1], j);
}
#else
/* V[i]: values 4 i to 4 i + 3 of each row. */
ALWAYS_INLINE struct quad quad_of(const int8x16_t rows[4]) {
        int32x4_t r[4];
        UNROLL
        for (int i = 0; i < 4; i++)
                r[i] = vreinterpretq_s32_s8(rows[i]);
        int8x16_t a = vreinterpretq_s8_s32(vtrn1q_s32(r[0], r[1])), b = vreinterpretq_s8_s32(vtrn2q_s32(r[0], r[1]));
        int8x16_t c = vreinterpretq_s8_s32(vtrn1q_s32(r[2], r[3])), d = vreinterpretq_s8_s32(vtrn2q_s32(r[2], r[3]));
        return (struct quad){ { lower_halves(a, c), lower_halves(b, d), upper_halves(a, c), upper_halves(b, d) } };
}

ALWAYS_INLINE struct pair pair_of(int8x16_t a, int8x16_t b) {
        return (struct pair){ { a, b } };
}

/* S[j]: of column j, row by row. */
ALWAYS_INLINE void add_quad(struct quad_sums *sums, const struct quad *q, const struct pair *x) {
        UNROLL
        for (int j = 0; j < 2; j++) {
                sums->s[j] = vdotq_laneq_s32(sums->s[j], q->w[0], x->x[j], 0);
                sums->s[j] = vdotq_laneq_s32(sums->s[j], q->w[1], x->x[j], 1);
                sums->s[j] = vdotq_laneq_s32(sums->s[j], q->w[2], x->x[j], 2);
                sums->s[j] = vdotq_laneq_s32(sums->s[j], q->w[3], x->x[j], 3);
        }
}

ALWAYS_INLINE void add_lower(struct quad_sums *sums, const struct quad *q, const struct pair *x) {
        add_quad(sums, q, x);
}

ALWAYS_INLINE void add_scaled(struct quad_sums *sums, const struct quad_sums *part, int32x4_t scales) {
        sums->s[0] = vmlaq_s32(sums->s[0], part->s[0], scales);
        sums->s[1] = vmlaq_s32(sums->s[1], part->s[1], scales);
}

ALWAYS_INLINE int32x4_t rows_of(const struct quad_sums *sums, int j) {
        return sums->s[j];
}
#endif

ALWAYS_INLINE struct quad_sums no_sums(void) {
        return (struct quad_sums){ { vdupq_n_s32(0), vdupq_n_s32(0) } };
}

#endif
