/*
 * counter.h - a count of the kernel's that is told on as one that never falls.
 *
 * What is counted may be made anew (a control group, a processor that was switched off) and then begins at 0, or at
 * another number; whoever takes differences must see neither a fall nor a flood.
 */
#ifndef HEADROOM_DAEMON_SENSORS_COUNTER_H
#define HEADROOM_DAEMON_SENSORS_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/* All zero at first. */
struct rising {
        uint64_t sum; /* what is told */
        uint64_t last;
        bool is_known, was_known;
};

static inline void rising_take(struct rising *r, uint64_t value) {
        if (!r->was_known)
                r->sum = value;
        else if (r->is_known && value > r->last)
                r->sum += value - r->last;
        r->last = value;
        r->is_known = r->was_known = true;
}

/* The next value is another thing's: it adds nothing. */
static inline void rising_restart(struct rising *r) {
        r->is_known = false;
}

#endif
