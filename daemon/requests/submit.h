/*
 * submit.h - one request for one model, from its arrival to its last word.
 *
 * A request names a model and carries the client's JSON body. It waits (bounded, in order of its class and arrival) until the
 * model is loaded and has a place, is sent to the engine, and tells its owner what comes back through `struct
 * request_events`. A REQUEST_LOAD without a body waits in the same way and ends, with "load", when its model is there. Exactly one of on_end / on_failed is called, last, and never from inside request_submit; after it,
 * or after request_cancel, the request is gone and must not be touched. All on the one loop thread.
 */
#ifndef HEADROOM_DAEMON_REQUESTS_SUBMIT_H
#define HEADROOM_DAEMON_REQUESTS_SUBMIT_H

#include "daemon/state/request_events.h"

struct fleet;
struct request;

/*
 * BODY is taken over (also on failure). 0 and *ret, or -errno and *reterr when it is refused at once (unknown model,
 * never fits, queue full, cooldown ...). MODEL is an id or an alias.
 */
int request_submit(struct fleet *fleet, const char *model, enum request_kind kind, enum request_class class,
                   struct request_body body, const struct request_events *events, void *user, struct request **ret,
                   struct failure *reterr);

/* How many texts there are to embed, of a request that was just submitted: an answer with more or fewer vectors is none. */
void request_expect_vectors(struct request *request, uint32_t count);
/* Of a request that was just submitted: its model stays for MS when it is idle (CONFIG_FOREVER: until the room is needed), until another says so. */
void request_keep_alive(struct request *request, uint64_t ms);
/* Of a request that was just submitted: no other model turns out its own for MS after it begins, and after it ends. Batch protects nothing. */
void request_protect(struct request *request, uint64_t ms);
/* Where a request stands among those that wait for its model, and until its turn. */
struct outlook {
        uint32_t position;    /* from 1; 0: it does not wait */
        uint64_t expected_ms; /* UINT64_MAX: nobody can tell */
};
struct outlook request_outlook(const struct request *request);
/* The usual time of a request that an engine of MODEL answers. */
uint64_t fleet_service_ms(const struct fleet *fleet, const char *model);
void request_cancel(struct request *request); /* the client left: no event follows, generation stops within a token */
void request_pause(struct request *request);  /* the client does not read: stop decoding for it; idempotent */
void request_resume(struct request *request);

#endif
