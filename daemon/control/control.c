/* control.c - see control.h. */
#include "daemon/control/control.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "daemon/control/internal.h"
#include "daemon/api/model_json.h"
#include "daemon/base/bounds.h"
#include "daemon/base/peers.h"
#include "daemon/requests/failure.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "daemon/system/turn.h"
#include "daemon/cache/prefix_cache.h"
#include "daemon/models/tracing.h"
#include "daemon/governor/recorder.h"
#include "daemon/state/lookup.h"

/* The group of the socket's file, or our own where it cannot be told. */
static gid_t group_of_socket(int fd) {
        struct sockaddr_un name = { 0 };
        socklen_t length = sizeof name;
        struct stat st;

        if (getsockname(fd, (struct sockaddr *) &name, &length) || !name.sun_path[0] || stat(name.sun_path, &st))
                return getegid();
        return st.st_gid;
}

static bool is_in_group(int fd, const struct ucred *peer, gid_t group) {
        gid_t groups[CONTROL_GROUPS_MAX];
        socklen_t length = sizeof groups;

        if (peer->gid == group)
                return true;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &length))
                return false;
        for (size_t i = 0; i < length / sizeof *groups; i++)
                if (groups[i] == group)
                        return true;
        return false;
}

static bool may_control(const struct http_exchange *x) {
        int fd = http_socket(x);
        struct ucred peer;
        socklen_t length = sizeof peer;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length))
                return false;
        if (!peer.uid || peer.uid == geteuid() || is_in_group(fd, &peer, group_of_socket(fd)))
                return true;
        log_warning("control_refused", LOG_NUMBER("uid", peer.uid), LOG_NUMBER("pid", peer.pid), LOG_TEXT("path", http_path(x)));
        return false;
}

static cJSON *queue_json(const struct api *api, uint32_t index) {
        struct waiting_status waiting[QUEUE_SHOWN_MAX];
        uint32_t count = fleet_model_queue(api->fleet, index, waiting);
        cJSON *queue = cJSON_CreateArray();

        for (uint32_t i = 0; i < count; i++) {
                const struct waiting_status *w = &waiting[i];
                cJSON *json = cJSON_CreateObject();
                cJSON_AddNumberToObject(json, "position", w->outlook.position);
                cJSON_AddStringToObject(json, "class", w->batch ? "batch" : "interactive");
                cJSON_AddNumberToObject(json, "waited_ms", (double) w->waited_ms);
                if (w->outlook.expected_ms != UINT64_MAX)
                        cJSON_AddNumberToObject(json, "expected_ms", (double) w->outlook.expected_ms);
                else
                        cJSON_AddNullToObject(json, "expected_ms");
                cJSON_AddStringToObject(json, "why", w->why);
                cJSON_AddItemToArray(queue, json);
        }
        return queue;
}

static cJSON *all_models(const struct api *api) {
        cJSON *models = cJSON_CreateArray();

        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                struct model_status m;
                fleet_model_status(api->fleet, i, &m);
                if (!m.offered && !m.retired)
                        continue;
                cJSON *json = model_json(api->config, &m, i);
                cJSON_AddItemToObject(json, "queue", queue_json(api, i));
                cJSON_AddItemToArray(models, json);
        }
        return models;
}

static void add_left_out(cJSON *left_out, const char *path, const char *why) {
        cJSON *json = cJSON_CreateObject();

        model_json_text(json, "path", path);
        model_json_text(json, "why", why);
        cJSON_AddItemToArray(left_out, json);
}

/* What lies in the models directory and gives no model: by its name or place, and by what is in it. */
static cJSON *all_left_out(const struct api *api) {
        cJSON *left_out = cJSON_CreateArray();

        for (uint32_t i = 0; i < api->config->left_out_count; i++)
                add_left_out(left_out, api->config->left_out[i].path, api->config->left_out[i].why);
        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                struct model_status m;
                fleet_model_status(api->fleet, i, &m);
                if (!m.offered && !m.retired && m.no_model)
                        add_left_out(left_out, m.path, m.no_model);
        }
        return left_out;
}

