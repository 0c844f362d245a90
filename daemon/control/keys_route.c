/* keys_route.c - /control/keys: access keys are made, listed and removed. What a key is counts at once; it is said when it is on disk. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/internal.h"
#include "daemon/keys/keys.h"
#include "daemon/requests/failure.h"
#include "daemon/system/bulk.h"
#include "engine/base/json_get.h"
#include "engine/base/json_read.h"

struct key_job {
        uv_work_t work;
        struct key_job *next; /* whose turn is after this one's */
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        char *path, *text;
        char *added; /* name of a key that is taken back where it cannot be kept; or NULL */
        int error;
        cJSON *answer;
};

static void on_gone(void *user) {
        struct key_job *j = user;

        j->exchange = NULL;
}

static void on_work(uv_work_t *work) {
        struct key_job *j = work->data;

        j->error = j->text ? keys_write(j->path, j->text) : -ENOMEM;
}

static void job_done(struct key_job *j) {
        free(j->path);
        free(j->text);
        free(j->added);
        cJSON_Delete(j->answer);
        free(j);
}

static void answer_job(struct key_job *j) {
        struct failure f;

        if (j->exchange && j->error) {
                failure_set(&f, REASON_KEYS_FAILED, "%s cannot be written: %s%s", j->path, strerror(-j->error),
                            j->added ? "" : "; the key is gone until the daemon starts again");
                error_answer(j->exchange, &f);
        } else if (j->exchange) {
                api_answer_json(j->exchange, j->answer);
                j->answer = NULL;
        }
}

static void start_next(struct api *api);

static void on_written(uv_work_t *work, int status) {
        struct key_job *j = work->data;
        struct api *api = j->api;

        (void) status; /* never cancelled */
        if (j->error && j->added)
                (void) keys_remove(api->keys, j->added);
        api->key_jobs = j->next;
        start_next(api);
        answer_job(j);
        job_done(j);
        api_end(api);
}

/* One at a time, with what the keys are then: of two writes at once the older could come to lie on the newer. */
static void start_next(struct api *api) {
        struct key_job *j = api->key_jobs;

        if (!j)
                return;
        j->text = keys_text(api->keys);
        (void) uv_queue_work(api->loop, &j->work, on_work, on_written); /* fails for a missing callback alone */
}

/* ANSWER is taken over. ADDED: a new key's name, or NULL. */
static void save_and_answer(struct api *api, struct http_exchange *x, const char *added, cJSON *answer) {
        static const struct http_watch watch = { .on_gone = on_gone };
        struct key_job *j = calloc(1, sizeof *j), **end = &api->key_jobs;

        if (!j || !(j->path = strdup(api->keys_path)) || (added && !(j->added = strdup(added)))) {
                cJSON_Delete(answer);
                if (added)
                        (void) keys_remove(api->keys, added);
                if (j)
                        job_done(j);
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        j->api = api;
        j->exchange = x;
        j->answer = answer;
        j->work.data = j;
        http_exchange_watch(x, &watch, j);
        api_begin(api);
        while (*end)
                end = &(*end)->next;
        *end = j;
        if (api->key_jobs == j)
                start_next(api);
}

/* NULL: it is answered. */
static cJSON *read_wish(struct api *api, struct http_exchange *x) {
        struct bulk *body = http_take_body(x);
        cJSON *json = body ? json_read(bulk_bytes(body), bulk_size(body), NULL) : NULL;
        struct failure f;

        bulk_drop(body);
        if (cJSON_IsObject(json) && api->keys)
                return json;
        cJSON_Delete(json);
        f = bad_request(NULL, "the body must be a JSON object");
        error_answer(x, &f);
        return NULL;
}

void handle_keys(struct api *api, struct http_exchange *x, const char *rest) {
        cJSON *json = cJSON_CreateObject();

        (void) rest;
        cJSON_AddItemToObject(json, "keys", api->keys ? keys_json(api->keys) : cJSON_CreateArray());
        api_answer_json(x, json);
}

void handle_key_add(struct api *api, struct http_exchange *x, const char *rest) {
        cJSON *wish = read_wish(api, x), *answer;
        char secret[KEY_SECRET_BYTES], wrong[160];
        struct failure f;

        (void) rest;
        if (!wish)
                return;
        if (keys_add(api->keys, wish, secret, wrong, sizeof wrong) < 0) {
                f = bad_request(NULL, "%s", wrong);
                error_answer(x, &f);
        } else {
                answer = cJSON_CreateObject();
                cJSON_AddStringToObject(answer, "name", cJSON_GetStringValue(json_get(wish, "name")));
                cJSON_AddStringToObject(answer, "key", secret);
                explicit_bzero(secret, sizeof secret);
                save_and_answer(api, x, cJSON_GetStringValue(json_get(wish, "name")), answer);
        }
        cJSON_Delete(wish);
}

void handle_key_remove(struct api *api, struct http_exchange *x, const char *rest) {
        cJSON *wish = read_wish(api, x), *answer;
        const char *name = wish ? cJSON_GetStringValue(json_get(wish, "name")) : NULL;
        struct failure f;

        (void) rest;
        if (!wish)
                return;
        int r = name ? keys_remove(api->keys, name) : -ENOENT;
        if (r < 0) {
                f = r == -EPERM
                            ? bad_request("name", "the key '%.64s' is in the service's credential, and is removed there", name)
                            : bad_request("name", "there is no key '%.64s'", name ? name : "");
                error_answer(x, &f);
        } else {
                answer = cJSON_CreateObject();
                cJSON_AddStringToObject(answer, "name", name);
                save_and_answer(api, x, NULL, answer);
        }
        cJSON_Delete(wish);
}
