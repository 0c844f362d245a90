/*
 * random.h - the trainer's only source of chance: small, seeded, the same on every machine (splitmix64).
 */
#ifndef HEADROOM_TESTS_DEMO_MODEL_RANDOM_H
#define HEADROOM_TESTS_DEMO_MODEL_RANDOM_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "policy/base/splitmix64.h"

struct random {
        uint64_t state;
};

static inline uint64_t random_bits(struct random *r) {
        return splitmix64(&r->state);
}

/* In [0, 1). */
static inline double random_unit(struct random *r) {
        return (double) (random_bits(r) >> 11) * 0x1p-53;
}

static inline bool random_chance(struct random *r, double probability) {
        return random_unit(r) < probability;
}

/* In [0, count); the bias of the remainder is far below what matters here. */
static inline size_t random_below(struct random *r, size_t count) {
        return (size_t) (random_bits(r) % count);
}

/* Standard normal, by Box and Muller. */
static inline double random_normal(struct random *r) {
        double radius = sqrt(-2.0 * log(1.0 - random_unit(r)));

        return radius * cos(6.283185307179586 * random_unit(r));
}

#endif
