/* error.c - see error.h. */
#include "daemon/api/error.h"

#include <stdio.h>

#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"

void error_answer_as(const struct dialect *dialect, struct http_exchange *x, const struct failure *f) {
        struct text body = { 0 };
        char headers[HTTP_RETRY_HEADERS_MAX];

        http_retry_headers(headers, sizeof headers, f->retry_after_s, f->should_retry);
        dialect->refuse(&body, f, http_request_id(x));
        text_puts(&body, "\n");
        http_answer(x, f->status, headers, "application/json", text_string(&body), body.used);
        text_done(&body);
}

void error_answer(struct http_exchange *x, const struct failure *f) {
        error_answer_as(&dialect_openai_chat, x, f);
}

struct failure error_not_found(const struct fleet *fleet, const char *name) {
        struct failure f;
        char sentence[sizeof f.message];

        fleet_model_missing(fleet, name, sentence, sizeof sentence);
        failure_set(&f, REASON_MODEL_NOT_FOUND, "%s", sentence);
        return f;
}

struct failure error_not_pulled(const struct fleet *fleet, const char *name) {
        struct failure f;
        char sentence[sizeof f.message];

        fleet_model_missing(fleet, name, sentence, sizeof sentence);
        failure_set(&f, REASON_MODEL_NOT_FOUND, "model \"%.100s\" not found, try pulling it first; %.380s", name, sentence);
        return f;
}