/* null where nothing is kept. */
static cJSON *prefix_cache_json(const struct api *api) {
        struct prefix_cache_figures f;

        fleet_prefix_cache(api->fleet, &f);
        if (!f.enabled)
                return cJSON_CreateNull();
        cJSON *json = cJSON_CreateObject();
        cJSON_AddNumberToObject(json, "bytes", (double) f.bytes);
        cJSON_AddNumberToObject(json, "bytes_max", (double) f.bytes_max);
        cJSON_AddNumberToObject(json, "files", (double) f.files);
        cJSON_AddNumberToObject(json, "found", (double) f.found);
        cJSON_AddNumberToObject(json, "not_found", (double) f.not_found);
        cJSON_AddNumberToObject(json, "kept", (double) f.saved);
        cJSON_AddNumberToObject(json, "evicted", (double) f.evicted);
        cJSON_AddNumberToObject(json, "damaged", (double) f.damaged);
        cJSON_AddNumberToObject(json, "refused", (double) f.refused);
        return json;
}

/* Of the machine as it is now: the limit of a container may have come down since the start. */
static cJSON *problems_json(const struct fleet_status *s) {
        cJSON *problems = cJSON_CreateArray();
        char text[192];
        if (s->ram_bytes > 0 && s->reserve_bytes >= s->ram_bytes) {
                (void) snprintf(
                        text, sizeof(text),
                        "[memory] reserve is %llu MiB of the %llu MiB that there are, so no model can be loaded: set less, or raise the limit",
                        (unsigned long long) (s->reserve_bytes >> 20), (unsigned long long) (s->ram_bytes >> 20));
                cJSON_AddItemToArray(problems, cJSON_CreateString(text));
        }
        return problems;
}

/* Other headroomds of this machine, each with a sentence. */
static cJSON *peers_json(const struct fleet_status *s) {
        cJSON *all = cJSON_CreateArray();
        struct peers peers;
        char sentence[256];

        peers_look(PEERS_DIRECTORY, getpid(), &peers);
        for (uint32_t i = 0; i < peers.count; i++) {
                cJSON *one = cJSON_CreateObject();
                cJSON_AddNumberToObject(one, "pid", peers.all[i].pid);
                cJSON_AddNumberToObject(one, "uid", peers.all[i].uid);
                cJSON_AddNumberToObject(one, "budget_bytes", (double) peers.all[i].budget_bytes);
                cJSON_AddBoolToObject(one, "exceeds", peers_exceed(&peers, s->budget_bytes, s->ram_bytes));
                peers_sentence(&peers, i, s->budget_bytes, s->ram_bytes, sentence, sizeof sentence);
                cJSON_AddStringToObject(one, "sentence", sentence);
                cJSON_AddItemToArray(all, one);
        }
        return all;
}

static void handle_status(struct api *api, struct http_exchange *x, const char *rest) {
        struct fleet_status s;
        cJSON *json = cJSON_CreateObject();

        (void) rest;
        fleet_status(api->fleet, &s);
        cJSON_AddStringToObject(json, "version", HEADROOM_VERSION);
        cJSON_AddNumberToObject(json, "pid", getpid());
        cJSON_AddNumberToObject(json, "uptime_s", (double) ((uv_hrtime() - api->started_ns) / 1000000000));
        cJSON_AddStringToObject(json, "listen", api->listen);
        cJSON_AddNumberToObject(json, "budget_bytes", (double) s.budget_bytes);
        cJSON_AddNumberToObject(json, "reserved_bytes", (double) s.reserved_bytes);
        cJSON_AddNumberToObject(json, "measured_bytes", (double) s.measured_bytes);
        cJSON_AddNumberToObject(json, "weights_bytes", (double) s.weights_bytes);
        cJSON_AddNumberToObject(json, "weights_limit_bytes", (double) s.weights_limit_bytes);
        cJSON_AddNumberToObject(json, "reserve_bytes", (double) s.reserve_bytes);
        cJSON_AddNumberToObject(json, "available_bytes", (double) s.available_bytes);
        cJSON_AddItemToObject(json, "problems", problems_json(&s));
        cJSON_AddItemToObject(json, "others", peers_json(&s));
        cJSON_AddNumberToObject(json, "models_known", s.models_known);
        cJSON_AddNumberToObject(json, "models_loaded", s.models_loaded);
        cJSON_AddNumberToObject(json, "requests_running", s.requests_running);
        cJSON_AddNumberToObject(json, "requests_waiting", s.requests_waiting);
        cJSON_AddNumberToObject(json, "last_tick_ms_ago", (double) s.last_tick_ms_ago);
        if (api->turns)
                cJSON_AddNumberToObject(json, "longest_turn_ms", (double) turn_watch_longest_us(api->turns) / 1000);
        if (api->bulk) {
                cJSON_AddNumberToObject(json, "request_memory_bytes", (double) api->bulk->used);
                cJSON_AddNumberToObject(json, "request_memory_max", (double) api->bulk->max);
        }
        cJSON_AddStringToObject(json, "control_groups", s.groups);
        cJSON_AddItemToObject(json, "prompt_cache", prefix_cache_json(api));
        cJSON_AddItemToObject(json, "governor", governor_status_json(api->governor));
        cJSON_AddItemToObject(json, "models", all_models(api));
        api_answer_json(x, json);
}

