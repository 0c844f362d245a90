/* answer.c - see answer.h. An owner may leave in each of its callbacks, and the request with it. */
#include "daemon/requests/answer.h"

#include <string.h>

#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"
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

static void take_start(struct request *request, const cJSON *frame) {
        if (request->started)
                return;
        request->started = true;
        if (request->events.on_start)
                request->events.on_start(request->user, count_in(frame, "prompt_tokens"), count_in(frame, "cached_tokens"));
}

static bool take_call(struct request *request, const cJSON *frame, const char *text) {
        const cJSON *call = cJSON_GetObjectItemCaseSensitive(frame, "call");
        struct request_call told = {
                .index = count_in(call, "index"),
                .id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "id")),
                .name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "name")),
                .arguments = text,
        };
        if (!cJSON_IsObject(call) || !told.id != !told.name)
                return false;
        if (request->events.on_call)
                request->events.on_call(request->user, &told);
        return true;
}

/* Text that is not content goes its own way; log-probabilities always go with content, even where that is empty. */
static bool take_text(struct model *m, struct request *request, const cJSON *frame) {
        const char *text = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "text"));
        const cJSON *kind = cJSON_GetObjectItemCaseSensitive(frame, "kind");
        const cJSON *logprobs = cJSON_GetObjectItemCaseSensitive(frame, "logprobs");
        const char *word = kind ? cJSON_GetStringValue(kind) : "content";
        uint64_t id = request->id;
        if (!text || !word)
                return false;
        request->spoke = true;
        if (!strcmp(word, "call") ? !take_call(request, frame, text) : strcmp(word, "reasoning") && strcmp(word, "content"))
                return false;
        if (!strcmp(word, "reasoning") && request->events.on_reasoning)
                request->events.on_reasoning(request->user, text);
        if (requests_running(m, id) != request)
                return true; /* the owner has left in the callback */
        bool content = !strcmp(word, "content");
        if (request->events.on_text && (content || logprobs))
                request->events.on_text(request->user, content ? text : "", logprobs);
        return true;
}

static bool take_end(struct model *m, struct request *request, const cJSON *frame) {
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
        struct request_usage told = {
                .prompt_tokens = count_in(usage, "prompt_tokens"),
                .completion_tokens = count_in(usage, "completion_tokens"),
                .cached_tokens = count_in(usage, "cached_tokens"),
                .prefill_ms = time_in(timings, "prefill_ms"),
                .decode_ms = time_in(timings, "decode_ms"),
        };
        struct request_events events = request->events;
        void *user = request->user;
        request_free(request);
        requests_note_end(m);
        events.on_end(user, ended, &told);
        return true;
}

static bool take_embedding(struct model *m, struct request *request, const cJSON *frame) {
        const cJSON *vectors = cJSON_GetObjectItemCaseSensitive(frame, "vectors");
        if (!cJSON_IsArray(vectors))
                return false;
        struct request_usage told = { .prompt_tokens = count_in(frame, "prompt_tokens") };
        uint64_t id = request->id;
        if (request->events.on_embedding)
                request->events.on_embedding(request->user, vectors);
        if (requests_running(m, id) != request)
                return true; /* the owner has left in the callback */
        struct request_events events = request->events;
        void *user = request->user;
        request_free(request);
        requests_note_end(m);
        events.on_end(user, "stop", &told);
        return true;
}

static void take_error(struct model *m, struct request *request, const cJSON *frame) {
        struct failure failure;
        failure_from_frame(&failure, frame);
        log_info("request_refused", LOG_TEXT("model", m->config->id), LOG_NUMBER("status", failure.status),
                 LOG_MAYBE("code", failure.code), LOG_TEXT("message", failure.message), LOG_MAYBE("advice", failure.advice));
        queue_leave(&request->link);
        requests_note_end(m);
        request_fail(request, &failure);
}

bool requests_take_answer(struct model *m, struct request *request, enum answer_kind says, const cJSON *frame) {
        switch (says) {
        case ANSWER_START: take_start(request, frame); return true;
        case ANSWER_TEXT: return take_text(m, request, frame);
        case ANSWER_END: return take_end(m, request, frame);
        case ANSWER_EMBEDDING: return request->kind == REQUEST_EMBED && take_embedding(m, request, frame);
        case ANSWER_ERROR: take_error(m, request, frame); return true;
        }
        return false;
}
