/* operator_jobs.h - the operator's loads and unloads while they wait to be done, and the answer to each. */
#ifndef HEADROOM_DAEMON_MODELS_OPERATOR_JOBS_H
#define HEADROOM_DAEMON_MODELS_OPERATOR_JOBS_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/models/fleet.h"
#include "daemon/state/queue.h"

struct model;

/* The operator waits for a load or an unload to be done. */
struct operator_job {
        struct queue_link link; /* first */
        fleet_done *on_done;
        void *user;
        uint64_t since_ms;
        bool force; /* unload: running requests end too */
        bool failed;
        struct failure failure;
};

static inline struct operator_job *operator_job_of(struct queue_link *link) {
        return (struct operator_job *) link;
}

struct operator_job *operator_job_new(fleet_done *on_done, void *user);
/* FAILURE: NULL when it is done. Its owner hears in operator_jobs_tell. */
void operator_job_finish(struct fleet *f, struct operator_job *job, const struct failure *failure);
void operator_jobs_finish(struct fleet *f, struct queue *jobs, const struct failure *failure);
void operator_jobs_tell(struct fleet *f);
/* A load that is held for longer than wait_timeout is given up. */
void operator_jobs_expire(struct model *m);

#endif
