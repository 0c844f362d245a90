/*
 * embeddings.c - texts in, vectors out, whole or not at all: POST /v1/embeddings, and what other dialects call the same. Documents are
 * ranked in the same way, with a score for each in the place of a vector.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/api/access.h"
#include "daemon/api/api_internal.h"
#include "daemon/keys/keys.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/vectors.h"
#include "daemon/requests/failure.h"
#include "daemon/system/bulk.h"
#include "daemon/system/log.h"
#include "engine/base/strbuf.h"

struct embedding {
        struct api *api;
        struct http_exchange *exchange; /* NULL: over */
        struct request *request;
        char request_id[32];
        char *model;
        const struct vectors_dialect *dialect;
        struct vectors_asked asked;
        struct bulk *body; /* what was asked, where some of it is repeated; else NULL */
        struct bulk *data; /* the answer as far as it is there, or the scores */
        uint32_t count;    /* of its vectors */
        uint64_t started_ns;
        struct key *key; /* or NULL */
        uint64_t tokens;
};

/* ---- the request ---- */

/* One text, or one list of tokens, is a list with that in it; the engine takes it as it is. */
static uint32_t inputs_of(const struct body_facts *f) {
        return f->members[MEMBER_INPUT].kind == JSON_STRING || f->input.first == JSON_NUMBER ? 1 : f->input.count;
}

static bool check_inputs(const struct body_facts *f, struct failure *reterr) {
        struct json_value input = f->members[MEMBER_INPUT];
        const struct list_facts *l = &f->input;
        bool is_text = input.kind == JSON_STRING, is_one_list = l->count > 0 && l->first == JSON_NUMBER;

        if (!is_text && l->count == 0)
                *reterr = bad_request("input", "'input' must be a text, a list of texts, a list of token ids, or a list of "
                                               "such lists, and not be empty");
        else if (is_text ? json_string_is(input, "") : is_one_list ? !l->are_tokens : l->wrong_index < l->count)
                *reterr = bad_request("input", "input[%u] must be a text that is not empty, or a list of token ids",
                                      is_text || is_one_list ? 0 : l->wrong_index);
        else if (inputs_of(f) > API_EMBED_INPUTS_MAX)
                *reterr = bad_request("input", "'input' must not hold more than %u texts; send several requests",
                                      API_EMBED_INPUTS_MAX);
        else
                return true;
        return false;
}

static bool is_flag(struct json_value v) {
        return v.kind == JSON_TRUE || v.kind == JSON_FALSE;
}

/* The engine knows how many dimensions there are. */
static bool check_options(const struct body_facts *f, bool *ret_base64, struct failure *reterr) {
        const struct json_value *m = f->members, format = m[MEMBER_ENCODING_FORMAT];

        *ret_base64 = json_string_is(format, "base64");
        if (format.kind != JSON_NONE && !*ret_base64 && !json_string_is(format, "float"))
                *reterr = bad_request("encoding_format", "'encoding_format' must be float or base64");
        else if (m[MEMBER_TRUNCATE].kind != JSON_NONE && !is_flag(m[MEMBER_TRUNCATE]))
                *reterr = bad_request("truncate", "'truncate' must be true or false");
        else if (m[MEMBER_DIMENSIONS].kind != JSON_NONE && !json_whole(m[MEMBER_DIMENSIONS], 1, INT32_MAX))
                *reterr = bad_request("dimensions", "'dimensions' must be a whole number from 1");
        else if (m[MEMBER_MODEL].kind != JSON_NONE && m[MEMBER_MODEL].kind != JSON_STRING)
                *reterr = bad_request("model", "'model' must be a string");
        else if (m[MEMBER_SERVICE_TIER].kind != JSON_NONE && m[MEMBER_SERVICE_TIER].kind != JSON_STRING)
                *reterr = bad_request("service_tier", "'service_tier' must be a string");
        else
                return true;
        return false;
}

/* ---- the answer ---- */

/* REASON_NONE: TEXT is a part of the answer now. */
static enum reason put_bytes(struct embedding *e, const void *bytes, size_t count) {
        int r = e->data ? bulk_add(e->data, bytes, count) : -ENOMEM;
        return r == -EDQUOT ? REASON_REQUEST_MEMORY : r ? REASON_OUT_OF_MEMORY : REASON_NONE;
}

static enum reason put(struct embedding *e, const struct text *text) {
        return text->failed ? REASON_OUT_OF_MEMORY : put_bytes(e, text_string(text), text->used);
}

static void on_restart(void *user) {
        struct embedding *e = user;

        bulk_clear(e->data);
        e->count = 0;
}

static void embedding_over(struct embedding *e) {
        struct api *api = e->api;

        access_release(api, e->key, e->tokens);
        bulk_drop(e->data);
        bulk_drop(e->body);
        free(e->model);
        free(e);
        api_end(api);
}

/* FAILURE NULL: it was answered. */
static void log_answer(const struct embedding *e, const struct failure *failure, uint32_t tokens) {
        int status = failure ? failure->status : 200;

        log_event(status >= 500 ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "request", LOG_TEXT("id", e->request_id),
                  LOG_MAYBE("key", e->key ? e->key->name : ""), LOG_TEXT("model", e->model),
                  LOG_TEXT("kind", e->dialect->rank ? "rerank" : "embedding"), LOG_NUMBER("status", status),
                  LOG_MAYBE("reason", failure ? failure->code : ""), LOG_MAYBE("advice", failure ? failure->advice : ""),
                  LOG_NUMBER("prompt_tokens", tokens), LOG_NUMBER("ms", (uv_hrtime() - e->started_ns) / 1000000));
}

