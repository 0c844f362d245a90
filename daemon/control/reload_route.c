/* reload_route.c - POST /control/reload: the configuration is read again, or with ?dry_run=true only compared. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control/internal.h"
#include "daemon/requests/failure.h"
#include "daemon/reload/reload.h"

/* An answer that waits for the reading. Its client may have left by then. */
struct wait {
        struct api *api;
        struct http_exchange *exchange; /* NULL: gone */
        bool is_dry;
};

static void on_gone(void *user) {
        struct wait *w = user;

        w->exchange = NULL;
}

static void refuse(struct http_exchange *x, const struct reload_result *result) {
        struct failure f;

        if (result->error == -ECANCELED)
                failure_set(&f, REASON_SHUTTING_DOWN, NULL);
        else
                failure_set(&f, REASON_OUT_OF_MEMORY, NULL);
        error_answer(x, &f);
}

/* A file with mistakes is an answer, too: all of them, as `--check-config` lists them. */
static void on_reloaded(void *user, const struct reload_result *result) {
        struct wait *w = user;

        if (w->exchange && result->error && result->error != -EINVAL) {
                refuse(w->exchange, result);
        } else if (w->exchange) {
                cJSON *json = cJSON_CreateObject();
                cJSON_AddBoolToObject(json, "dry_run", w->is_dry);
                cJSON_AddBoolToObject(json, "taken", !w->is_dry && !result->error);
                cJSON_AddStringToObject(json, "problems", result->problems);
                cJSON *changes = cJSON_AddArrayToObject(json, "changes");
                for (int i = 0; i < result->changes_count; i++)
                        cJSON_AddItemToArray(changes, cJSON_CreateString(result->changes[i].text));
                api_answer_json(w->exchange, json);
        }
        api_end(w->api);
        free(w);
}

void handle_reload(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct http_watch watch = { .on_gone = on_gone };
        struct wait *w = api->reload ? calloc(1, sizeof *w) : NULL;
        char word[8] = "";
        bool is_dry = !http_query(x, "dry_run", word, sizeof word) && !strcmp(word, "true");

        (void) rest;
        if (!w) {
                refuse(x, &(struct reload_result){ .error = -ENOMEM });
                return;
        }
        *w = (struct wait){ api, x, is_dry };
        http_exchange_watch(x, &watch, w);
        api_begin(api);
        int error = reload_begin(api->reload, is_dry ? RELOAD_DRY : RELOAD_ALL, on_reloaded, w);
        if (error)
                on_reloaded(w, &(struct reload_result){ .error = error, .problems = "" });
}