static void handle_list(struct api *api, struct http_exchange *x, const char *rest) {
        cJSON *json = cJSON_CreateObject();

        (void) rest;
        cJSON_AddItemToObject(json, "models", all_models(api));
        cJSON_AddItemToObject(json, "left_out", all_left_out(api));
        api_answer_json(x, json);
}

/* ?model= names one, by id or alias: *ret_index, or UINT32_MAX where none is named. False: the answer is given. */
static bool read_model(const struct api *api, struct http_exchange *x, uint32_t *ret_index) {
        char name[MODEL_ID_MAX + 1];
        struct failure f;

        *ret_index = UINT32_MAX;
        if (http_query(x, "model", name, sizeof name))
                f = bad_request("model", "this is no name of a model");
        else if (*name && fleet_model_find(api->fleet, name, ret_index))
                f = error_not_found(api->fleet, name);
        else
                return true;
        error_answer(x, &f);
        return false;
}

static void handle_events(struct api *api, struct http_exchange *x, const char *rest) {
        struct model_status m = { 0 };
        char after[24], *end;
        uint32_t index;

        (void) rest;
        if (!read_model(api, x, &index))
                return;
        bool is_bad = http_query(x, "after", after, sizeof after);
        unsigned long long number = is_bad ? 0 : strtoull(after, &end, 10);
        if (is_bad || *end || *after == '-') {
                struct failure f = bad_request("after", "'after' must be the number of an event");
                error_answer(x, &f);
                return;
        }
        if (index != UINT32_MAX)
                fleet_model_status(api->fleet, index, &m);
        api_answer_json(x, governor_events_json(api->governor, number, m.id));
}

static void handle_explain(struct api *api, struct http_exchange *x, const char *rest) {
        uint32_t index;

        (void) rest;
        if (!read_model(api, x, &index))
                return;
        if (index == UINT32_MAX) {
                struct failure f = bad_request("model", "name a model: /control/explain?model=ID");
                error_answer(x, &f);
                return;
        }
        api_answer_json(x, governor_explain_json(api->governor, index));
}

/* Writing the recorder down takes many times as long as a tick may, so a copy of it is printed on a thread. */
struct record {
        uv_work_t work;
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        struct recorder *recorder;
        struct text text;
};

static void on_record_gone(void *user) {
        struct record *r = user;

        r->exchange = NULL;
}

static void print_record(uv_work_t *work) {
        struct record *r = work->data;

        recorder_print(r->recorder, &r->text);
}

static void answer_no_memory(struct http_exchange *x) {
        http_answer_error(x, REASON_OUT_OF_MEMORY, "", "there is no memory to write it down");
}

static void on_record_printed(uv_work_t *work, int status) {
        struct record *r = work->data;

        if (r->exchange && (status || r->text.failed))
                answer_no_memory(r->exchange);
        else if (r->exchange)
                http_answer(r->exchange, 200, "Cache-Control: no-store\r\n", "text/plain; charset=utf-8", text_string(&r->text),
                            r->text.used);
        api_end(r->api);
        text_done(&r->text);
        recorder_free(r->recorder);
        free(r);
}

