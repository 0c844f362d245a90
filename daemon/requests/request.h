/*
 * request.h - one request for one model, from its arrival to its last word.
 *
 * An ask names a model and carries the client's JSON body. It waits (bounded, in order of its class and arrival) until the
 * model is loaded and has a place, is sent to the engine, and tells its owner what comes back through `struct
 * ask_events`. Exactly one of on_end / on_failed is called, last, and never from inside dispatch_submit; after it,
 * or after ask_cancel, the ask is gone and must not be touched. All on the one loop thread.
 */
#ifndef HEADROOM_DAEMON_REQUESTS_REQUEST_H
#define HEADROOM_DAEMON_REQUESTS_REQUEST_H

#include "daemon/state/ask_events.h"

struct fleet;
struct ask;

/*
 * BODY is taken over (also on failure). 0 and *ret, or -errno and *reterr when it is refused at once (unknown model,
 * never fits, queue full, cooldown ...). MODEL is an id or an alias.
 */
int dispatch_submit(struct fleet *fleet, const char *model, enum ask_kind kind, enum ask_class class, cJSON *body,
                    const struct ask_events *events, void *user, struct ask **ret, struct failure *reterr);

void ask_cancel(struct ask *ask); /* the client left: no event follows, generation stops within a token */
void ask_pause(struct ask *ask);  /* the client does not read: stop decoding for it; idempotent */
void ask_resume(struct ask *ask);

#endif
