/*
 * control.h - the settings that a `control` frame changes: read and checked as a whole, then put in force as a whole.
 *
 * docs/wire-protocol.md says what each means. A frame with one wrong value changes nothing.
 */
#ifndef HEADROOM_ENGINE_WORKER_CONTROL_H
#define HEADROOM_ENGINE_WORKER_CONTROL_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/runtime/engine.h"

struct control {
        uint32_t kv_tokens;                             /* of the pool; 0: as it is */
        bool makes_room;                                /* ... and running requests wait where it has become too small */
        uint32_t threads, prefill_chunk, duty, context; /* 0: as it is */
        bool has_kv, has_heartbeat, trim;
        enum kv_type kv;
        uint32_t heartbeat_ms;
};

/* 0 and *ret, or -EINVAL and *reterr. */
int control_read(const struct engine *e, const cJSON *frame, struct control *ret, struct request_error *reterr);
/* Between two steps. */
void control_apply(struct engine *e, const struct control *c);

#endif
