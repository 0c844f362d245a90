/*
 * bandwidth.h - how fast this machine reads its memory: what bounds the speed of decoding.
 *
 * Threads read disjoint parts of a buffer far larger than the last cache, all at once, again and again.
 */
#ifndef HEADROOM_CTL_FIT_BANDWIDTH_H
#define HEADROOM_CTL_FIT_BANDWIDTH_H

#include <stdint.h>

struct bandwidth {
        double bytes_per_second; /* of an undisturbed pass */
        uint32_t passes, threads;
        uint64_t buffer_bytes;
};

/*
 * Takes about BANDWIDTH_TEST_MS. CACHE_BYTES: the largest cache, 0 when unknown. 0 and *ret; -ENOMEM when
 * AVAILABLE_BYTES leave no room for a buffer that says anything.
 */
int bandwidth_measure(uint32_t threads, uint64_t cache_bytes, uint64_t available_bytes, struct bandwidth *ret);

/* Bytes of the buffer for these circumstances; 0 when there is no room. */
uint64_t bandwidth_buffer_bytes(uint64_t cache_bytes, uint64_t available_bytes);

#endif
