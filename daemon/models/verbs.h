/* verbs.h - the operator's loads and unloads while they wait to be done, and the answer to each. */
#ifndef HEADROOM_DAEMON_MODELS_VERBS_H
#define HEADROOM_DAEMON_MODELS_VERBS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/models/models.h"
#include "daemon/state/queue.h"

struct model;

/* The operator waits for a load or an unload to be done. */
struct verb {
        struct queue_link link; /* first */
        fleet_done *on_done;
        void *user;
        uint64_t since_ms;
        bool force; /* unload: running requests end too */
        bool failed;
        struct failure failure;
};

static inline struct verb *verb_of(struct queue_link *link) {
        return (struct verb *) link;
}

struct verb *verb_new(fleet_done *on_done, void *user);
/* FAILURE: NULL when it is done. Its owner hears in verbs_tell. */
void verb_finish(struct fleet *f, struct verb *v, const struct failure *failure);
void verbs_finish(struct fleet *f, struct queue *verbs, const struct failure *failure);
void verbs_tell(struct fleet *f);
/* A load that is held for longer than wait_timeout is given up. */
void verbs_expire(struct model *m);

#endif
