/* random_bits.h - random numbers that are the same on every machine: xorshift64* (Vigna 2014). The state must not be zero. */
#ifndef HEADROOM_TESTS_RANDOM_BITS_H
#define HEADROOM_TESTS_RANDOM_BITS_H

#include <stdint.h>

static uint64_t random_state;

static inline uint64_t random_bits(void) {
        random_state ^= random_state >> 12;
        random_state ^= random_state << 25;
        random_state ^= random_state >> 27;
        return random_state * UINT64_C(0x2545f4914f6cdd1d);
}

#endif
