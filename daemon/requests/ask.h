/* ask.h - one request, and what its end means for the model: what waiting, sending and answering have in common. */
#ifndef HEADROOM_DAEMON_REQUESTS_ASK_H
#define HEADROOM_DAEMON_REQUESTS_ASK_H

#include <stdint.h>

#include "daemon/requests/request.h"

struct model;

void ask_free(struct ask *ask);
/* Ends an ask: it is gone before its owner hears, so whatever the owner does in the callback is fine. */
void ask_fail(struct ask *ask, const struct failure *failure);
/* The request with that id on the wire; NULL: it has left. */
struct ask *asks_running(const struct model *m, uint64_t id);
/* A request has ended, well or not: its place is free, and the engine may have grown. */
void asks_note_end(struct model *m);
/* How full is the cache? Only asked while nothing runs, so that the answer stays true while we measure. */
void asks_ask_statistics(struct model *m);

#endif
