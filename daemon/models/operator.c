/*
 * operator.c - the operator's load and unload. Each is answered once, from the loop, never from inside the call.
 */
#include "daemon/models/operator.h"

#include <errno.h>

#include "daemon/models/lifecycle.h"
#include "daemon/models/fleet.h"
#include "daemon/models/operator_jobs.h"
#include "daemon/requests/failure.h"
#include "daemon/state/queue.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/fleet.h"
#include "daemon/state/model_state.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

static void refuse_unknown(const struct fleet *f, const char *name, struct failure *ret) {
        char sentence[sizeof(ret->message)];
        fleet_model_missing(f, name, sentence, sizeof(sentence));
        failure_set(ret, REASON_MODEL_NOT_FOUND, "%s", sentence);
}

/* The model, or NULL after V has been answered. */
static struct model *find(struct fleet *f, const char *name, struct operator_job *job) {
        struct failure failure;
        uint32_t index;
        if (f->stopping)
                failure_set(&failure, REASON_SHUTTING_DOWN, NULL);
        else if (fleet_model_find(f, name, &index) < 0)
                refuse_unknown(f, name, &failure);
        else
                return f->models[index];
        operator_job_finish(f, job, &failure);
        return NULL;
}

void fleet_load(struct fleet *f, const char *model, fleet_done *on_done, void *user) {
        struct operator_job *job = operator_job_new(on_done, user);
        struct model *m = find(f, model, job);
        if (!m)
                return;
        log_info("operator_load", LOG_TEXT("model", m->config->id), LOG_TEXT("life", model_state_name(m->state)));
        if (m->state == MODEL_READY) {
                operator_job_finish(f, job, NULL);
                return;
        }
        /* The operator knows better: perhaps the cause, which need not be the file, has just been removed. */
        m->backoff = (struct backoff){ 0 };
        m->identified = m->identified && m->inspected_well;
        queue_append(&m->loads, &job->link);
        fleet_poke(f);
}

static void forget_waiters(struct model *m) {
        struct failure failure;
        failure_set(&failure, REASON_UNLOADED, "the operator unloaded model '%s' while the request waited for it", m->config->id);
        m->preload = false;
        operator_jobs_finish(m->fleet, &m->loads, &failure);
        requests_fail(m, &m->waiting, &failure);
}

void fleet_unload(struct fleet *f, const char *model, bool force, fleet_done *on_done, void *user) {
        struct operator_job *job = operator_job_new(on_done, user);
        struct model *m = find(f, model, job);
        if (!m)
                return;
        log_info("operator_unload", LOG_TEXT("model", m->config->id), LOG_TEXT("life", model_state_name(m->state)),
                 LOG_NUMBER("running", m->running.count), LOG_NUMBER("waiting", m->waiting.count), LOG_NUMBER("force", force));
        queue_append(&m->unloads, &job->link);
        job->force = force;
        m->unload_asked = true;
        fleet_poke(f);
}

int fleet_protect(struct fleet *f, const char *model, uint64_t ms) {
        uint32_t index;
        if (fleet_model_find(f, model, &index) < 0)
                return -ENOENT;
        struct model *m = f->models[index];
        m->protected_until_ms = ms > 0 ? sat_add(fleet_clock_ms(), ms) : 0;
        log_info("operator_protect", LOG_TEXT("model", m->config->id), LOG_NUMBER("ms", ms));
        f->changed = true; /* who waits for its room is answered anew */
        fleet_poke(f);
        return 0;
}

int fleet_dismiss(struct fleet *f, const char *model) {
        uint32_t index;
        if (fleet_model_find(f, model, &index) < 0)
                return -ENOENT;
        struct model *m = f->models[index];
        if (m->config->pinned)
                return -EPERM;
        if (!m->engine.process)
                return 0;
        m->engine.is_kept_as_told = true;
        m->engine.keep_alive_ms = 0;
        fleet_poke(f);
        return 0;
}

/* From the tick, since it calls the owners of the waiting requests. */
void operator_jobs_unload(struct model *m) {
        m->unload_asked = false;
        bool force = false;
        for (struct queue_link *l = m->unloads.first; l; l = l->next)
                force = force || operator_job_of(l)->force;
        if (m->unloads.count == 0)
                return;
        forget_waiters(m);
        if (force && m->running.count > 0) {
                struct failure failure;
                failure_set(&failure, REASON_UNLOADED, "the operator unloaded model '%s'", m->config->id);
                requests_fail(m, &m->running, &failure);
        }
        if (m->state != MODEL_ABSENT)
                model_leave(m, REASON_OPERATOR, NULL);
        if (m->state == MODEL_ABSENT)
                operator_jobs_finish(m->fleet, &m->unloads, NULL);
}
