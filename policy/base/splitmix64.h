/* splitmix64.h - the generator of Steele, Lea and Flood (2014): any seed will do, and neighbouring ones have nothing in common. */
#ifndef HEADROOM_POLICY_BASE_SPLITMIX64_H
#define HEADROOM_POLICY_BASE_SPLITMIX64_H

#include <stdint.h>

static inline uint64_t splitmix64(uint64_t *state) {
        uint64_t z = *state += 0x9e3779b97f4a7c15u;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
        z = (z ^ z >> 27) * 0x94d049bb133111ebu;
        return z ^ z >> 31;
}

#endif
