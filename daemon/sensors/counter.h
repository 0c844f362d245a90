/*
 * counter.h - a count of the kernel's, made into one that never falls.
 *
 * The source may be made anew (a control group, a processor that was switched off) and then begins at 0, or at
 * another number; a difference of two readings must show neither a fall nor a flood.
 */
#ifndef HEADROOM_DAEMON_SENSORS_COUNTER_H
#define HEADROOM_DAEMON_SENSORS_COUNTER_H

#include <stdbool.h>
#include <stdint.h>

/* All zero at first. */
struct counter {
        uint64_t sum; /* the count as given out */
        uint64_t last;
        bool is_known, was_known;
};

static inline void counter_take(struct counter *c, uint64_t value) {
        if (!c->was_known)
                c->sum = value;
        else if (c->is_known && value > c->last)
                c->sum += value - c->last;
        c->last = value;
        c->is_known = c->was_known = true;
}

/* The next value is another thing's: it adds nothing. */
static inline void counter_restart(struct counter *c) {
        c->is_known = false;
}

#endif
