/* error.c - see error.h. A code is always a string or null, which is what client libraries expect. */
#include "daemon/api/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ERROR_HEADERS_MAX 80

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
        if (f->n_prompt_tokens >= 0)
                text_printf(out, ",\"n_prompt_tokens\":%lld,\"n_ctx\":%lld", (long long) f->n_prompt_tokens,
                            (long long) f->n_ctx);
        text_puts(out, "}}");
}

/* Retry-After and x-should-retry, as header lines. */
static void error_headers(const struct failure *f, char ret[ERROR_HEADERS_MAX]) {
        int used = 0;

        ret[0] = 0;
        if (f->retry_after_s)
                used = snprintf(ret, ERROR_HEADERS_MAX, "Retry-After: %u\r\n", f->retry_after_s < 120 ? f->retry_after_s : 120);
        if (f->should_retry >= 0)
                (void) snprintf(ret + used, (size_t) (ERROR_HEADERS_MAX - used), "x-should-retry: %s\r\n",
                                f->should_retry ? "true" : "false");
}

void error_answer(struct http_exchange *x, const struct failure *f) {
        struct text body = { 0 };
        char headers[ERROR_HEADERS_MAX];

        error_headers(f, headers);
        error_describe(&body, f);
        text_puts(&body, "\n");
        http_answer(x, f->status, headers, "application/json", text_string(&body), body.used);
        text_done(&body);
}

static struct failure failure_of(int status, const char *kind, const char *code) {
        struct failure f = { .status = status, .kind = kind, .should_retry = -1, .n_prompt_tokens = -1, .n_ctx = -1 };

        (void) snprintf(f.code, sizeof f.code, "%s", code);
        return f;
}

struct failure error_bad_request(const char *param, const char *format, ...) {
        struct failure f = failure_of(400, "invalid_request_error", "");
        va_list args;

        va_start(args, format);
        (void) vsnprintf(f.message, sizeof f.message, format, args);
        va_end(args);
        text_repair(f.message);
        (void) snprintf(f.param, sizeof f.param, "%s", param ? param : "");
        return f;
}

struct failure error_not_found(const char *model) {
        struct failure f = failure_of(404, "invalid_request_error", "model_not_found");

        (void) snprintf(f.message, sizeof f.message, "there is no model '%.200s'; GET /v1/models lists those there are", model);
        text_repair(f.message);
        strcpy(f.param, "model");
        return f;
}

struct failure error_shutting_down(void) {
        const struct reason_info *info = reason_info(REASON_SHUTTING_DOWN);
        struct failure f = failure_of(info->http_status, info->http_kind, info->word);

        (void) snprintf(f.message, sizeof f.message, "%s", info->sentence);
        f.retry_after_s = info->retry_after_s;
        f.should_retry = info->should_retry;
        return f;
}
