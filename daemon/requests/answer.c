/* answer.c - see answer.h. An owner may leave in each of its callbacks, and the request with it. */
#include "daemon/requests/answer.h"

#include <string.h>

#include "daemon/requests/ask.h"
#include "daemon/requests/failure.h"
#include "daemon/state/queue.h"
#include "daemon/state/model.h"
#include "daemon/system/log.h"
#include "engine/base/json_get.h"

static uint32_t count_in(const cJSON *object, const char *key) {
        return json_get_clamped(object, key, 0, UINT32_MAX);
}

static double time_in(const cJSON *object, const char *key) {
        return json_get_finite(object, key, 0);
}

static void take_start(struct ask *ask, const cJSON *frame) {
        if (ask->started)
                return;
        ask->started = true;
        if (ask->events.on_start)
                ask->events.on_start(ask->user, count_in(frame, "prompt_tokens"), count_in(frame, "cached_tokens"));
}

static bool take_call(struct ask *ask, const cJSON *frame, const char *text) {
        const cJSON *call = cJSON_GetObjectItemCaseSensitive(frame, "call");
        struct ask_call told = {
                .index = count_in(call, "index"),
                .id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "id")),
                .name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "name")),
                .arguments = text,
        };
        if (!cJSON_IsObject(call) || !told.id != !told.name)
                return false;
        if (ask->events.on_call)
                ask->events.on_call(ask->user, &told);
        return true;
}

/* What is not content goes its own way; log-probabilities always go with content, even where that is empty. */
static bool take_text(struct model *m, struct ask *ask, const cJSON *frame) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "text"));
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(frame, "kind");
        const cJSON *logprobs = cJSON_GetObjectItemCaseSensitive(frame, "logprobs");
        const char *word = kind ? cJSON_GetStringValue(kind) : "content";
        uint64_t id = ask->id;
        if (!text || !word)
                return false;
        ask->spoke = true;
        if (!strcmp(word, "call") ? !take_call(ask, frame, text) : strcmp(word, "reasoning") && strcmp(word, "content"))
                return false;
        if (!strcmp(word, "reasoning") && ask->events.on_reasoning)
                ask->events.on_reasoning(ask->user, text);
        if (asks_running(m, id) != ask)
                return true; /* its owner has left in the callback */
        bool content = !strcmp(word, "content");
        if (ask->events.on_text && (content || logprobs))
                ask->events.on_text(ask->user, content ? text : "", logprobs);
        return true;
}

static bool take_end(struct model *m, struct ask *ask, const cJSON *frame) {
        const char *finish = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "finish"));
        static const char *const known[] = { "stop", "length", "tool_calls" };
        const char *ended = NULL;
        for (size_t i = 0; finish && i < sizeof known / sizeof *known; i++)
                if (strcmp(finish, known[i]) == 0)
                        ended = known[i];
        if (!ended)
                return false;
        const cJSON *usage = cJSON_GetObjectItemCaseSensitive(frame, "usage"),
                    *timings = cJSON_GetObjectItemCaseSensitive(frame, "timings");
        struct ask_usage told = {
                .prompt_tokens = count_in(usage, "prompt_tokens"),
                .completion_tokens = count_in(usage, "completion_tokens"),
                .cached_tokens = count_in(usage, "cached_tokens"),
                .prefill_ms = time_in(timings, "prefill_ms"),
                .decode_ms = time_in(timings, "decode_ms"),
        };
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        asks_note_end(m);
        events.on_end(user, ended, &told);
        return true;
}

static bool take_embedding(struct model *m, struct ask *ask, const cJSON *frame) {
        const cJSON *vectors = cJSON_GetObjectItemCaseSensitive(frame, "vectors");
        if (!cJSON_IsArray(vectors))
                return false;
        struct ask_usage told = { .prompt_tokens = count_in(frame, "prompt_tokens") };
        uint64_t id = ask->id;
        if (ask->events.on_embedding)
                ask->events.on_embedding(ask->user, vectors);
        if (asks_running(m, id) != ask)
                return true; /* its owner has left in the callback */
        struct ask_events events = ask->events;
        void *user = ask->user;
        ask_free(ask);
        asks_note_end(m);
        events.on_end(user, "stop", &told);
        return true;
}

static void take_error(struct model *m, struct ask *ask, const cJSON *frame) {
        struct failure failure;
        failure_from_frame(&failure, frame);
        log_info("request_refused", LOG_TEXT("model", m->config->id), LOG_NUMBER("status", failure.status),
                 LOG_MAYBE("code", failure.code), LOG_TEXT("message", failure.message), LOG_MAYBE("advice", failure.advice));
        queue_leave(&ask->link);
        asks_note_end(m);
        ask_fail(ask, &failure);
}

bool asks_take_answer(struct model *m, struct ask *ask, enum frame_type says, const cJSON *frame) {
        switch (says) {
        case FRAME_START: take_start(ask, frame); return true;
        case FRAME_TEXT: return take_text(m, ask, frame);
        case FRAME_END: return take_end(m, ask, frame);
        case FRAME_EMBEDDING: return ask->kind == ASK_EMBED && take_embedding(m, ask, frame);
        case FRAME_ERROR: take_error(m, ask, frame); return true;
        default: return false;
        }
}
