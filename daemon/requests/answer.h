/* answer.h - what an engine answers to a request, read from its frames and told to the owner. */
#ifndef HEADROOM_DAEMON_REQUESTS_ANSWER_H
#define HEADROOM_DAEMON_REQUESTS_ANSWER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "daemon/worker/process.h"
#include "daemon/requests/submit.h"

struct model;

/* False: the frame is not what its type says. REQUEST may be gone afterwards. */
bool requests_take_answer(struct model *m, struct request *request, enum frame_type says, const cJSON *frame);

#endif
