/* router.c - path and method to handler, by table. */
#include <stdio.h>
#include <string.h>

#include "daemon/api/api_internal.h"

static const struct route routes[] = {
        { "/", METHOD_GET, handle_root },
        { "/health", METHOD_GET, handle_health },
        { "/v1/models", METHOD_GET, handle_models },
        { "/v1/models/", METHOD_GET, handle_model },
        { "/v1/chat/completions", METHOD_POST, handle_chat },
        { "/v1/completions", METHOD_POST, handle_completion },
        { "/v1/embeddings", METHOD_POST, handle_embeddings },
        { NULL, 0, NULL },
};

/* The rest of PATH behind the route's own, or NULL when the route does not match. */
static const char *match(const struct route *r, const char *path) {
        size_t length = strlen(r->path);
        bool takes_rest = length > 1 && r->path[length - 1] == '/';

        if (strncmp(path, r->path, length) != 0 || (takes_rest ? !path[length] : path[length]))
                return NULL;
        return path + length;
}

static void method_names(unsigned methods, char ret[64]) {
        (void) snprintf(ret, 64, "%s%sOPTIONS", methods & METHOD_GET ? "GET, HEAD, " : "", methods & METHOD_POST ? "POST, " : "");
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

void route(struct api *api, struct http_exchange *x, const struct route *table) {
        enum http_method method = http_method(x);
        char allowed[64];

        for (const struct route *r = table; r->path; r++) {
                const char *rest = match(r, http_path(x));
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

void api_on_request(void *user, struct http_exchange *x) {
        route(user, x, routes);
}
