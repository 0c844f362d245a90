/* finish.h - the end of a request, and what it means for the model. */
#ifndef HEADROOM_DAEMON_REQUESTS_FINISH_H
#define HEADROOM_DAEMON_REQUESTS_FINISH_H

#include <stdint.h>

#include "daemon/requests/submit.h"

struct model;

void request_free(struct request *request);
/* It will not be sent again. */
void request_drop_body(struct request *request);
/* Ends a request: it is gone before its owner hears, so whatever the owner does in the callback is fine. */
void request_fail(struct request *request, const struct failure *failure);
/* Its model is protected from others from now on, for as long as it says. */
void requests_protect(struct model *m, const struct request *request);
/* A request has ended, well or not: its place is free, and the engine may have grown. */
void requests_note_end(struct model *m);
/* How full is the cache? Only asked while nothing runs, so that the answer stays true while we measure. */
void requests_ask_statistics(struct model *m);

#endif
