/*
 * body.c - the body of a request: read at once or on a thread, and refused where it is no JSON object.
 *
 * What reading costs is known before, since the reader takes each byte once: a body that is short is read on the loop, as long as
 * the turn has time for it, and every other by a thread of the pool, a few at once. The loop touches neither then. A client that
 * leaves meanwhile leaves the body to the thread.
 */
#include <stdlib.h>
#include <string.h>

#include "daemon/api/api_internal.h"
#include "daemon/base/bounds.h"
#include "daemon/requests/failure.h"
#include "daemon/system/bulk.h"
#include "daemon/system/turn.h"
#include "engine/wire/wire.h"

struct reading {
        uv_work_t work;
        struct reading *next; /* that waits for a thread */
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        struct body body;
        void (*then)(struct api *api, struct http_exchange *x, const struct body *body);
};

static struct failure describe(const struct body_facts *f) {
        switch (f->error) {
        case JSON_EMPTY: return error_bad_request(NULL, "the body is empty; it must be a JSON object");
        case JSON_UTF8: return error_bad_request(NULL, "the body is not valid UTF-8 (at byte %zu)", f->error_at);
        case JSON_CONTROL:
                return error_bad_request(NULL, "the body holds a control character that is not escaped (at byte %zu)",
                                         f->error_at);
        case JSON_TOO_DEEP:
        case JSON_TOO_MANY:
                return error_bad_request(NULL, "the body holds more than %u values, or nests deeper than %u levels",
                                         WIRE_BODY_VALUES_MAX, WIRE_BODY_DEPTH_MAX);
        case JSON_SYNTAX: return error_bad_request(NULL, "the body is not valid JSON (at byte %zu)", f->error_at);
        case JSON_FINE: break;
        }
        return error_bad_request(NULL, "the body must be a JSON object");
}

static void read_facts(struct body *b) {
        static char none[1];
        char *text = b->json ? bulk_bytes(b->json) : none;
        size_t size = b->json ? bulk_size(b->json) : 0;

        if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
                memset(text, ' ', 3); /* a byte order mark may begin a file, but nothing within a frame */
        body_facts_read(text, size, &b->facts);
}

static void go_on(struct api *api, struct http_exchange *x, const struct body *b,
                  void (*then)(struct api *api, struct http_exchange *x, const struct body *body)) {
        struct failure f;

        if (!api->is_stopping && b->facts.error == JSON_FINE && b->facts.is_object) {
                then(api, x, b);
                return;
        }
        if (api->is_stopping)
                failure_set(&f, REASON_SHUTTING_DOWN, NULL);
        else
                f = describe(&b->facts);
        error_answer(x, &f);
}

/* --- on a thread --- */

static void on_work(uv_work_t *work) {
        struct reading *r = work->data;

        read_facts(&r->body);
}

static void start_readings(struct api *api);

static void reading_free(struct reading *r) {
        bulk_drop(r->body.json);
        free(r);
}

static void on_read(uv_work_t *work, int status) {
        struct reading *r = work->data;
        struct api *api = r->api;

        (void) status; /* never cancelled */
        api->readings_running--;
        start_readings(api);
        if (r->exchange) {
                http_exchange_watch(r->exchange, NULL, NULL);
                go_on(api, r->exchange, &r->body, r->then);
        }
        reading_free(r);
        api_end(api);
}

static void start_readings(struct api *api) {
        while (api->readings && api->readings_running < API_BODIES_READ_MAX) {
                struct reading *r = api->readings;
                api->readings = r->next;
                if (!api->readings)
                        api->readings_end = &api->readings;
                api->readings_running++;
                (void) uv_queue_work(api->loop, &r->work, on_work, on_read); /* fails for a missing callback alone */
        }
}

static void on_gone(void *user) {
        struct reading *r = user;

        r->exchange = NULL;
}

static void read_later(struct api *api, struct http_exchange *x, struct bulk *json,
                       void (*then)(struct api *api, struct http_exchange *x, const struct body *body)) {
        static const struct http_watch watch = { .on_gone = on_gone };
        struct reading *r = calloc(1, sizeof *r);

        if (!r) {
                bulk_drop(json);
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        r->api = api;
        r->exchange = x;
        r->body.json = json;
        r->then = then;
        r->work.data = r;
        http_exchange_watch(x, &watch, r);
        api_begin(api);
        *api->readings_end = r;
        api->readings_end = &r->next;
        start_readings(api);
}

void api_read_body(struct api *api, struct http_exchange *x,
                   void (*then)(struct api *api, struct http_exchange *x, const struct body *body)) {
        struct body b = { .json = http_take_body(x) };

        size_t size = b.json ? bulk_size(b.json) : 0;

        if (size > API_BODY_AT_ONCE || (size > API_BODY_SMALL && turn_is_long(api->loop))) {
                read_later(api, x, b.json, then);
                return;
        }
        read_facts(&b);
        go_on(api, x, &b, then);
        bulk_drop(b.json);
}

void api_answer_json(struct http_exchange *x, cJSON *json) {
        char *text = json ? cJSON_PrintUnformatted(json) : NULL;

        cJSON_Delete(json);
        if (text)
                http_answer(x, 200, "", "application/json", text, strlen(text));
        else
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", "there is no memory for the answer");
        free(text);
}
