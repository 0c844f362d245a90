/* send.c - see send.h. */
#include "daemon/requests/send.h"

#include <errno.h>
#include <string.h>

#include "daemon/worker/process.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/requests/gate.h"
#include "daemon/state/queue.h"
#include "daemon/state/account.h"
#include "daemon/state/fleet.h"
#include "daemon/state/tick.h"
#include "engine/wire/wire.h"

static bool add_embed_fields(cJSON *message, const cJSON *body) {
        static const char *const fields[] = { "input", "dimensions", "truncate" };
        for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
                cJSON *item = cJSON_GetObjectItemCaseSensitive(body, fields[i]);
                if (item && !cJSON_AddItemReferenceToObject(message, fields[i], item))
                        return false;
        }
        return true;
}

static cJSON *message_of(const struct request *request) {
        cJSON *message = cJSON_CreateObject();
        bool embeds = request->kind == REQUEST_EMBED;
        bool good = message && cJSON_AddStringToObject(message, "type", embeds ? WIRE_EMBED : WIRE_GENERATE);
        if (good && embeds) {
                good = add_embed_fields(message, request->body);
        } else if (good) {
                good = cJSON_AddStringToObject(message, "kind", request->kind == REQUEST_CHAT ? "chat" : "completion") &&
                       cJSON_AddItemReferenceToObject(message, "body", request->body);
        }
        if (good)
                return message;
        cJSON_Delete(message);
        return NULL;
}

static int send_request(struct model *m, struct request *request) {
        cJSON *message = message_of(request);
        if (!message)
                return -ENOMEM;
        int r = engine_process_request(m->engine.process, message, &request->id);
        cJSON_Delete(message);
        if (r < 0)
                return r;
        request->attempts++;
        m->engine.kv_known = false;
        if (m->running.count == 0)
                m->engine.heard_ms = fleet_clock_ms();
        if (request->paused)
                engine_process_about(m->engine.process, WIRE_PAUSE, request->id);
        return 0;
}

/* An engine says what its context can hold at the most, and is spared the rest: its account has no room for it. */
static void fail_unsendable(const struct model *m, struct request *request, int error) {
        struct failure failure;
        if (error == -EMSGSIZE) {
                failure_set(&failure, REASON_REQUEST_TOO_LARGE, "the request is longer than the context of %u tokens can hold",
                            m->engine.n_ctx);
                failure.n_ctx = m->engine.n_ctx;
                failure.n_prompt_tokens = failure.n_ctx + 1; /* at the least */
        } else {
                failure_set(&failure, REASON_OUT_OF_MEMORY, "no memory to pass the request to the engine");
        }
        request_fail(request, &failure);
}

void requests_send(struct model *m) {
        while (m->state == MODEL_READY && model_running(m) < m->engine.parallel && engine_process_listens(m->engine.process)) {
                struct request *request = gate_next(m);
                if (!request)
                        return;
                int r = send_request(m, request);
                if (r == -EPIPE)
                        return; /* it is about to be told that the engine has gone */
                queue_leave(&request->link);
                m->fleet->waiting_count--;
                if (r < 0)
                        fail_unsendable(m, request, r);
                else
                        queue_append(&m->running, &request->link);
        }
}
