/*
 * weights.c - GET /control/weights?model=ID: how much of a model's weights is in memory. With warm_from=N a piece of them is read
 * first, from byte N; who wants all asks again and again, and may stop. Each piece is refused unless memory is calm.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/internal.h"
#include "daemon/api/model_json.h"
#include "daemon/base/bounds.h"
#include "daemon/cache/weights.h"
#include "daemon/state/lookup.h"

/* One look under way. The client may leave meanwhile, and the configuration change. */
struct look {
        uv_work_t work;
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        char model[MODEL_ID_MAX + 1];
        char *path;
        bool warms;
        uint64_t from, read_to;
        struct weights weights;
        int result;
};

static void on_look_gone(void *user) {
        struct look *l = user;

        l->exchange = NULL;
}

static void run(uv_work_t *work) {
        struct look *l = work->data;

        if (l->warms)
                l->result = weights_read(l->path, l->from, WARM_STEP_BYTES, &l->read_to, &l->weights.bytes);
        if (l->result == 0 && l->read_to == l->weights.bytes) /* not after each of a thousand pieces: it counts all pages */
                l->result = weights_look(l->path, &l->weights);
}

static void answer_look(const struct look *l) {
        cJSON *json = cJSON_CreateObject();

        model_json_text(json, "model", l->model);
        cJSON_AddNumberToObject(json, "weights_bytes", (double) l->weights.bytes);
        if (l->weights.is_known)
                cJSON_AddNumberToObject(json, "weights_cached_bytes", (double) l->weights.cached_bytes);
        else
                cJSON_AddNullToObject(json, "weights_cached_bytes");
        if (l->warms)
                cJSON_AddNumberToObject(json, "read_to", (double) l->read_to);
        api_answer_json(l->exchange, json);
}

static void look_free(struct look *l) {
        if (l)
                free(l->path);
        free(l);
}

static void on_run(uv_work_t *work, int status) {
        struct look *l = work->data;
        char sentence[160];

        l->result = status < 0 ? status : l->result;
        (void) snprintf(sentence, sizeof sentence, "the weights cannot be read: %s", strerror(-l->result));
        l->api->is_warming = l->api->is_warming && !l->warms;
        if (l->exchange && l->result < 0)
                http_answer_error(l->exchange, REASON_LOAD_FAILED, "", sentence);
        else if (l->exchange)
                answer_look(l);
        api_end(l->api);
        look_free(l);
}

/* REASON_NONE: a piece may be read. What is not loaded has no account; one thread of the pool is all that reading may take. */
static enum reason may_warm(const struct api *api, const struct model_status *m, const char **ret_why) {
        if (api->is_warming)
                return *ret_why = "another reads weights now; ask again", REASON_CONCURRENCY_LIMIT;
        if (m->state != MODEL_READY)
                return *ret_why = "the model is not loaded", REASON_UNLOADED;
        if (governor_plan(api->governor)->rung > RUNG_CALM)
                return *ret_why = "memory is short, so no weights are read now", REASON_MEMORY_HELD;
        return REASON_NONE;
}

static void begin(struct api *api, struct http_exchange *x, const struct model_status *m, bool warms, uint64_t from) {
        static const struct http_watch watch = { .on_gone = on_look_gone };
        struct look *l = calloc(1, sizeof *l);

        if (l) {
                *l = (struct look){
                        .work.data = l, .api = api, .exchange = x, .path = strdup(m->path), .warms = warms, .from = from
                };
                (void) snprintf(l->model, sizeof l->model, "%s", m->id);
        }
        if (!l || !l->path || uv_queue_work(api->loop, &l->work, run, on_run)) {
                look_free(l);
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", "there is no memory to look");
                return;
        }
        api->is_warming = api->is_warming || warms;
        http_exchange_watch(x, &watch, l);
        api_begin(api);
}

void handle_weights(struct api *api, struct http_exchange *x, const char *rest) {
        char name[MODEL_ID_MAX + 1] = "", from[24] = "", *end = from;
        const char *why;
        struct model_status m;
        uint32_t index;

        (void) rest;
        if (http_query(x, "model", name, sizeof name) || !*name || fleet_model_find(api->fleet, name, &index)) {
                struct failure f = error_not_found(api->fleet, name);
                error_answer(x, &f);
                return;
        }
        fleet_model_status(api->fleet, index, &m);
        bool is_bad = http_query(x, "warm_from", from, sizeof from);
        bool warms = is_bad || *from;
        unsigned long long number = is_bad ? 0 : strtoull(from, &end, 10);
        enum reason reason = is_bad || *end || *from == '-' ? REASON_BAD_REQUEST : warms ? may_warm(api, &m, &why) : REASON_NONE;
        if (reason != REASON_NONE)
                http_answer_error(x, reason, "", reason == REASON_BAD_REQUEST ? "'warm_from' must be a number of bytes" : why);
        else
                begin(api, x, &m, warms, number);
}
