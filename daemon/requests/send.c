/* send.c - see send.h. */
#include "daemon/requests/send.h"

#include <errno.h>

#include "daemon/engines/engine.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/gate.h"
#include "daemon/state/queue.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"

static void keep_as_told(struct model *m, const struct request *request) {
        if (!request->says_keep_alive)
                return;
        m->engine.is_kept_as_told = true;
        m->engine.keep_alive_ms = request->keep_alive_ms;
}

/* Who asked for the model alone has it, whatever else waits. Its time begins anew. */
static void end_loads(struct model *m) {
        struct queue loads = { 0 };
        for (struct queue_link *l = m->waiting.first, *next; l; l = next) {
                next = l->next;
                if (request_of(l)->kind != REQUEST_LOAD)
                        continue;
                queue_leave(l);
                m->fleet->waiting_count--;
                queue_append(&loads, l);
        }
        for (struct queue_link *l; (l = loads.first);) {
                struct request *request = request_of(l);
                struct request_events events = request->events;
                void *user = request->user;
                keep_as_told(m, request);
                m->engine.last_end_ms = fleet_clock_ms();
                request_free(request);
                events.on_end(user, "load", &(struct request_usage){ 0 });
        }
}

static int send_request(struct model *m, struct request *request) {
        const struct engine_ops *ops = m->ops;
        int r = ops->send(m, request);
        if (r < 0)
                return r;
        keep_as_told(m, request);
        requests_protect(m, request);
        request->attempts++;
        request->sent_ms = fleet_clock_ms();
        request->begun = request->noted = false;
        request->calls = request->vectors_taken = 0;
        m->engine.kv_known = false;
        if (m->running.count == 0)
                m->engine.heard_ms = fleet_clock_ms();
        if (request->paused && ops->can.pauses)
                ops->pause(m, request->id, true);
        return 0;
}

/* An engine says what its context can hold at the most, and is spared the rest: its account has no room for it. */
static void fail_unsendable(const struct model *m, struct request *request, int error) {
        struct failure failure;
        if (error == -EMSGSIZE) {
                failure_set(&failure, REASON_CONTEXT_EXCEEDED,
                            "the prompt is too long for this model, whose maximum context length is %u tokens", m->engine.n_ctx);
                failure.n_ctx = m->engine.n_ctx;
                failure.n_prompt_tokens = failure.n_ctx + 1; /* at the least */
        } else {
                failure_set(&failure, REASON_OUT_OF_MEMORY, "no memory to pass the request to the engine");
        }
        request_fail(request, &failure);
}

void requests_send(struct model *m) {
        end_loads(m);
        while (m->state == MODEL_READY && !m->engine.stopped && model_running(m) < m->engine.parallel && m->ops->ready(m)) {
                struct request *request = gate_next(m);
                if (!request)
                        return;
                int r = send_request(m, request);
                if (r == -EPIPE)
                        return; /* a callback will say that the engine has gone */
                queue_leave(&request->link);
                m->fleet->waiting_count--;
                m->away -= m->away > 0;
                if (r < 0)
                        fail_unsendable(m, request, r);
                else
                        queue_append(&m->running, &request->link);
        }
}
