/*
 * fuzz_http.c - libFuzzer's door to the HTTP server and to what reads request bodies: real sockets, the real parser, router
 * and checks, in front of a fleet that refuses everything.
 *
 * `make fuzz` builds and runs it.
 *
 * The first byte says into how large pieces the rest is cut on its way.
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <uv.h>

#include "daemon/api/api.h"
#include "daemon/control/control.h"
#include "daemon/models/fleet.h"
#include "daemon/models/tracing.h"
#include "daemon/governor/governor.h"
#include "daemon/http/server.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "daemon/cache/prefix_cache.h"
#include "daemon/governor/recorder.h"
#include "daemon/reload/reload.h"
#include "daemon/state/lookup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the fleet of this file --- */

int request_submit(struct fleet *fleet, const char *model, enum request_kind kind, enum request_class class,
                   struct request_body body, const struct request_events *events, void *user, struct request **ret,
                   struct failure *reterr) {
        (void) fleet, (void) class, (void) model, (void) kind, (void) events, (void) user, (void) ret;
        bulk_drop(body.json);
        *reterr = (struct failure){ .status = 503,
                                    .kind = "server_error",
                                    .code = "x",
                                    .message = "no",
                                    .advice = "",
                                    .n_prompt_tokens = -1,
                                    .n_ctx = -1 };
        return -EBUSY;
}

void request_expect_vectors(struct request *request, uint32_t count) {
        (void) request, (void) count;
}

void request_keep_alive(struct request *request, uint64_t ms) {
        (void) request, (void) ms;
}

void request_cancel(struct request *request) {
        (void) request;
}

void request_pause(struct request *request) {
        (void) request;
}

void request_resume(struct request *request) {
        (void) request;
}

int fleet_dismiss(struct fleet *f, const char *model) {
        (void) f, (void) model;
        return 0;
}

const char *model_state_name(enum model_state state) {
        (void) state;
        return "absent";
}

void fleet_status(struct fleet *f, struct fleet_status *ret) {
        (void) f;
        *ret = (struct fleet_status){ .models_known = 1 };
}

void fleet_prefix_cache(const struct fleet *f, struct prefix_cache_figures *ret) {
        (void) f;
        *ret = (struct prefix_cache_figures){ .files = 1 };
}

uint32_t fleet_models_count(const struct fleet *f) {
        (void) f;
        return 1;
}

void fleet_model_status(struct fleet *f, uint32_t index, struct model_status *ret) {
        (void) f, (void) index;
        *ret = (struct model_status){
                .id = "m", .path = "/m", .kv_type = "f16", .last_error = "", .last_exit = "", .last_stderr = ""
        };
}

uint64_t governor_tick_age_ms(const struct governor *g) {
        (void) g;
        return 0;
}

cJSON *governor_status_json(struct governor *g) {
        (void) g;
        return cJSON_CreateObject();
}

cJSON *governor_events_json(struct governor *g, uint64_t after, const char *model) {
        (void) g, (void) after, (void) model;
        return cJSON_CreateObject();
}

cJSON *governor_explain_json(struct governor *g, uint32_t model) {
        (void) g, (void) model;
        return cJSON_CreateObject();
}

struct recorder *governor_record(const struct governor *g) {
        struct recorder *r = NULL;
        (void) g;
        return recorder_new(&(struct limits){ .reserve_bytes = 1 << 30 }, &r) < 0 ? NULL : r;
}

int fleet_model_find(const struct fleet *f, const char *name, uint32_t *ret_index) {
        (void) f;
        *ret_index = 0;
        return strcmp(name, "m") ? -ENOENT : 0;
}

void fleet_load(struct fleet *f, const char *model, fleet_done *on_done, void *user) {
        (void) f, (void) model;
        on_done(user, NULL);
}

void fleet_unload(struct fleet *f, const char *model, bool force, fleet_done *on_done, void *user) {
        (void) force;
        fleet_load(f, model, on_done, user);
}

void fleet_model_missing(const struct fleet *f, const char *name, char *out, size_t size) {
        (void) f;
        (void) snprintf(out, size, "there is no model '%.200s'", name);
}

enum reason fleet_trace_begin(struct fleet *f, uint32_t model, uint32_t minutes, trace_done *on_done, void *user) {
        (void) f, (void) model, (void) minutes, (void) on_done, (void) user;
        return REASON_TRACED;
}

enum reason fleet_trace_end(struct fleet *f, uint32_t model, trace_done *on_done, void *user) {
        (void) f, (void) model, (void) on_done, (void) user;
        return REASON_NOT_TRACED;
}

const struct plan *governor_plan(const struct governor *g) {
        static const struct plan calm;
        (void) g;
        return &calm;
}

int reload_begin(struct reload *r, enum reload_kind kind, reload_done *on_done, void *user) {
        (void) r, (void) kind, (void) on_done, (void) user;
        return -EAGAIN;
}

/* --- one server for all inputs --- */

static uv_loop_t loop;
static struct http_server *server;
static struct api *api;
static struct sockaddr_un name = { .sun_family = AF_UNIX };

/* Both surfaces: the operator's paths are tried where the client's are not known. */
static void on_request(void *user, struct http_exchange *x) {
        (void) user;
        if (!strncmp(http_path(x), "/control/", 9))
                control_on_request(api, x);
        else
                api_on_request(api, x);
}

static void remove_socket(void) {
        (void) unlink(name.sun_path);
}

static void begin(void) {
        static char none[1];
        static const struct config config = { .default_model = none, .keys = none };
        static struct bulk_account bulk = { .max = 1 << 18 };
        const struct http_options options = { .on_request = on_request,
                                              .headers = "",
                                              .connections_max = 8,
                                              .body_bytes_max = 1 << 17,
                                              .bulk = &bulk,
                                              .header_timeout_ms = 1000,
                                              .idle_timeout_ms = 1000 };

        if (server)
                return;
        log_open(LOG_LEVEL_ERROR);
        (void) signal(SIGPIPE, SIG_IGN);
        strcpy(name.sun_path, "/tmp/headroom-fuzz-XXXXXX");
        int fd = mkstemp(name.sun_path);
        assert(fd >= 0 && !close(fd) && !unlink(name.sun_path));
        assert(!uv_loop_init(&loop) && !api_new(&loop, &config, NULL, NULL, "", &api));
        assert(!http_server_new(&loop, &options, &server) && !http_server_listen_unix(server, name.sun_path, 0600));
        (void) atexit(remove_socket);
}

/* The first bytes on a connection must be HTTP. */
static void take_answers(int fd, bool *is_first) {
        char sink[65536];
        ssize_t got = recv(fd, sink, sizeof sink, MSG_DONTWAIT);

        if (got > 0 && *is_first) {
                assert(got >= 9 && !memcmp(sink, "HTTP/1.1 ", 9));
                *is_first = false;
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        begin();
        if (!size)
                return 0;
        bool is_first = true;
        size_t piece = (size_t) data[0] + 1;
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert(fd >= 0 && !connect(fd, (struct sockaddr *) &name, sizeof name));
        for (size_t at = 1; at < size; at += piece) {
                size_t count = size - at < piece ? size - at : piece;
                if (send(fd, data + at, count, MSG_NOSIGNAL | MSG_DONTWAIT) != (ssize_t) count)
                        break;
                (void) uv_run(&loop, UV_RUN_NOWAIT);
                take_answers(fd, &is_first);
        }
        (void) close(fd);
        for (int i = 0; i < 100 && http_server_connections(server); i++)
                (void) uv_run(&loop, UV_RUN_NOWAIT);
        assert(!http_server_connections(server));
        return 0;
}
