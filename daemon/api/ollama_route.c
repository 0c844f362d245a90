/*
 * ollama_route.c - the paths of Ollama's API that ask a model for something, and those that Headroom refuses. What only looks is in
 * ollama_models.c.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "daemon/api/completion.h"
#include "daemon/dialect/ollama.h"
#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"
#include "engine/base/cleanup.h"

#define OLLAMA_VERSION "0.12.11" /* whose API this is: clients want one that is new enough */

void handle_ollama_version(struct api *api, struct http_exchange *x, const char *rest) {
        static const char text[] = "{\"version\":\"" OLLAMA_VERSION "\"}\n";

        (void) api, (void) rest;
        http_answer(x, 200, "", "application/json", text, strlen(text));
}

/* --- what is asked of a model --- */

/* The caller's, or NULL and *reterr. */
static char *choose(struct api *api, const struct http_exchange *x, const struct body *body, struct failure *reterr) {
        char *name = api_choose_model(api, x, body, reterr);
        uint32_t index;

        if (!name || fleet_model_find(api->fleet, name, &index) == 0)
                return name;
        *reterr = error_not_pulled(api->fleet, name);
        free(name);
        return NULL;
}

/* It is gone when others that need it have been served; the client need not wait for that. */
static void dismiss(struct api *api, struct http_exchange *x, const char *name, const struct dialect *dialect) {
        const struct answer nothing = { .dialect = dialect, .model = name, .created_s = time(NULL) };
        struct text out = { 0 };

        if (fleet_dismiss(api->fleet, name) == -EPERM) {
                struct failure f = bad_request("keep_alive", "model '%.100s' is pinned: it stays loaded", name);
                error_answer_as(&dialect_ollama_chat, x, &f);
                return;
        }
        dialect->whole(&out, &nothing, "unload", &(struct request_usage){ 0 });
        http_answer(x, 200, "", "application/json", text_string(&out), out.used);
        text_done(&out);
}

/* VECTORS NULL: it is words that are asked for. */
static void start(struct api *api, struct http_exchange *x, const struct body *body, const struct dialect *dialect,
                  const struct vectors_dialect *vectors) {
        const struct asked *asked = &body->asked;
        struct failure f = { 0 };
        auto_free char *name = choose(api, x, body, &f);

        if (!name)
                error_answer_as(&dialect_ollama_chat, x, &f);
        else if (asked->is_load && asked->has_keep_alive && asked->keep_alive_ms == 0)
                dismiss(api, x, name, dialect);
        else if (asked->is_load || !vectors)
                api_start_answer(api, x, body, dialect);
        else
                api_start_vectors(api, x, body, vectors);
}

static void start_chat(struct api *api, struct http_exchange *x, const struct body *body) {
        start(api, x, body, &dialect_ollama_chat, NULL);
}

static void start_generate(struct api *api, struct http_exchange *x, const struct body *body) {
        bool is_raw = body->facts.members[MEMBER_PROMPT].kind != JSON_NONE;

        start(api, x, body, is_raw ? &dialect_ollama_raw : &dialect_ollama_generate, NULL);
}

static void start_embed(struct api *api, struct http_exchange *x, const struct body *body) {
        start(api, x, body, &dialect_ollama_embed, &vectors_ollama_embed);
}

static void start_embeddings(struct api *api, struct http_exchange *x, const struct body *body) {
        start(api, x, body, &dialect_ollama_embeddings, &vectors_ollama_embeddings);
}

void handle_ollama_chat(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_chat, translate_ollama_chat };

        (void) rest;
        api_read_body_as(api, x, &as, start_chat);
}

void handle_ollama_generate(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_generate, translate_ollama_generate };

        (void) rest;
        api_read_body_as(api, x, &as, start_generate);
}

void handle_ollama_embed(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_embed, translate_ollama_embed };

        (void) rest;
        api_read_body_as(api, x, &as, start_embed);
}

void handle_ollama_embeddings(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_embeddings, translate_ollama_embeddings };

        (void) rest;
        api_read_body_as(api, x, &as, start_embeddings);
}

/* --- what Headroom leaves to others: models come and go as files --- */

/* Who pulls to be sure that a model is there is told so where it is. */
static void start_pull(struct api *api, struct http_exchange *x, const struct body *body) {
        static const char done[] = "{\"status\":\"success\"}\n",
                          lines[] = "{\"status\":\"pulling manifest\"}\n{\"status\":\"success\"}\n";
        bool is_stream = body_is_true(&body->facts, MEMBER_STREAM);
        struct failure f = { 0 };
        auto_free char *name = choose(api, x, body, &f);

        if (name && is_stream) {
                http_answer(x, 200, "", dialect_ollama_chat.stream_type, lines, strlen(lines));
        } else if (name) {
                http_answer(x, 200, "", "application/json", done, strlen(done));
        } else {
                if (f.reason == REASON_MODEL_NOT_FOUND)
                        f.advice =
                                "Headroom fetches no models: put a GGUF file into its models directory, and it is there at once";
                error_answer_as(&dialect_ollama_chat, x, &f);
        }
}

void handle_ollama_pull(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_ollama_chat, translate_ollama_name };

        (void) rest;
        api_read_body_as(api, x, &as, start_pull);
}

void handle_ollama_refusal(struct api *api, struct http_exchange *x, const char *rest) {
        struct failure f =
                bad_request(NULL, "Headroom makes, changes, copies and removes no models: they are the GGUF files in its models "
                                  "directory, and aliases in its configuration");

        (void) api, (void) rest;
        f.status = 501;
        error_answer_as(&dialect_ollama_chat, x, &f);
}
