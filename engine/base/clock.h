/* clock.h - the time of one of the kernel's clocks: CLOCK_MONOTONIC, CLOCK_REALTIME, or the processor time of a thread or of the process. */
#ifndef HEADROOM_ENGINE_BASE_CLOCK_H
#define HEADROOM_ENGINE_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_us(clockid_t clock) {
        struct timespec t;
        (void) clock_gettime(clock, &t);
        return (uint64_t) t.tv_sec * 1000000 + (uint64_t) t.tv_nsec / 1000;
}

static inline uint64_t clock_ms(clockid_t clock) {
        return clock_us(clock) / 1000;
}

static inline double clock_s(clockid_t clock) {
        struct timespec t;
        (void) clock_gettime(clock, &t);
        return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

#endif
