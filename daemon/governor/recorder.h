/*
 * recorder.h - the flight recorder: what was seen and planned at the last ticks, printed as a scenario.
 *
 * A look is stored as what has changed since the one before it, so that a few hundred KiB hold about half an hour of a
 * calm box. The room is taken at once and once; adding allocates nothing and opens nothing. It is kept in pieces, each of
 * which begins with a whole look; the oldest is given up when all are full. Loop thread only.
 */
#ifndef HEADROOM_DAEMON_GOVERNOR_RECORDER_H
#define HEADROOM_DAEMON_GOVERNOR_RECORDER_H

#include "engine/base/strbuf.h"
#include "policy/policy.h"

struct recorder;

/* LIMITS are copied. 0 or -ENOMEM. */
int recorder_new(const struct limits *limits, struct recorder **ret);
void recorder_free(struct recorder *r); /* NULL is fine */

/* As it is now, the caller's; for printing on a thread, which takes longer than a tick may. NULL without memory. */
struct recorder *recorder_copy(const struct recorder *r);

void recorder_add(struct recorder *r, const struct snapshot *snapshot, const struct plan *plan);

/*
 * Adds the scenario (headroom.scenario(5)) to OUT: the limits, each look with what is new in it, and what was planned as
 * expectations. These are comments where the first looks of the daemon are no longer kept: what policy remembered of
 * them is missing from the replay.
 */
void recorder_print(const struct recorder *r, struct text *out);

#endif
