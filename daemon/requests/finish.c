/* finish.c - see finish.h. */
#include "daemon/requests/finish.h"

#include <stdlib.h>

#include "daemon/engines/engine.h"
#include "daemon/state/queue.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "policy/base/sat.h"

void request_drop_body(struct request *request) {
        bulk_drop(request->body.json);
        request->body.json = NULL;
}

void request_free(struct request *request) {
        queue_leave(&request->link);
        request_drop_body(request);
        free(request);
}

void request_fail(struct request *request, const struct failure *failure) {
        struct request_events events = request->events;
        void *user = request->user;
        log_debug("request_failed", LOG_TEXT("model", request->model->config->id), LOG_TEXT("code", failure->code),
                  LOG_TEXT("message", failure->message));
        request_free(request);
        events.on_failed(user, failure);
}

void requests_protect(struct model *m, const struct request *request) {
        uint64_t until_ms = sat_add(fleet_clock_ms(), request->protect_ms);
        if (request->protect_ms > 0)
                m->protected_until_ms = u64_max(m->protected_until_ms, until_ms);
}

void requests_ask_statistics(struct model *m) {
        if (m->running.count == 0 && m->state == MODEL_READY)
                engine_measure(m);
}

void requests_note_end(struct model *m) {
        m->requests_count++;
        m->engine.worked = true;
        m->engine.saving.exhausted = false;
        m->engine.last_end_ms = fleet_clock_ms();
        requests_ask_statistics(m);
        fleet_measure_want(m);
        fleet_poke(m->fleet);
}
