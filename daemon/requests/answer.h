/* answer.h - the frames that answer a request, read and passed to its owner. */
#ifndef HEADROOM_DAEMON_REQUESTS_ANSWER_H
#define HEADROOM_DAEMON_REQUESTS_ANSWER_H

#include <cjson/cJSON.h>
#include <stdbool.h>

#include "daemon/engines/engine.h"
#include "daemon/requests/submit.h"

struct model;

/* As on_answer of struct engine_events. */
bool requests_take_answer(struct model *m, struct request *request, enum answer_kind says, const cJSON *frame);

#endif
