/* failure.c - refusals and failures, ready to be shown. */
#include "daemon/requests/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/strbuf.h"

#define RETRY_AFTER_MAX_S 120u
#define RETRY_ENGINE_S    10u /* an engine that has no room, or a lowered context, for now */

static void failure_init(struct failure *f, enum reason reason) {
        const struct reason_info *info = reason_info(reason);
        *f = (struct failure){
                .status = info->http_status,
                .kind = info->http_kind,
                .retry_after_s = info->retry_after_s,
                .should_retry = info->should_retry,
                .n_prompt_tokens = -1,
                .n_ctx = -1,
        };
        (void) snprintf(f->code, sizeof(f->code), "%s", info->word);
}

void failure_set(struct failure *f, enum reason reason, const char *format, ...) {
        failure_init(f, reason);
        if (reason == REASON_MODEL_NOT_FOUND)
                (void) snprintf(f->param, sizeof(f->param), "model");
        if (!format) {
                (void) snprintf(f->message, sizeof(f->message), "%s", reason_info(reason)->sentence);
                return;
        }
        va_list arguments;
        va_start(arguments, format);
        (void) vsnprintf(f->message, sizeof(f->message), format, arguments);
        va_end(arguments);
        text_repair(f->message);
}

void failure_set_retry_after(struct failure *f, uint64_t ms) {
        uint64_t s = ms / 1000 + (ms % 1000 != 0);
        f->retry_after_s = s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s < 1 ? 1 : (unsigned) s;
}

/* `kind` outlives the frame, so it must be one of the words we know. */
static const char *known_kind(const char *kind) {
        static const char *const kinds[] = { "invalid_request_error", "exceed_context_size_error", "not_found_error",
                                             "rate_limit_error", "server_error" };
        for (size_t i = 0; kind && i < sizeof(kinds) / sizeof(kinds[0]); i++) {
                if (!strcmp(kind, kinds[i]))
                        return kinds[i];
        }
        return "server_error";
}

static void copy_text(const cJSON *frame, const char *key, char *out, size_t size) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, key));
        if (!text)
                return;
        (void) snprintf(out, size, "%s", text);
        text_repair(out);
}

static int64_t whole_number(const cJSON *frame, const char *key) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(frame, key);
        if (!cJSON_IsNumber(item) || !(item->valuedouble >= 0) || !(item->valuedouble < 1e15))
                return -1;
        return (int64_t) item->valuedouble;
}

void failure_from_frame(struct failure *f, const cJSON *frame) {
        int64_t status = whole_number(frame, "status");
        *f = (struct failure){
                .status = status >= 400 && status <= 599 ? (int) status : 500,
                .kind = known_kind(cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "kind"))),
                .should_retry = -1,
                .retry_after_s = status == 503 ? RETRY_ENGINE_S : 0,
                .n_prompt_tokens = whole_number(frame, "n_prompt_tokens"),
                .n_ctx = whole_number(frame, "n_ctx"),
        };
        if (f->n_prompt_tokens < 0 || f->n_ctx < 0)
                f->n_prompt_tokens = f->n_ctx = -1;
        copy_text(frame, "code", f->code, sizeof(f->code));
        copy_text(frame, "param", f->param, sizeof(f->param));
        /* The engine says it as it knows it; when to try again is ours to say. */
        const struct reason_info *lowered = reason_info(REASON_CONTEXT_LOWERED);
        if (!strcmp(f->code, lowered->word)) {
                f->retry_after_s = lowered->retry_after_s;
                f->should_retry = lowered->should_retry;
        }
        (void) snprintf(f->message, sizeof(f->message), "the engine refused the request without saying why");
        copy_text(frame, "message", f->message, sizeof(f->message));
}