static void handle_record(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct http_watch watch = { .on_gone = on_record_gone };
        struct record *r = calloc(1, sizeof *r);

        (void) rest;
        if (r) {
                r->work.data = r;
                r->recorder = governor_record(api->governor);
        }
        if (!r || !r->recorder || uv_queue_work(api->loop, &r->work, print_record, on_record_printed)) {
                if (r)
                        recorder_free(r->recorder);
                free(r);
                answer_no_memory(x);
                return;
        }
        r->api = api;
        r->exchange = x;
        http_exchange_watch(x, &watch, r);
        api_begin(api);
}

/* One operator's job under way. The fleet always calls back; the client may have left by then. */
struct job {
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        char model[MODEL_ID_MAX + 1];
};

static void on_job_gone(void *user) {
        struct job *v = user;

        v->exchange = NULL;
}

static cJSON *state_json(const struct job *v) {
        struct model_status m;
        uint32_t index;
        cJSON *json = cJSON_CreateObject();

        if (!fleet_model_find(v->api->fleet, v->model, &index)) {
                fleet_model_status(v->api->fleet, index, &m);
                cJSON_AddStringToObject(json, "model", m.id);
                cJSON_AddStringToObject(json, "state", model_state_name(m.state));
        }
        return json;
}

static void on_job_done(void *user, const struct failure *failure) {
        struct job *v = user;

        if (v->exchange && failure)
                error_answer(v->exchange, failure);
        else if (v->exchange)
                api_answer_json(v->exchange, state_json(v));
        api_end(v->api);
        free(v);
}

/* The job for the model that the body names, or NULL and the answer is given. */
static struct job *job_begin(struct api *api, struct http_exchange *x, const struct body *body) {
        static const struct http_watch watch = { .on_gone = on_job_gone };
        char model[API_NAME_MAX + 1];
        struct failure f;
        uint32_t index;

        (void) json_string_copy(body->facts.members[MEMBER_MODEL], model, sizeof model);
        if (body->facts.members[MEMBER_MODEL].kind != JSON_STRING)
                f = bad_request("model", "the body must name a \"model\"");
        else if (strlen(model) > MODEL_ID_MAX || fleet_model_find(api->fleet, model, &index))
                f = error_not_found(api->fleet, model);
        else {
                struct job *v = calloc(1, sizeof *v);
                if (v) {
                        v->api = api;
                        v->exchange = x;
                        strcpy(v->model, model);
                        http_exchange_watch(x, &watch, v);
                        api_begin(api);
                        return v;
                }
                failure_set(&f, REASON_OUT_OF_MEMORY, NULL);
        }
        error_answer(x, &f);
        return NULL;
}

static void load(struct api *api, struct http_exchange *x, const struct body *body) {
        struct job *v = job_begin(api, x, body);

        if (v)
                fleet_load(api->fleet, v->model, on_job_done, v);
}

static void unload(struct api *api, struct http_exchange *x, const struct body *body) {
        struct job *v = job_begin(api, x, body);

        if (v)
                fleet_unload(api->fleet, v->model, body_is_true(&body->facts, MEMBER_FORCE), on_job_done, v);
}

static void handle_load(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, load);
}

static void handle_unload(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, unload);
}

/* --- protection --- */

static bool read_time(const struct body *body, uint64_t *ret_ms) {
        char text[32];

        return body->facts.members[MEMBER_TIME].kind == JSON_STRING &&
               json_string_copy(body->facts.members[MEMBER_TIME], text, sizeof text) < sizeof text &&
               !value_duration(text, ret_ms) && *ret_ms <= PROTECT_MAX_MS;
}

static void protect(struct api *api, struct http_exchange *x, const struct body *body) {
        uint64_t ms;

        if (!read_time(body, &ms)) {
                struct failure f = bad_request("time", "'time' must be a time such as 10m, 24h at the most; 0 ends a protection");
                error_answer(x, &f);
                return;
        }
        struct job *v = job_begin(api, x, body);
        if (!v)
                return;
        (void) fleet_protect(api->fleet, v->model, ms);
        cJSON *json = state_json(v);
        cJSON_AddNumberToObject(json, "protected_ms", (double) ms);
        api_answer_json(v->exchange, json);
        api_end(api);
        free(v);
}

