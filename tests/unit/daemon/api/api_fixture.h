/*
 * api_fixture.h - the API behind a real HTTP server, with a client in the same thread and a fleet that is played
 * (played_fleet.h): it notes what it is asked, and each test says what it answers, and when.
 *
 * For tests that include cmocka first.
 */
#ifndef HEADROOM_TESTS_UNIT_DAEMON_API_API_FIXTURE_H
#define HEADROOM_TESTS_UNIT_DAEMON_API_API_FIXTURE_H

#include <stdio.h>
#include <stdlib.h>

#include "daemon/api/api.h"
#include "daemon/base/bounds.h"
#include "daemon/models/fleet.h"
#include "daemon/http/server.h"
#include "engine/base/strbuf.h"
#include "tests/bulk_text.h"
#include "tests/loop_client.h"
#include "tests/unit/daemon/api/played_fleet.h"

/* --- the server around it --- */

static char *aliases[] = { (char[]){ "alias" } };
static struct config_model configured[] = { { .id = (char[]){ "a" } },
                                            { .id = (char[]){ "org/b:q4" }, .aliases = aliases, .aliases_count = 1 } };
static const struct config config = {
        .models = configured, .models_count = 2, .default_model = (char[]){ "" }, .keys = (char[]){ "auto" }
};
static struct http_server *server;
static struct api *api;
static void (*surface)(void *user, struct http_exchange *x);

static inline void on_request(void *user, struct http_exchange *x) {
        (void) user;
        surface(api, x);
}

static inline int set_up(void **state) {
        const struct http_options options = { .on_request = on_request,
                                              .write_refusal = api_write_refusal,
                                              .headers = "",
                                              .hosts = "x",
                                              .origins = "https://page.example",
                                              .connections_max = 8,
                                              .body_bytes_max = 4 << 20,
                                              .bulk = &bulk_account,
                                              .header_timeout_ms = 10000,
                                              .idle_timeout_ms = 10000 };

        (void) state;
        submits = cancels = 0;
        models_count = 2;
        refuses = false;
        tick_ms_ago = 10;
        surface = api_on_request;
        assert_int_equal(uv_loop_init(&loop), 0);
        assert_int_equal(api_new(&loop, &config, NULL, NULL, "127.0.0.1:1", &api), 0);
        assert_int_equal(http_server_new(&loop, &options, &server), 0);
        return http_server_listen_tcp(server, "127.0.0.1", 0, &port);
}

static inline void on_empty(void *user) {
        *(bool *) user = true;
}

static inline int tear_down(void **state) {
        bool is_empty = false;

        (void) state;
        http_server_drain(server, on_empty, &is_empty);
        http_server_cut(server);
        for (int i = 0; i < 1000 && (!is_empty || api_running(api)); i++)
                turn();
        assert_int_equal(api_running(api), 0);
        turn();
        http_server_free(server);
        api_free(api);
        cJSON_Delete(asked.body);
        asked.body = NULL;
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(bulk_account.used, 0);
        return 0;
}

static inline int post(const char *path, const char *body) {
        struct text request = { 0 };
        int fd = connect_client();

        text_printf(&request, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n\r\n%s", path, strlen(body), body);
        say(fd, request.bytes, request.used, SIZE_MAX);
        text_done(&request);
        turn_for(5);
        return fd;
}

static inline const char *get(const char *method, const char *path) {
        char request[256];
        bool closed;
        int fd = connect_client();

        (void) snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
        say(fd, request, strlen(request), SIZE_MAX);
        const char *heard = hear(fd, NULL, &closed);
        (void) close(fd);
        return heard;
}

static inline const char *body_of(const char *heard) {
        const char *end = strstr(heard, "\r\n\r\n");

        return end ? end + 4 : "";
}

/* The bytes of an answer in chunks, or of a whole one, with the random part of its ids, its time and its fingerprint replaced by ID, 1 and FP. */
static inline void unchunk(const char *heard, struct text *out) {
        char id[25] = "none yet";
        const char *at = body_of(heard), *begin = strstr(at, "\"id\":\"");
        size_t size = strlen(at);
        int used = 0;

        if (begin)
                (void) snprintf(id, sizeof id, "%s", begin + 6 + strcspn(begin + 6, "_-") + 1);
        text_clear(out);
        for (bool is_chunked = strstr(heard, "chunked"); !is_chunked || (sscanf(at, "%zx\r\n%n", &size, &used) == 1 && size);) {
                for (const char *c = at + used, *end = c + size; c < end;) {
                        if (!strncmp(c, id, strlen(id))) {
                                text_puts(out, "ID");
                                c += strlen(id);
                        } else if (!strncmp(c, "fp_", 3)) {
                                text_puts(out, "FP");
                                c += 13;
                        } else if (!strncmp(c, "\"created", 8)) {
                                text_printf(out, "%.*s1", (int) strcspn(c, ":") + 1, c);
                                c += strcspn(c, ",");
                        } else {
                                text_add(out, c++, 1);
                        }
                }
                if (!is_chunked)
                        break;
                at += (size_t) used + size + 2;
        }
}

#define CHAT(MORE) "{\"model\":\"a\",\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]" MORE "}"
static const struct request_usage usage = { 5, 2, 3, 1, 1.5, 2.25, NULL, 0 };

/* --- answers --- */

static inline cJSON *parse(const char *heard) {
        cJSON *json = cJSON_Parse(body_of(heard));

        if (!json)
                print_message("%s\n", heard);
        assert_non_null(json);
        return json;
}

static inline cJSON *at(cJSON *json, const char *path) {
        char step[64];

        while (*path && json) {
                size_t length = strcspn(path, ".");
                (void) snprintf(step, sizeof step, "%.*s", (int) length, path);
                json = cJSON_IsArray(json) ? cJSON_GetArrayItem(json, atoi(step)) : cJSON_GetObjectItemCaseSensitive(json, step);
                path += length + (path[length] == '.');
        }
        assert_non_null(json);
        return json;
}

/* The refusal of a model that rests, with its Retry-After. */
static inline void check_refusal(const char *heard) {
        assert_true(!strncmp(heard, "HTTP/1.1 503 Service Unavailable\r\n", 34));
        assert_non_null(strstr(heard, "Content-Type: application/json\r\n"));
        assert_non_null(strstr(heard, "Retry-After: 120\r\nx-should-retry: true\r\n"));
        assert_non_null(strstr(heard, "\"code\":\"load_cooldown\"}}\n"));
}

#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)

#endif
