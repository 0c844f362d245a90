/* gate.h - what may not begin at the moment, and who is told why. */
#ifndef HEADROOM_DAEMON_REQUESTS_GATE_H
#define HEADROOM_DAEMON_REQUESTS_GATE_H

#include <stdbool.h>

#include "daemon/requests/request.h"
#include "policy/base/reason.h"

struct model;
struct ask;

/* May its load begin? One that only requests of the batch class want waits with them. */
bool gate_load(const struct model *m);
/* The reason that ASK (NULL: the operator) is held for, or REASON_NONE. */
enum reason gate_ask(const struct model *m, const struct ask *ask);
/* The next request that may be sent to the engine, or NULL. */
struct ask *gate_next(const struct model *m);
/* REASON's sentence with the numbers that it was held by. */
void gate_failure(const struct model *m, enum reason reason, struct failure *ret);

#endif
