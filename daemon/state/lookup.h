/* lookup.h - finding a model by what a client calls it, a request by what its engine calls it. */
#ifndef HEADROOM_DAEMON_STATE_LOOKUP_H
#define HEADROOM_DAEMON_STATE_LOOKUP_H

#include <stdint.h>

struct request;
struct fleet;
struct model;

/* By id or alias; -ENOENT. */
int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index);
/* The request with that id on the wire; NULL: it has left. */
struct request *requests_running(const struct model *m, uint64_t id);

#endif
