/* cooldown.h - the rest of a model after failures, which ends before its time when what failed was replaced. */
#ifndef HEADROOM_DAEMON_STATE_COOLDOWN_H
#define HEADROOM_DAEMON_STATE_COOLDOWN_H

#include <stdint.h>

#include "policy/admission/backoff.h"

struct model;

/* Its engine failed, or could not be started, at NOW. Returns how long it rests. */
uint64_t cooldown_begin(struct model *m, uint64_t now_ms, const struct engine_life *life);
/* What is left of it; 0: none. Looks whether the model's file or the engine's program is another one. */
uint64_t cooldown_left(struct model *m, uint64_t now_ms);

#endif
