/* router.c - path and method to handler, by table. */
#include <stdio.h>
#include <string.h>

#include "daemon/api/access.h"
#include "daemon/api/api_internal.h"
#include "daemon/api/path.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/ollama.h"
#include "daemon/requests/failure.h"

static void handle_not_offered(struct api *api, struct http_exchange *x, const char *rest) {
        (void) api, (void) rest;
        http_answer_error(x, REASON_NOT_OFFERED, "", NULL);
}

static const struct route routes[] = {
        { "/", METHOD_GET, handle_root },
        { "/health", METHOD_GET, handle_health },
        { "/v1/models", METHOD_GET, handle_models },
        { "/v1/models/", METHOD_GET, handle_model },
        { "/v1/props", METHOD_GET, handle_props },
        { "/v1/slots", METHOD_GET, handle_slots },
        { "/v1/chat/completions", METHOD_POST, handle_chat },
        { "/v1/completions", METHOD_POST, handle_completion },
        { "/v1/infill", METHOD_POST, handle_infill },
        { "/v1/messages", METHOD_POST, handle_messages },
        { "/v1/messages/count_tokens", METHOD_POST, handle_count_tokens },
        { "/v1/responses", METHOD_POST, handle_responses },
        { "/v1/responses/input_tokens", METHOD_POST, handle_input_tokens },
        { "/v1/tokenize", METHOD_POST, handle_tokenize },
        { "/v1/detokenize", METHOD_POST, handle_detokenize },
        { "/v1/apply-template", METHOD_POST, handle_apply_template },
        { "/v1/rerank", METHOD_POST, handle_rerank },
        { "/v1/reranking", METHOD_POST, handle_rerank },
        { "/v2/rerank", METHOD_POST, handle_rerank },
        { "/v1/embeddings", METHOD_POST, handle_embeddings },
        { "/v1/audio/", METHOD_GET | METHOD_POST, handle_not_offered },
        { "/v1/images/", METHOD_GET | METHOD_POST, handle_not_offered },
        { "/api/version", METHOD_GET, handle_ollama_version },
        { "/api/tags", METHOD_GET, handle_ollama_tags },
        { "/api/ps", METHOD_GET, handle_ollama_ps },
        { "/api/show", METHOD_POST, handle_ollama_show },
        { "/api/chat", METHOD_POST, handle_ollama_chat },
        { "/api/generate", METHOD_POST, handle_ollama_generate },
        { "/api/embed", METHOD_POST, handle_ollama_embed },
        { "/api/embeddings", METHOD_POST, handle_ollama_embeddings },
        { "/api/pull", METHOD_POST, handle_ollama_pull },
        { "/api/push", METHOD_POST, handle_ollama_refusal },
        { "/api/create", METHOD_POST, handle_ollama_refusal },
        { "/api/copy", METHOD_POST, handle_ollama_refusal },
        { "/api/delete", METHOD_POST | METHOD_DELETE, handle_ollama_refusal },
        { "/api/blobs/", METHOD_GET | METHOD_POST, handle_ollama_refusal },
        { NULL, 0, NULL },
};

static void method_names(unsigned methods, char ret[64]) {
        (void) snprintf(ret, 64, "%s%s%sOPTIONS", methods & METHOD_GET ? "GET, HEAD, " : "",
                        methods & METHOD_POST ? "POST, " : "", methods & METHOD_DELETE ? "DELETE, " : "");
}

/* A page that is let in may send any header it likes, since nothing here is guarded by cookies. */
static void answer_options(struct http_exchange *x, const char *allowed) {
        struct text headers = { 0 };

        text_printf(&headers, "Allow: %s\r\n", allowed);
        if (http_is_from_page(x))
                text_printf(&headers,
                            "Access-Control-Allow-Methods: %s\r\nAccess-Control-Allow-Headers: *, Authorization\r\n"
                            "Access-Control-Allow-Private-Network: true\r\nAccess-Control-Max-Age: 86400\r\n",
                            allowed);
        http_answer(x, 204, text_string(&headers), NULL, "", 0);
        text_done(&headers);
}

static void answer_wrong_method(struct http_exchange *x, const char *allowed) {
        char headers[96], message[128];

        (void) snprintf(headers, sizeof headers, "Allow: %s\r\n", allowed);
        (void) snprintf(message, sizeof message, "this path takes only %s", allowed);
        http_answer_error(x, REASON_METHOD_NOT_ALLOWED, headers, message);
}

void route(struct api *api, struct http_exchange *x, const char *path, const struct route *table) {
        enum http_method method = http_method(x);
        char allowed[64];

        for (const struct route *r = table; r->path; r++) {
                const char *rest = path_match(r, path);
                if (!rest)
                        continue;
                method_names(r->methods, allowed);
                if (method == METHOD_OPTIONS)
                        answer_options(x, allowed);
                else if (method & r->methods || (method == METHOD_HEAD && r->methods & METHOD_GET))
                        r->handle(api, x, rest);
                else
                        answer_wrong_method(x, allowed);
                return;
        }
        if (method == METHOD_OPTIONS)
                answer_options(x, "GET, HEAD, POST, OPTIONS");
        else
                http_answer_error(x, REASON_NOT_FOUND, "", NULL);
}

bool api_is_vital(const struct http_exchange *x) {
        return !strcmp(http_path(x), "/health");
}

static const struct dialect *dialect_of(const char *path) {
        char tidied[API_PATH_MAX], whole[API_PATH_MAX];
        const char *known = path_tidy(path, tidied) ? path_canonical(routes, tidied, whole) : path;

        return !strncmp(known, "/api/", 5)           ? &dialect_ollama_chat
               : !strncmp(known, "/v1/messages", 12) ? &dialect_anthropic
                                                     : &dialect_openai_chat;
}

void api_write_refusal(struct text *out, const char *path, enum reason reason, const char *message, const char *request_id) {
        struct failure f;

        if (message)
                failure_set(&f, reason, "%s", message);
        else
                failure_set(&f, reason, NULL);
        dialect_of(path)->refuse(out, &f, request_id);
}

void api_on_request(void *user, struct http_exchange *x) {
        char tidied[API_PATH_MAX], whole[API_PATH_MAX];
        struct api *api = user;

        if (!access_check(api, x))
                return;
        api->routes = routes;
        if (path_tidy(http_path(x), tidied))
                route(api, x, path_canonical(routes, tidied, whole), routes);
        else
                route(api, x, http_path(x), routes);
}
