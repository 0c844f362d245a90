/* dice.h - random numbers of one world: the same on every machine. xorshift64* (Vigna 2014), seeded by splitmix64. */
#ifndef HEADROOM_TESTS_SIMULATOR_DICE_H
#define HEADROOM_TESTS_SIMULATOR_DICE_H

#include "policy/base/splitmix64.h"
#include "tests/simulator/world.h"

static inline uint64_t dice_bits(struct dice *d) {
        d->state ^= d->state >> 12;
        d->state ^= d->state << 25;
        d->state ^= d->state >> 27;
        return d->state * UINT64_C(0x2545f4914f6cdd1d);
}

static inline void dice_init(struct dice *d, uint64_t seed) {
        d->state = splitmix64(&seed) | 1;
}

/* 0 <= x < 1 */
static inline double dice_part(struct dice *d) {
        return (double) (dice_bits(d) >> 11) * 0x1p-53;
}

static inline double dice_between(struct dice *d, double low, double high) {
        return low + (high - low) * dice_part(d);
}

/* Every order of magnitude alike. */
double dice_spread(struct dice *d, double low, double high);

static inline uint32_t dice_below(struct dice *d, uint32_t sides) {
        return (uint32_t) (((dice_bits(d) >> 32) * sides) >> 32);
}

static inline bool dice_percent(struct dice *d, uint32_t percent) {
        return dice_below(d, 100) < percent;
}

#endif
