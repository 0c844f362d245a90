/*
 * waiting.h - the waiting requests of one model: kept in the order of their turns, told the reason, given up when it takes
 * too long. When the engine dies, requests without an answer so far wait again in their old places.
 */
#ifndef HEADROOM_DAEMON_REQUESTS_WAITING_H
#define HEADROOM_DAEMON_REQUESTS_WAITING_H

#include <stdbool.h>

#include "daemon/state/queue.h"
#include "daemon/requests/submit.h"

struct model;

void requests_wait(struct model *m, struct request *request); /* into the queue, at its place */
void requests_expire(struct model *m);
void requests_tell_why(struct model *m);
/* Why REQUEST waits, in a few words. */
const char *requests_why(const struct model *m, const struct request *request);
/* The engine is gone: who was told nothing yet waits again, at the head (if RETRY); the others fail. */
void requests_give_back(struct model *m, const struct failure *failure, bool retry);
/* REQUESTS: those that wait, or those that run. */
void requests_fail(struct model *m, struct queue *requests, const struct failure *failure);

#endif
