/* tokens_route.c - POST /v1/tokenize, /v1/detokenize and /v1/apply-template: a model is loaded for them, and computes nothing. */
#include "daemon/api/completion.h"
#include "daemon/dialect/tokens.h"
#include "engine/base/cleanup.h"

/* IS_RIGHT: what DIALECT needs is there; else *F says what is not. The engine reads the rest. */
static void start(struct api *api, struct http_exchange *x, const struct body *body, const struct dialect *dialect, bool is_right,
                  struct failure *f) {
        struct json_value model = body->facts.members[MEMBER_MODEL];
        struct completion_options options = { .dialect = dialect };

        if (is_right && model.kind != JSON_NONE && model.kind != JSON_STRING) {
                *f = bad_request("model", "'model' must be a string");
                is_right = false;
        }
        auto_free char *name =
                is_right && api_choose_class(x, body, &options.class, f) ? api_choose_model(api, x, body, f) : NULL;
        if (name) {
                options.model = name;
                completion_start(api, x, &options, body);
        } else {
                error_answer_as(dialect, x, f);
        }
}

static void start_tokenize(struct api *api, struct http_exchange *x, const struct body *body) {
        const struct json_value *m = body->facts.members;
        bool is_text = (m[MEMBER_CONTENT].kind != JSON_NONE ? m[MEMBER_CONTENT] : m[MEMBER_PROMPT]).kind == JSON_STRING;
        struct failure f = { 0 };

        if (m[MEMBER_MESSAGES].kind != JSON_NONE) {
                api_start_answer(api, x, body, &dialect_tokenize);
                return;
        }
        if (!is_text)
                f = bad_request("content", "'content' (or 'prompt') must be a text, or 'messages' a conversation");
        start(api, x, body, &dialect_tokenize, is_text, &f);
}

static void start_detokenize(struct api *api, struct http_exchange *x, const struct body *body) {
        bool is_list = body->facts.members[MEMBER_TOKENS].kind == JSON_ARRAY;
        struct failure f = { 0 };

        if (!is_list)
                f = bad_request("tokens", "'tokens' must be a list of token ids");
        start(api, x, body, &dialect_detokenize, is_list, &f);
}

static void start_template(struct api *api, struct http_exchange *x, const struct body *body) {
        api_start_answer(api, x, body, &dialect_template);
}

void handle_tokenize(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_tokenize);
}

void handle_detokenize(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_detokenize);
}

void handle_apply_template(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_template);
}
