/*
 * backoff.h - how long to leave a model alone after its engine died or could not load it.
 *
 * An engine that had become ready may be started again at once the first time: the waiters should not pay for a
 * stray kill. From the second failure on, and from the first where it never became ready, 10 s doubling to 5 min.
 * A minute of health wipes the slate, and so do a hundred answers.
 */
#ifndef HEADROOM_POLICY_ADMISSION_BACKOFF_H
#define HEADROOM_POLICY_ADMISSION_BACKOFF_H

#include <stdbool.h>
#include <stdint.h>

struct backoff {
        uint32_t failures; /* in a row */
        uint64_t until_ms; /* no start before this */
};

/* An engine's life until it failed. */
struct engine_life {
        bool was_ready;
        uint64_t healthy_ms; /* since it was ready */
        uint64_t answers;    /* requests that it had answered */
};

/* After a failure at NOW. */
struct backoff policy_backoff_failed(struct backoff b, uint64_t now_ms, const struct engine_life *life);
/* Milliseconds until the next start is allowed. */
uint64_t policy_backoff_left(struct backoff b, uint64_t now_ms);

#endif
