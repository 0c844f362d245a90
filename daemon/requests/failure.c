/* failure.c - refusals and failures, ready to be shown. */
#include "daemon/requests/failure.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "engine/base/json_get.h"
#include "engine/base/strbuf.h"

#define RETRY_AFTER_MAX_S 120u
#define FRAME_NUMBER_MAX  (1e15 - 1) /* far beyond any count of tokens, and exact as a double */

static void failure_init(struct failure *f, enum reason reason) {
        const struct reason_info *info = reason_info(reason);
        *f = (struct failure){
                .reason = reason,
                .status = info->http_status,
                .kind = info->http_kind,
                .retry_after_s = info->retry_after_s,
                .should_retry = info->should_retry,
                .n_prompt_tokens = -1,
                .n_ctx = -1,
                .advice = info->advice,
        };
        if (!info->no_code)
                (void) snprintf(f->code, sizeof(f->code), "%s", info->word);
}

void failure_set_list(struct failure *f, enum reason reason, const char *format, va_list arguments) {
        failure_init(f, reason);
        if (reason == REASON_MODEL_NOT_FOUND)
                (void) snprintf(f->param, sizeof(f->param), "model");
        (void) vsnprintf(f->message, sizeof(f->message), format, arguments);
        text_repair(f->message);
}

void failure_set(struct failure *f, enum reason reason, const char *format, ...) {
        if (!format) { /* a sentence is a text, not a format */
                failure_set(f, reason, "%s", reason_info(reason)->sentence);
                return;
        }
        va_list arguments;
        va_start(arguments, format);
        failure_set_list(f, reason, format, arguments);
        va_end(arguments);
}

void failure_set_retry_after(struct failure *f, uint64_t ms) {
        uint64_t s = ms / 1000 + (ms % 1000 != 0);
        f->retry_after_s = s > RETRY_AFTER_MAX_S ? RETRY_AFTER_MAX_S : s < 1 ? 1 : (unsigned) s;
}

static void copy_text(const cJSON *frame, const char *key, char *out, size_t size) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, key));
        if (!text)
                return;
        (void) snprintf(out, size, "%s", text);
        text_repair(out);
}

static int64_t whole_number(const cJSON *frame, const char *key) {
        uint64_t value;
        return json_get_count(frame, key, FRAME_NUMBER_MAX, &value) ? (int64_t) value : -1;
}

/* What an engine may say; anything else is its own mistake. */
static enum reason reason_of(const cJSON *frame) {
        static const enum reason known[] = { REASON_INVALID_REQUEST, REASON_CONTEXT_EXCEEDED, REASON_CONTEXT_LOWERED,
                                             REASON_ENGINE_FULL,     REASON_NO_NUMBERS,       REASON_OUT_OF_MEMORY };
        const char *word = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "reason"));
        for (size_t i = 0; word && i < sizeof(known) / sizeof(known[0]); i++)
                if (!strcmp(word, reason_info(known[i])->word))
                        return known[i];
        return REASON_ENGINE_ERROR;
}

void failure_from_frame(struct failure *f, const cJSON *frame) {
        failure_init(f, reason_of(frame));
        f->n_prompt_tokens = whole_number(frame, "n_prompt_tokens");
        f->n_ctx = whole_number(frame, "n_ctx");
        if (f->n_prompt_tokens < 0 || f->n_ctx < 0)
                f->n_prompt_tokens = f->n_ctx = -1;
        copy_text(frame, "param", f->param, sizeof(f->param));
        (void) snprintf(f->message, sizeof(f->message), "the engine refused the request without saying why");
        copy_text(frame, "message", f->message, sizeof(f->message));
}
