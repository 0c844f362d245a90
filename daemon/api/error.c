/* error.c - see error.h. A code is always a string or null, which is what client libraries expect. */
#include "daemon/api/error.h"

#include <stdarg.h>
#include <stdio.h>

#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"

static const char *or_null(const char *text) {
        return *text ? text : NULL;
}

void error_describe(struct text *out, const struct failure *f) {
        text_puts(out, "{\"error\":{\"message\":");
        text_json(out, f->message);
        text_puts(out, ",\"type\":");
        text_json(out, f->kind);
        text_puts(out, ",\"param\":");
        text_json(out, or_null(f->param));
        text_puts(out, ",\"code\":");
        text_json(out, or_null(f->code));
        if (*f->advice) {
                text_puts(out, ",\"advice\":");
                text_json(out, f->advice);
        }
        if (f->n_prompt_tokens >= 0)
                text_printf(out, ",\"n_prompt_tokens\":%lld,\"n_ctx\":%lld", (long long) f->n_prompt_tokens,
                            (long long) f->n_ctx);
        text_puts(out, "}}");
}

void error_answer(struct http_exchange *x, const struct failure *f) {
        struct text body = { 0 };
        char headers[HTTP_RETRY_HEADERS_MAX];

        http_retry_headers(headers, sizeof headers, f->retry_after_s, f->should_retry);
        error_describe(&body, f);
        text_puts(&body, "\n");
        http_answer(x, f->status, headers, "application/json", text_string(&body), body.used);
        text_done(&body);
}

struct failure error_bad_request(const char *param, const char *format, ...) {
        struct failure f;
        va_list args;

        va_start(args, format);
        failure_set_list(&f, REASON_INVALID_REQUEST, format, args);
        va_end(args);
        (void) snprintf(f.param, sizeof f.param, "%s", param ? param : "");
        return f;
}

struct failure error_not_found(const struct fleet *fleet, const char *name) {
        struct failure f;
        char sentence[sizeof f.message];

        fleet_model_missing(fleet, name, sentence, sizeof sentence);
        failure_set(&f, REASON_MODEL_NOT_FOUND, "%s", sentence);
        return f;
}
