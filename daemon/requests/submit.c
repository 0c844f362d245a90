/* submit.c - a request as its owner sees it: submitted or refused at once, paused, resumed, left. */
#include "daemon/requests/submit.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/engines/engine.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/outlook.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/cooldown.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "policy/admission/wait.h"
#include "policy/base/sat.h"

/* Requests beyond the queue that will be sent as soon as the tick runs, or the model is loaded. */
static uint32_t free_places(const struct model *m) {
        uint32_t places = m->state == MODEL_READY ? m->engine.parallel : m->config->parallel;
        return places > m->running.count ? places - m->running.count : 0;
}

/* When it is worth coming back: those who were turned away before have the places that become free first. */
static void turn_away(struct model *m, struct failure *f) {
        uint64_t free_ms = model_outlook_ms(m, m->away);
        m->away += m->away < WAITING_MAX;
        if (free_ms != TIME_NEVER)
                failure_set_retry_after(f, free_ms);
}

/* Refusals that need no tick: 0 when the request may wait. The model's queue is asked for the first of several answers alone. */
static int refuse_at_once(struct fleet *f, struct model *m, bool is_with_another, struct failure *reterr) {
        uint64_t cooldown = cooldown_left(m, fleet_clock_ms());
        if (cooldown > 0) {
                failure_set(reterr, REASON_LOAD_COOLDOWN,
                            "model '%s' is left alone for %llu s more after %u failures in a row; the last: %s", m->config->id,
                            (unsigned long long) (cooldown + 999) / 1000, m->backoff.failures, m->last_error);
                failure_set_retry_after(reterr, cooldown);
                return -EAGAIN;
        }
        if (!is_with_another && m->waiting.count >= m->config->queue + free_places(m)) {
                failure_set(reterr, REASON_CONCURRENCY_LIMIT,
                            "%u requests wait for model '%s' already, as many as its queue holds", m->waiting.count,
                            m->config->id);
                turn_away(m, reterr);
                return -EAGAIN;
        }
        if (f->waiting_count >= WAITING_MAX) {
                failure_set(reterr, REASON_QUEUE_FULL, "%u requests wait already, as many as this service holds",
                            f->waiting_count);
                turn_away(m, reterr);
                return -EAGAIN;
        }
        return 0;
}

static bool is_batch(const struct model *m, enum request_class class) {
        return class == REQUEST_CLASS_OF_MODEL ? m->config->batch : class == REQUEST_BATCH;
}

/* Nobody waits for hours that begin when it has been given up. */
static int refuse_hours(const struct fleet *f, const struct model *m, struct failure *reterr) {
        uint64_t left_ms = f->gate.batch_because == REASON_BATCH_HOURS ? sat_sub(f->gate.batch_opens_ms, fleet_clock_ms()) : 0;
        if (left_ms <= f->config->wait_timeout_ms)
                return 0;
        failure_set(reterr, REASON_BATCH_HOURS,
                    "requests of the batch class, as this one for model '%s', begin in the hours %s, in %llu min", m->config->id,
                    f->config->batch_hours, (unsigned long long) left_ms / 60000);
        failure_set_retry_after(reterr, left_ms);
        reterr->should_retry = left_ms <= 1000 * (uint64_t) reterr->retry_after_s;
        return -EAGAIN;
}

static int find_model(struct fleet *f, const char *name, struct model **ret, struct failure *reterr) {
        uint32_t index;
        if (f->stopping) {
                failure_set(reterr, REASON_SHUTTING_DOWN, NULL);
                return -ESHUTDOWN;
        }
        if (fleet_model_find(f, name, &index) < 0) {
                char sentence[sizeof(reterr->message)];
                fleet_model_missing(f, name, sentence, sizeof(sentence));
                failure_set(reterr, REASON_MODEL_NOT_FOUND, "%s", sentence);
                return -ENOENT;
        }
        *ret = f->models[index];
        return 0;
}

int request_submit(struct fleet *fleet, const char *model, enum request_kind kind, enum request_class class,
                   struct request_body body, const struct request_events *events, void *user, struct request **ret,
                   struct failure *reterr) {
        struct model *m = NULL;
        int r = find_model(fleet, model, &m, reterr);
        if (r == 0)
                r = refuse_at_once(fleet, m, body.item + body.choice > 0, reterr);
        if (r == 0 && is_batch(m, class))
                r = refuse_hours(fleet, m, reterr);
        struct request *request = r == 0 ? calloc(1, sizeof(*request)) : NULL;
        if (r == 0 && !request) {
                failure_set(reterr, REASON_OUT_OF_MEMORY, NULL);
                r = -ENOMEM;
        }
        if (r < 0) {
                if (m)
                        log_debug("request_refused", LOG_TEXT("model", m->config->id), LOG_TEXT("code", reterr->code),
                                  LOG_TEXT("message", reterr->message));
                bulk_drop(body.json);
                return r;
        }
        request->model = m;
        request->kind = kind;
        request->body = body;
        request->events = *events;
        request->user = user;
        request->since_ms = fleet_clock_ms();
        request->batch = is_batch(m, class);
        request->turn_ms = policy_place_ms(request->since_ms, request->batch, fleet->config->batch_age_ms);
        requests_wait(m, request);
        fleet_poke(fleet);
        *ret = request;
        return 0;
}

void request_expect_vectors(struct request *request, uint32_t count) {
        request->vectors = count;
}

void request_keep_alive(struct request *request, uint64_t ms) {
        request->says_keep_alive = true;
        request->keep_alive_ms = ms;
}

void request_protect(struct request *request, uint64_t ms) {
        request->protect_ms = request->batch ? 0 : ms;
}

static bool runs(const struct request *request) {
        return request->link.queue == &request->model->running && request->model->engine.process;
}

void request_cancel(struct request *request) {
        struct model *m = request->model;
        bool ran = runs(request);
        if (ran)
                m->ops->cancel(m, request->id);
        else if (request->link.queue == &m->waiting)
                m->fleet->waiting_count--;
        request_free(request);
        if (ran)
                requests_note_end(m);
        fleet_poke(m->fleet);
}

static void pause_running(struct request *request, bool paused) {
        struct model *m = request->model;
        if (request->paused != paused && runs(request) && m->ops->can.pauses)
                m->ops->pause(m, request->id, paused);
        request->paused = paused;
}

void request_pause(struct request *request) {
        pause_running(request, true);
}

void request_resume(struct request *request) {
        pause_running(request, false);
}