static void on_failed(void *user, const struct failure *failure) {
        struct embedding *e = user;

        log_answer(e, failure, 0);
        error_answer_as(e->dialect->refusals, e->exchange, failure);
        embedding_over(e);
}

/* What is still to come would be computed for nobody, and what is there keeps others out. */
static void give_up(struct embedding *e, enum reason reason) {
        struct failure failure;

        failure_set(&failure, reason, NULL);
        request_cancel(e->request);
        on_failed(e, &failure);
}

static void on_embedding(void *user, const cJSON *vector) {
        struct embedding *e = user;
        const float score = vector->child ? (float) vector->child->valuedouble : 0;
        struct text item = { 0 };

        if (e->dialect->item)
                e->dialect->item(&item, e->count, vector, e->asked.is_base64);
        enum reason wrong = e->dialect->item ? put(e, &item) : put_bytes(e, &score, sizeof score);
        e->count++;
        text_done(&item);
        if (wrong != REASON_NONE)
                give_up(e, wrong);
}

/* The scores make room for what becomes of them. */
static void write_ranks(struct embedding *e, struct text *out, const struct vectors_answer *all) {
        e->dialect->rank(out, (const float *) (const void *) bulk_bytes(e->data), e->count, &e->asked, all);
        bulk_clear(e->data);
}

static void on_end(void *user, const char *finish, const struct request_usage *usage) {
        struct embedding *e = user;
        const struct vectors_answer all = { e->model, usage->prompt_tokens, uv_hrtime() - e->started_ns };
        struct text end = { 0 };
        struct failure failure;

        (void) finish;
        if (e->dialect->end)
                e->dialect->end(&end, &all);
        else
                write_ranks(e, &end, &all);
        enum reason wrong = put(e, &end);
        text_done(&end);
        if (wrong != REASON_NONE) {
                failure_set(&failure, wrong, NULL);
                on_failed(e, &failure);
                return;
        }
        e->tokens = usage->prompt_tokens;
        log_answer(e, NULL, usage->prompt_tokens);
        http_answer_bulk(e->exchange, 200, "", "application/json", e->data);
        embedding_over(e);
}

static void on_gone(void *user) {
        struct embedding *e = user;
        struct failure failure;

        failure_set(&failure, REASON_CLIENT_GONE, NULL);
        if (e->request)
                request_cancel(e->request);
        log_answer(e, &failure, 0);
        embedding_over(e);
}

/* ---- both ---- */

/* MODEL is taken over. */
static void start(struct api *api, struct http_exchange *x, char *model, enum request_class class,
                  const struct vectors_asked *asked, const struct body *body, const struct vectors_dialect *dialect) {
        static const struct request_events events = {
                .on_embedding = on_embedding, .on_restart = on_restart, .on_end = on_end, .on_failed = on_failed
        };
        static const struct http_watch watch = { .on_gone = on_gone };
        struct embedding *e = calloc(1, sizeof *e);
        struct failure f;

        if (!e) {
                free(model);
                http_answer_error(x, REASON_OUT_OF_MEMORY, "", NULL);
                return;
        }
        *e = (struct embedding){ .api = api,
                                 .exchange = x,
                                 .model = model,
                                 .dialect = dialect,
                                 .asked = *asked,
                                 .body = asked->repeated.kind != JSON_NONE ? bulk_hold(body->json) : NULL,
                                 .data = bulk_beside(body->json),
                                 .started_ns = uv_hrtime() };
        (void) snprintf(e->request_id, sizeof e->request_id, "%s", http_request_id(x));
        http_exchange_watch(x, &watch, e);
        api_begin(api);
        if (!access_admit(api, x, e->model, &class, &e->key, &f)) {
                on_failed(e, &f);
                return;
        }
        const struct request_body sent = { .json = bulk_hold(body->json), .values = body->facts.values };
        if (request_submit(api->fleet, e->model, dialect->rank ? REQUEST_RANK : REQUEST_EMBED, class, sent, &events, e,
                           &e->request, &f)) {
                on_failed(e, &f);
                return;
        }
        request_expect_vectors(e->request, asked->count);
        api_keep_as_asked(e->request, x, &body->asked);
}

void api_ask_vectors(struct api *api, struct http_exchange *x, const struct body *body, const struct vectors_dialect *dialect,
                     const struct vectors_asked *asked) {
        enum request_class class = REQUEST_CLASS_OF_MODEL;
        struct failure f = { 0 };
        char *model = api_choose_class(x, body, &class, &f) ? api_choose_model(api, x, body, &f) : NULL;

        if (model)
                start(api, x, model, class, asked, body, dialect);
        else
                error_answer_as(dialect->refusals, x, &f);
}

void api_start_vectors(struct api *api, struct http_exchange *x, const struct body *body, const struct vectors_dialect *dialect) {
        struct vectors_asked asked = { .count = inputs_of(&body->facts) };
        struct failure f = { 0 };

        if (check_options(&body->facts, &asked.is_base64, &f) && check_inputs(&body->facts, &f))
                api_ask_vectors(api, x, body, dialect, &asked);
        else
                error_answer_as(dialect->refusals, x, &f);
}

static void start_openai(struct api *api, struct http_exchange *x, const struct body *body) {
        api_start_vectors(api, x, body, &vectors_openai);
}

void handle_embeddings(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_openai);
}
