/*
 * turn.h - how long a turn of the loop takes.
 *
 * Timers, the tick and the watchdog come once a turn, so nothing that others send may make one long. Who has much to do asks in
 * between and leaves the rest for the next turn. The longest turn is told by `headroomctl status --json`, as what the loop computed
 * in it: a machine that is busy with other things makes it no longer.
 */
#ifndef HEADROOM_DAEMON_SYSTEM_TURN_H
#define HEADROOM_DAEMON_SYSTEM_TURN_H

#include <stdbool.h>
#include <uv.h>

#include "daemon/base/bounds.h"

/* The loop reads its clock when it wakes. */
static inline bool turn_is_long(const uv_loop_t *loop) {
        return uv_hrtime() / 1000000 > uv_now(loop) + TURN_MS;
}

/* All zero, then open; it does not keep the loop alive. */
struct turn_watch {
        uv_prepare_t prepare;
        uint64_t computed_us;   /* by this thread, when the turn began; 0: none has, the start is no turn */
        uint64_t since_ms;      /* beginning of the present half minute */
        uint64_t longest_us[2]; /* in it, and in the one before */
};

void turn_watch_open(uv_loop_t *loop, struct turn_watch *w);
/* In the last half minute, or up to a minute. */
uint64_t turn_watch_longest_us(const struct turn_watch *w);
void turn_watch_close(struct turn_watch *w);

#endif
