/* gate.h - keeps requests and loads from beginning while the governor says so, and tells those that wait why. */
#ifndef HEADROOM_DAEMON_REQUESTS_GATE_H
#define HEADROOM_DAEMON_REQUESTS_GATE_H

#include <stdbool.h>

#include "daemon/requests/submit.h"
#include "policy/base/reason.h"

struct model;
struct request;

/* The reason that REQUEST (NULL: the operator) is held for, or REASON_NONE. */
enum reason gate_check(const struct model *m, const struct request *request);
/* The next request that may be sent to the engine, or NULL. */
struct request *gate_next(const struct model *m);
/* REASON's sentence with the numbers that it was held by. */
void gate_failure(const struct model *m, enum reason reason, struct failure *ret);

#endif
