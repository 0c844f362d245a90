/*
 * body.c - the body of a request: read at once or on a thread, and refused where it is no JSON object.
 *
 * What reading costs is known before, since the reader takes each byte once, and a translation a few times: a body that is short is
 * read on the loop, as long as the turn has time for it, and every other by a thread of the pool, a few at once. The loop touches
 * neither then. A client that leaves meanwhile leaves the body to the thread.
 */
#include <errno.h>
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
        const struct reading_as *as;
        struct bulk *translated; /* its room is made before, since a thread may not count; NULL: the body is as it is to be */
        size_t translated_bytes;
        struct failure wrong; /* status 0: nothing is */
        body_taker *then;
};

static struct failure describe(const struct body_facts *f) {
        switch (f->error) {
        case JSON_EMPTY: return bad_request(NULL, "the body is empty; it must be a JSON object");
        case JSON_UTF8: return bad_request(NULL, "the body is not valid UTF-8 (at byte %zu)", f->error_at);
        case JSON_CONTROL:
                return bad_request(NULL, "the body holds a control character that is not escaped (at byte %zu)", f->error_at);
        case JSON_TOO_DEEP:
        case JSON_TOO_MANY:
                return bad_request(NULL, "the body holds more than %u values, or nests deeper than %u levels",
                                   WIRE_BODY_VALUES_MAX, WIRE_BODY_DEPTH_MAX);
        case JSON_SYNTAX: return bad_request(NULL, "the body is not valid JSON (at byte %zu)", f->error_at);
        case JSON_FINE: break;
        }
        return bad_request(NULL, "the body must be a JSON object");
}

static void translate(struct reading *r, const char *source, size_t size) {
        struct text out = { .bytes = bulk_bytes(r->translated),
                            .capacity = TRANSLATION_BYTES(size),
                            .max = TRANSLATION_BYTES(size) - 1,
                            .is_lent = true };

        if (!r->as->translate(source, size, &out, &r->body.asked, &r->wrong))
                return;
        if (out.failed)
                failure_set(&r->wrong, REASON_REQUEST_MEMORY, NULL);
        r->translated_bytes = out.used;
        body_facts_read(out.bytes, out.used, &r->body.facts);
        if (r->body.facts.error != JSON_FINE) /* a little deeper than it was, or of a few more values */
                r->wrong = describe(&r->body.facts);
}

/* On any thread. */
static void read_facts(struct reading *r) {
        static char none[1];
        struct body *b = &r->body;
        char *text = b->json ? bulk_bytes(b->json) : none;
        size_t size = b->json ? bulk_size(b->json) : 0;

        if (size >= 3 && !memcmp(text, "\xef\xbb\xbf", 3))
                memset(text, ' ', 3); /* a byte order mark may begin a file, but nothing within a frame */
        body_facts_read(text, size, &b->facts);
        if (b->facts.error != JSON_FINE || !b->facts.is_object)
                r->wrong = describe(&b->facts);
        else if (r->translated)
                translate(r, text, size);
}

static void go_on(struct reading *r) {
        struct api *api = r->api;

        if (r->translated) {
                bulk_take_room(r->translated, r->translated_bytes);
                r->body.source = r->body.json;
                r->body.json = r->translated;
                r->translated = NULL;
        }
        if (api->is_stopping)
                failure_set(&r->wrong, REASON_SHUTTING_DOWN, NULL);
        if (r->wrong.status)
                error_answer_as(r->as->dialect, r->exchange, &r->wrong);
        else
                r->then(api, r->exchange, &r->body);
}

/* --- on a thread --- */

static void on_work(uv_work_t *work) {
        struct reading *r = work->data;

        read_facts(r);
}

static void start_readings(struct api *api);

static void reading_done(struct reading *r) {
        bulk_drop(r->body.json);
        bulk_drop(r->body.source);
        bulk_drop(r->translated);
}

static void on_read(uv_work_t *work, int status) {
        struct reading *r = work->data;
        struct api *api = r->api;

        (void) status; /* never cancelled */
        api->readings_running--;
        start_readings(api);
        if (r->exchange) {
                http_exchange_watch(r->exchange, NULL, NULL);
                go_on(r);
        }
        reading_done(r);
        free(r);
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

static void read_later(const struct reading *prepared) {
        static const struct http_watch watch = { .on_gone = on_gone };
        struct reading *r = malloc(sizeof *r);
        struct api *api = prepared->api;

        if (!r) {
                struct reading lost = *prepared;
                reading_done(&lost);
                http_answer_error(lost.exchange, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        *r = *prepared;
        r->work.data = r;
        http_exchange_watch(r->exchange, &watch, r);
        api_begin(api);
        *api->readings_end = r;
        api->readings_end = &r->next;
        start_readings(api);
}

/* 0, or -errno: there is no room for a translation. */
static int make_room(struct reading *r) {
        if (!r->as->translate || !r->body.json)
                return 0;
        r->translated = bulk_beside(r->body.json);
        return r->translated ? bulk_make_room(r->translated, TRANSLATION_BYTES(bulk_size(r->body.json))) : -ENOMEM;
}

void api_read_body_as(struct api *api, struct http_exchange *x, const struct reading_as *as, body_taker *then) {
        struct reading r = {
                .api = api, .exchange = x, .body = { .dialect = as->dialect, .json = http_take_body(x) }, .as = as, .then = then
        };
        size_t size = r.body.json ? bulk_size(r.body.json) : 0, read = as->translate ? API_BODY_TRANSLATED * size : size;
        int error = make_room(&r);

        if (error) {
                reading_done(&r);
                http_answer_error(x, error == -EDQUOT ? REASON_REQUEST_MEMORY : REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        if (read > API_BODY_AT_ONCE || (read > API_BODY_SMALL && turn_is_long(api->loop))) {
                read_later(&r);
                return;
        }
        read_facts(&r);
        go_on(&r);
        reading_done(&r);
}

void api_read_body(struct api *api, struct http_exchange *x, body_taker *then) {
        static const struct reading_as plain = { .dialect = &dialect_openai_chat };

        api_read_body_as(api, x, &plain, then);
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
