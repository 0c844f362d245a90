/* frames.h - dispatch of the frames of headroom-engine: reports and control answers here, the rest by struct engine_events. */
#ifndef HEADROOM_DAEMON_ENGINES_FRAMES_H
#define HEADROOM_DAEMON_ENGINES_FRAMES_H

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon/worker/process.h"

struct model;

/* ID: of the request, of either kind, that it is about. False: the frame is not what its type says; the engine has lost its mind. */
bool engine_take_frame(struct model *m, enum frame_type says, uint64_t id, const cJSON *frame);

#endif
