/*
 * turn.h - how long the loop has been at its present turn.
 *
 * Timers, the tick and the watchdog come once a turn, so nothing that others send may make one long. Who has much to do asks in
 * between and leaves the rest for the next turn.
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

#endif
