/* operator_jobs.c - see operator_jobs.h. */
#include "daemon/models/operator_jobs.h"

#include <stdlib.h>

#include "daemon/requests/gate.h"
#include "daemon/state/queue.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "policy/base/sat.h"

struct operator_job *operator_job_new(fleet_done *on_done, void *user) {
        struct operator_job *job = calloc(1, sizeof(*job));
        if (!job)
                abort(); /* a few hundred bytes: there is nothing left to answer with either */
        job->on_done = on_done;
        job->user = user;
        job->since_ms = fleet_clock_ms();
        return job;
}

void operator_job_finish(struct fleet *f, struct operator_job *job, const struct failure *failure) {
        queue_leave(&job->link);
        if (failure) {
                job->failed = true;
                job->failure = *failure;
        }
        queue_append(&f->finished_jobs, &job->link);
        fleet_poke(f);
}

void operator_jobs_finish(struct fleet *f, struct queue *jobs, const struct failure *failure) {
        while (jobs->first)
                operator_job_finish(f, operator_job_of(jobs->first), failure);
}

void operator_jobs_tell(struct fleet *f) {
        for (struct queue_link *link; (link = queue_take(&f->finished_jobs));) {
                struct operator_job *job = operator_job_of(link);
                struct failure failure = job->failure;
                bool failed = job->failed;
                fleet_done *on_done = job->on_done;
                void *user = job->user;
                free(job);
                if (on_done)
                        on_done(user, failed ? &failure : NULL);
        }
}

void operator_jobs_expire(struct model *m) {
        struct fleet *f = m->fleet;
        enum reason held = gate_check(m, NULL);
        for (struct queue_link *l = held == REASON_NONE ? NULL : m->loads.first; l;) {
                struct operator_job *job = operator_job_of(l);
                uint64_t deadline = sat_add(job->since_ms, f->config->wait_timeout_ms);
                l = l->next;
                if (deadline > f->now_ms) {
                        fleet_due(f, deadline);
                        continue;
                }
                struct failure failure;
                gate_failure(m, held, &failure);
                operator_job_finish(f, job, &failure);
        }
}