static void handle_protect(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, protect);
}

/* --- traces --- */

static void on_trace_done(void *user, int error, const struct trace_info *info) {
        struct job *v = user;
        struct failure f;

        if (v->exchange && error) {
                failure_set(&f, REASON_TRACE_FAILED, "%s cannot be made: %s", info->path, strerror(-error));
                error_answer(v->exchange, &f);
        } else if (v->exchange) {
                cJSON *json = cJSON_CreateObject();
                cJSON_AddStringToObject(json, "model", v->model);
                model_json_trace(json, info);
                api_answer_json(v->exchange, json);
        }
        api_end(v->api);
        free(v);
}

/* The job is done, and will not be called back. */
static void job_refuse(struct job *v, enum reason reason) {
        struct failure f;

        failure_set(&f, reason, NULL);
        error_answer(v->exchange, &f);
        api_end(v->api);
        free(v);
}

/* For so many minutes; 0: an end. */
static void trace_job(struct job *v, uint32_t minutes) {
        enum reason reason = REASON_MODEL_NOT_FOUND;
        struct model_status m;
        uint32_t index;

        if (!fleet_model_find(v->api->fleet, v->model, &index)) {
                fleet_model_status(v->api->fleet, index, &m);
                (void) snprintf(v->model, sizeof v->model, "%s", m.id); /* it may have been named by an alias */
                reason = minutes ? fleet_trace_begin(v->api->fleet, index, minutes, on_trace_done, v)
                                 : fleet_trace_end(v->api->fleet, index, on_trace_done, v);
        }
        if (reason != REASON_NONE)
                job_refuse(v, reason);
}

static bool read_minutes(const struct body *body, uint32_t *ret) {
        struct json_value minutes = body->facts.members[MEMBER_MINUTES];

        if (minutes.kind == JSON_NONE)
                *ret = TRACE_MINUTES;
        else if (json_whole(minutes, 1, TRACE_MINUTES_MAX))
                *ret = (uint32_t) json_double(minutes);
        else
                return false;
        return true;
}

static void begin_trace(struct api *api, struct http_exchange *x, const struct body *body) {
        uint32_t minutes;

        if (!read_minutes(body, &minutes)) {
                struct failure f = bad_request("minutes", "'minutes' must be a whole number from 1 to %d", TRACE_MINUTES_MAX);
                error_answer(x, &f);
                return;
        }
        struct job *v = job_begin(api, x, body);
        if (v)
                trace_job(v, minutes);
}

static void end_trace(struct api *api, struct http_exchange *x, const struct body *body) {
        struct job *v = job_begin(api, x, body);

        if (v)
                trace_job(v, 0);
}

static void handle_trace(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, begin_trace);
}

static void handle_trace_stop(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, end_trace);
}

static const struct route control_routes[] = {
        { "/control/status", METHOD_GET, handle_status },
        { "/control/models", METHOD_GET, handle_list },
        { "/control/load", METHOD_POST, handle_load },
        { "/control/unload", METHOD_POST, handle_unload },
        { "/control/protect", METHOD_POST, handle_protect },
        { "/control/reload", METHOD_POST, handle_reload },
        { "/control/trace", METHOD_POST, handle_trace },
        { "/control/trace/stop", METHOD_POST, handle_trace_stop },
        { "/control/events", METHOD_GET, handle_events },
        { "/control/explain", METHOD_GET, handle_explain },
        { "/control/record", METHOD_GET, handle_record },
        { "/control/weights", METHOD_GET, handle_weights },
        { "/control/keys", METHOD_GET, handle_keys },
        { "/control/keys/add", METHOD_POST, handle_key_add },
        { "/control/keys/remove", METHOD_POST, handle_key_remove },
        { "/health", METHOD_GET, handle_health },
        { NULL, 0, NULL },
};

void control_on_request(void *user, struct http_exchange *x) {
        if (may_control(x))
                route(user, x, http_path(x), control_routes);
        else
                http_answer_error(x, REASON_FORBIDDEN, "", NULL);
}
