/* sat.h - sums of byte counts that stop at the ends instead of wrapping. The counts come from files and children: any value is possible. */
#ifndef HEADROOM_POLICY_BASE_SAT_H
#define HEADROOM_POLICY_BASE_SAT_H

#include <stdint.h>

static inline uint64_t sat_add(uint64_t a, uint64_t b) {
        return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static inline uint64_t sat_sub(uint64_t a, uint64_t b) {
        return a > b ? a - b : 0;
}

static inline uint64_t sat_mul(uint64_t a, uint64_t b) {
        uint64_t product;
        return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

/* A computed number of bytes, cut off where it makes no sense any more. */
static inline uint64_t sat_from_double(double bytes) {
        return !(bytes > 0) ? 0 : bytes >= (double) (UINT64_MAX / 4) ? UINT64_MAX / 4 : (uint64_t) bytes;
}

static inline uint64_t u64_max(uint64_t a, uint64_t b) {
        return a > b ? a : b;
}

static inline uint64_t u64_min(uint64_t a, uint64_t b) {
        return a < b ? a : b;
}

#endif
