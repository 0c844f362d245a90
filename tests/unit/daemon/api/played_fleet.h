/*
 * played_fleet.h - a fleet without engines and a governor, in place of the daemon's: they note what they are asked and answer what a test wants.
 *
 * For tests that include cmocka first. It defines the functions of models.h and submit.h that the API calls.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_API_PLAYED_FLEET_H
#define HEADROOM_TESTS_UNIT_DAEMON_API_PLAYED_FLEET_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "daemon/models/fleet.h"
#include "daemon/system/bulk.h"
#include "daemon/models/tracing.h"
#include "daemon/governor/governor.h"
#include "daemon/cache/prefix_cache.h"
#include "daemon/governor/recorder.h"
#include "daemon/reload/reload.h"
#include "daemon/state/lookup.h"

struct request {
        const struct request_events *events;
        void *user;
        enum request_kind kind;
        enum request_class class;
        char model[64];
        cJSON *body;
        unsigned paused, resumed;
        int64_t keep_alive_ms; /* -1: not said, or for ever */
        uint64_t group;
        uint64_t protect_ms;
};

static struct request asked;
static struct request others[64]; /* answers that were asked for beside it, each at its place */
static unsigned submits, cancels, models_count;
static bool refuses;
static int64_t tick_ms_ago;
static struct {
        fleet_done *on_done;
        void *user;
        char model[64];
        bool force;
} job;
static struct {
        uint32_t model, minutes; /* minutes 0: an end */
        trace_done *on_done;
        void *user;
        enum reason answer; /* to what is asked next */
} traced;
static struct trace_info trace_shown; /* of the second model */

static const struct failure cooldown = { .status = 503,
                                         .kind = "server_error",
                                         .code = "load_cooldown",
                                         .advice = "",
                                         .message = "wait \"a\" while\n",
                                         .retry_after_s = 120,
                                         .should_retry = 1,
                                         .n_prompt_tokens = -1,
                                         .n_ctx = -1 };

int request_submit(struct fleet *fleet, const char *model, enum request_kind kind, enum request_class class,
                   struct request_body body, const struct request_events *events, void *user, struct request **ret,
                   struct failure *reterr) {
        (void) fleet;
        submits++;
        if (body.choice > 0) {
                assert_true(body.choice < 64);
                bulk_drop(body.json);
                *ret = &others[body.choice];
                **ret = (struct request){ .events = events, .user = user, .kind = kind, .class = class, .group = body.group };
                return 0;
        }
        cJSON_Delete(asked.body);
        asked = (struct request){ .events = events, .user = user, .kind = kind, .class = class, .keep_alive_ms = -1, .group = body.group };
        asked.body = body.json ? cJSON_ParseWithLength(bulk_bytes(body.json), bulk_size(body.json)) : NULL;
        bulk_drop(body.json);
        (void) snprintf(asked.model, sizeof asked.model, "%s", model);
        if (refuses) {
                *reterr = cooldown;
                return -EBUSY;
        }
        *ret = &asked;
        return 0;
}

void request_expect_vectors(struct request *request, uint32_t count) {
        assert_ptr_equal(request, &asked);
        assert_int_not_equal(count, 0);
}

void request_keep_alive(struct request *request, uint64_t ms) {
        request->keep_alive_ms = (int64_t) ms;
}

void request_protect(struct request *request, uint64_t ms) {
        request->protect_ms = ms;
}

static uint64_t protected_ms;
static struct outlook outlook_told;

struct outlook request_outlook(const struct request *request) {
        assert_ptr_equal(request, &asked);
        return outlook_told;
}

uint64_t fleet_service_ms(const struct fleet *fleet, const char *model) {
        (void) fleet, (void) model;
        return 6000;
}

uint32_t fleet_model_queue(const struct fleet *f, uint32_t index, struct waiting_status ret[QUEUE_SHOWN_MAX]) {
        (void) f;
        if (index == 0)
                return 0;
        ret[0] = (struct waiting_status){ .waited_ms = 1500, .outlook = { 1, 2500 }, .why = "queued" };
        ret[1] = (struct waiting_status){ .batch = true, .outlook = { 2, UINT64_MAX }, .why = "held" };
        return 2;
}

void request_cancel(struct request *request) {
        assert_true(request == &asked || request->group);
        cancels++;
}

void request_pause(struct request *request) {
        request->paused++;
}

void request_resume(struct request *request) {
        request->resumed++;
}

const char *model_state_name(enum model_state state) {
        return state == MODEL_READY ? "ready" : "absent";
}

