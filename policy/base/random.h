/*
 * random.h - a small generator whose numbers depend on its seed alone: PCG-XSH-RR 64/32 (O'Neill, "PCG: A
 * Family of Simple Fast Space-Efficient Statistically Good Algorithms for Random Number Generation", 2014).
 * Nothing secret may depend on it.
 */
#ifndef HEADROOM_POLICY_BASE_RANDOM_H
#define HEADROOM_POLICY_BASE_RANDOM_H

#include <stdint.h>

struct random {
        uint64_t state;
};

#define RANDOM_MULTIPLIER 6364136223846793005u
#define RANDOM_INCREMENT  1442695040888963407u /* odd: the full period */

static inline uint32_t random_u32(struct random *r) {
        uint64_t before = r->state;
        r->state = before * RANDOM_MULTIPLIER + RANDOM_INCREMENT;
        uint32_t mixed = (uint32_t) (((before >> 18) ^ before) >> 27);
        uint32_t turn = (uint32_t) (before >> 59);
        return mixed >> turn | mixed << (-turn & 31);
}

static inline struct random random_seeded(uint64_t seed) {
        struct random r = { .state = seed + RANDOM_INCREMENT };
        (void) random_u32(&r); /* neighbouring seeds part only after a step */
        return r;
}

/* Uniform in [0, 1), 53 bits. */
static inline double random_unit(struct random *r) {
        uint64_t high = random_u32(r) >> 5, low = random_u32(r) >> 6;
        return (double) (high << 26 | low) * 0x1p-53;
}

#endif
