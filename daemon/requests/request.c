/* request.c - an ask as its owner sees it: submitted or refused at once, paused, resumed, left. */
#include "daemon/requests/request.h"

#include <errno.h>
#include <stdlib.h>

#include "daemon/worker/process.h"
#include "daemon/requests/ask.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/waiting.h"
#include "daemon/state/fleet.h"
#include "daemon/state/lookup.h"
#include "daemon/state/tick.h"
#include "engine/wire/wire.h"
#include "policy/admission/backoff.h"
#include "policy/base/sat.h"

/* Requests beyond the queue that will be sent as soon as the tick runs, or the model is loaded. */
static uint32_t free_places(const struct model *m) {
        uint32_t places = m->state == MODEL_READY ? m->engine.parallel : m->config->parallel;
        return places > m->running.count ? places - m->running.count : 0;
}

/* Refusals that need no tick: 0 when the ask may wait. */
static int refuse_at_once(struct fleet *f, struct model *m, struct failure *reterr) {
        uint64_t cooldown = policy_backoff_left(m->backoff, fleet_clock_ms());
        if (cooldown > 0) {
                failure_set(reterr, REASON_LOAD_COOLDOWN,
                            "model '%s' is left alone for %llu s more after %u failures in a row; the last: %s", m->config->id,
                            (unsigned long long) (cooldown + 999) / 1000, m->backoff.failures, m->last_error);
                failure_set_retry_after(reterr, cooldown);
                return -EAGAIN;
        }
        if (m->waiting.count >= m->config->queue + free_places(m)) {
                failure_set(reterr, REASON_CONCURRENCY_LIMIT,
                            "%u requests wait for model '%s' already, as many as its queue holds", m->waiting.count,
                            m->config->id);
                return -EAGAIN;
        }
        if (f->waiting_count >= WAITING_MAX) {
                failure_set(reterr, REASON_QUEUE_FULL, "%u requests wait already, as many as this service holds",
                            f->waiting_count);
                return -EAGAIN;
        }
        return 0;
}

static int find_model(struct fleet *f, const char *name, struct model **ret, struct failure *reterr) {
        uint32_t index;
        if (f->stopping) {
                failure_set(reterr, REASON_SHUTTING_DOWN, NULL);
                return -ESHUTDOWN;
        }
        if (fleet_model_find(f, name, &index) < 0) {
                failure_set(reterr, REASON_MODEL_NOT_FOUND, "The model '%.200s' does not exist", name);
                return -ENOENT;
        }
        *ret = &f->models[index];
        return 0;
}

int dispatch_submit(struct fleet *fleet, const char *model, enum ask_kind kind, enum ask_class class, cJSON *body,
                    const struct ask_events *events, void *user, struct ask **ret, struct failure *reterr) {
        struct model *m = NULL;
        int r = find_model(fleet, model, &m, reterr);
        if (r == 0)
                r = refuse_at_once(fleet, m, reterr);
        struct ask *ask = r == 0 ? calloc(1, sizeof(*ask)) : NULL;
        if (r == 0 && !ask) {
                failure_set(reterr, REASON_OUT_OF_MEMORY, NULL);
                r = -ENOMEM;
        }
        if (r < 0) {
                cJSON_Delete(body);
                return r;
        }
        ask->model = m;
        ask->kind = kind;
        ask->body = body;
        ask->events = *events;
        ask->user = user;
        ask->since_ms = fleet_clock_ms();
        ask->batch = class == ASK_CLASS_OF_MODEL ? m->config->batch : class == ASK_BATCH;
        ask->turn_ms = ask->batch ? sat_add(ask->since_ms, BATCH_AGES_MS) : ask->since_ms;
        asks_wait(m, ask);
        fleet_poke(fleet);
        *ret = ask;
        return 0;
}

static bool runs(const struct ask *ask) {
        return ask->link.queue == &ask->model->running && ask->model->engine.process;
}

void ask_cancel(struct ask *ask) {
        struct model *m = ask->model;
        bool ran = runs(ask);
        if (ran)
                engine_process_about(m->engine.process, WIRE_CANCEL, ask->id);
        else if (ask->link.queue == &m->waiting)
                m->fleet->waiting_count--;
        ask_free(ask);
        if (ran)
                asks_note_end(m);
        fleet_poke(m->fleet);
}

void ask_pause(struct ask *ask) {
        if (!ask->paused && runs(ask))
                engine_process_about(ask->model->engine.process, WIRE_PAUSE, ask->id);
        ask->paused = true;
}

void ask_resume(struct ask *ask) {
        if (ask->paused && runs(ask))
                engine_process_about(ask->model->engine.process, WIRE_RESUME, ask->id);
        ask->paused = false;
}