void fleet_prefix_cache(const struct fleet *f, struct prefix_cache_figures *ret) {
        (void) f;
        *ret = (struct prefix_cache_figures){ 0 };
}

void fleet_status(struct fleet *f, struct fleet_status *ret) {
        (void) f;
        *ret = (struct fleet_status){
                .groups = "none", .budget_bytes = 8589934592, .models_known = models_count, .last_tick_ms_ago = tick_ms_ago
        };
}

uint32_t fleet_models_count(const struct fleet *f) {
        (void) f;
        return models_count;
}

void fleet_model_status(struct fleet *f, uint32_t index, struct model_status *ret) {
        (void) f;
        *ret = (struct model_status){ .id = index ? "org/b:q4" : "a",
                                      .path = "/m/a.gguf",
                                      .file_key = index + 1,
                                      .state = index ? MODEL_READY : MODEL_ABSENT,
                                      .offered = true,
                                      .kv_type = "f16",
                                      .created_s = 7,
                                      .n_ctx = index ? 4096 : 0,
                                      .parallel = 2,
                                      .running = index,
                                      .loaded_ms_ago = -1,
                                      .idle_ms = -1,
                                      .expires_in_ms = -1,
                                      .last_error = "",
                                      .last_exit = "",
                                      .last_stderr = index ? "\xff!" : "",
                                      .protected_ms = protected_ms,
                                      .trace = index ? trace_shown : (struct trace_info){ 0 } };
}

int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        (void) f;
        *ret_index = !strcmp(name, "org/b:q4") || !strcmp(name, "alias");
        return *ret_index || !strcmp(name, "a") ? 0 : -ENOENT;
}

int reload_begin(struct reload *r, enum reload_kind kind, reload_done *on_done, void *user) {
        (void) r, (void) kind, (void) on_done, (void) user;
        return -EAGAIN;
}

void fleet_model_missing(const struct fleet *f, const char *name, char *out, size_t size) {
        (void) f;
        (void) snprintf(out, size, "there is no model '%.200s'", name);
}

/* --- and a governor that has done one thing --- */

static uint64_t governor_ms_ago;

uint64_t governor_tick_age_ms(const struct governor *g) {
        (void) g;
        return governor_ms_ago;
}

static struct plan governor_planned; /* calm */

const struct plan *governor_plan(const struct governor *g) {
        (void) g;
        return &governor_planned;
}

cJSON *governor_status_json(struct governor *g) {
        (void) g;
        return cJSON_Parse("{\"rung\":\"calm\"}");
}

cJSON *governor_events_json(struct governor *g, uint64_t after, const char *model) {
        cJSON *json = cJSON_CreateObject();
        (void) g;
        cJSON_AddNumberToObject(json, "after", (double) after);
        cJSON_AddItemToObject(json, "model", model ? cJSON_CreateString(model) : cJSON_CreateNull());
        return json;
}

cJSON *governor_explain_json(struct governor *g, uint32_t model) {
        cJSON *json = cJSON_CreateObject();
        (void) g;
        cJSON_AddNumberToObject(json, "index", model);
        return json;
}

struct recorder *governor_record(const struct governor *g) {
        struct recorder *r = NULL;
        (void) g;
        return recorder_new(&(struct limits){ .reserve_bytes = 1 << 30 }, &r) < 0 ? NULL : r;
}

void fleet_load(struct fleet *f, const char *model, fleet_done *on_done, void *user) {
        (void) f;
        job.on_done = on_done;
        job.user = user;
        (void) snprintf(job.model, sizeof job.model, "%s", model);
}

void fleet_unload(struct fleet *f, const char *model, bool force, fleet_done *on_done, void *user) {
        fleet_load(f, model, on_done, user);
        job.force = force;
}

int fleet_protect(struct fleet *f, const char *model, uint64_t ms) {
        (void) f;
        (void) snprintf(job.model, sizeof job.model, "%s", model);
        protected_ms = ms;
        return 0;
}

int fleet_dismiss(struct fleet *f, const char *model) {
        (void) f;
        (void) snprintf(job.model, sizeof job.model, "%s", model);
        return strcmp(model, "org/b:q4") ? 0 : -EPERM;
}

enum reason fleet_trace_begin(struct fleet *f, uint32_t model, uint32_t minutes, trace_done *on_done, void *user) {
        (void) f;
        traced.model = model;
        traced.minutes = minutes;
        traced.on_done = on_done;
        traced.user = user;
        return traced.answer;
}

enum reason fleet_trace_end(struct fleet *f, uint32_t model, trace_done *on_done, void *user) {
        return fleet_trace_begin(f, model, 0, on_done, user);
}

#endif
