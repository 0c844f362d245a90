/* answer.c - see answer.h. An owner may leave in each of its callbacks, and the request with it. */
#include "daemon/requests/answer.h"

#include <math.h>
#include <string.h>

#include "daemon/base/bounds.h"
#include "daemon/requests/finish.h"
#include "daemon/requests/failure.h"
#include "daemon/state/lookup.h"
#include "daemon/state/queue.h"
#include "daemon/state/model.h"
#include "daemon/state/tick.h"
#include "daemon/system/log.h"
#include "engine/base/json_get.h"
#include "policy/admission/wait.h"
#include "policy/base/sat.h"

/* False: it is there and no count. 0 where it is absent: an engine may know less than we ask. */
static bool count_in(const cJSON *object, const char *key, uint32_t *ret) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(object, key);
        bool good = !item || json_is_whole(item, 0, UINT32_MAX);
        *ret = item && good ? (uint32_t) item->valuedouble : 0;
        return good;
}

static double time_in(const cJSON *object, const char *key) {
        return json_get_finite(object, key, 0);
}

/* The prompt's tokens, and those of them that needed no computing. */
static bool prompt_in(const cJSON *object, uint32_t *ret_prompt, uint32_t *ret_cached) {
        return count_in(object, "prompt_tokens", ret_prompt) && count_in(object, "cached_tokens", ret_cached) &&
               *ret_cached <= *ret_prompt;
}

/* What goes into a header is no engine's to choose freely. False: it is there, and unfit. */
static bool relaxed_in(const cJSON *frame, const char **ret) {
        const cJSON *item = cJSON_GetObjectItemCaseSensitive(frame, "relaxed");
        *ret = cJSON_GetStringValue(item);
        if (!item)
                return true;
        for (const char *c = *ret; c && *c; c++)
                if (*c < ' ' || *c > '~' || c - *ret == REQUEST_RELAXED_MAX)
                        return false;
        return *ret != NULL;
}

static bool take_start(struct request *request, const cJSON *frame) {
        uint32_t prompt, cached;
        const char *relaxed;
        if (!prompt_in(frame, &prompt, &cached) || !relaxed_in(frame, &relaxed))
                return false;
        request->begun = true;
        if (request->started)
                return true; /* by the engine before, which died */
        request->started = true;
        if (request->events.on_start)
                request->events.on_start(request->user, prompt, cached, relaxed);
        return true;
}

/* Calls come one after another: a piece with a name begins the next, one without goes on with the last. */
static bool take_call(struct request *request, const cJSON *frame, const char *text) {
        const cJSON *call = cJSON_GetObjectItemCaseSensitive(frame, "call");
        struct request_call told = {
                .id = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "id")),
                .name = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(call, "name")),
                .arguments = text,
        };
        if (!cJSON_IsObject(call) || !told.id != !told.name || !count_in(call, "index", &told.index))
                return false;
        request->calls += told.id != NULL;
        if (request->calls == 0 || told.index != request->calls - 1)
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
        if (!request->events.on_restart)
                request_drop_body(request);
        if (!strcmp(word, "call") ? !take_call(request, frame, text) : strcmp(word, "reasoning") && strcmp(word, "content"))
                return false;
        if (!strcmp(word, "reasoning") && request->events.on_reasoning)
                request->events.on_reasoning(request->user, text);
        if (requests_running(m, id) != request)
                return true; /* the owner has left in the callback */
        bool content = !strcmp(word, "content");
        if (request->events.on_text && (content || logprobs))
                request->events.on_text(request->user, content ? text : NULL, logprobs);
        return true;
}

/* Our own word for it; NULL: there is none, or it speaks of calls that have not come. */
static const char *finish_in(const struct request *request, const cJSON *frame) {
        const char *finish = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "finish"));
        static const char *const known[] = { "stop", "length", "tool_calls" };
        for (size_t i = 0; finish && i < sizeof known / sizeof *known; i++)
                if (strcmp(finish, known[i]) == 0)
                        return i < 2 || request->calls > 0 ? known[i] : NULL;
        return NULL;
}

static bool usage_in(const cJSON *frame, struct request_usage *ret) {
        const cJSON *usage = cJSON_GetObjectItemCaseSensitive(frame, "usage"),
                    *timings = cJSON_GetObjectItemCaseSensitive(frame, "timings");
        *ret = (struct request_usage){ .prefill_ms = time_in(timings, "prefill_ms"),
                                       .decode_ms = time_in(timings, "decode_ms"),
                                       .score = json_get_finite(frame, "score", -HUGE_VAL),
                                       .stop = cJSON_GetStringValue(cJSON_GetObjectItemCaseSensitive(frame, "stop")) };
        return prompt_in(usage, &ret->prompt_tokens, &ret->cached_tokens) &&
               count_in(usage, "completion_tokens", &ret->completion_tokens) &&
               count_in(usage, "reasoning_tokens", &ret->reasoning_tokens) && ret->reasoning_tokens <= ret->completion_tokens;
}

static void note_service(struct model *m, const struct request *request) {
        requests_protect(m, request);
        if (!request_only_looks(request->kind))
                m->service_ms = policy_service_learn(m->service_ms, sat_sub(fleet_clock_ms(), request->sent_ms));
}

static bool take_end(struct model *m, struct request *request, const cJSON *frame) {
        const char *ended = finish_in(request, frame);
        struct request_usage told;
        if (!ended || !usage_in(frame, &told))
                return false;
        struct request_events events = request->events;
        void *user = request->user;
        note_service(m, request);
        request_free(request);
        m->engine.answers++;
        requests_note_end(m);
        events.on_end(user, ended, &told);
        return true;
}

/* How many numbers VECTOR has; 0: it is none. Infinity is what a number too large for JSON's readers becomes. */
static uint32_t dimensions_of(const cJSON *vector) {
        const cJSON *item;
        uint32_t count = 0;
        cJSON_ArrayForEach(item, vector) {
                if (!cJSON_IsNumber(item) || !isfinite(item->valuedouble))
                        return 0;
                count++;
        }
        return cJSON_IsArray(vector) ? count : 0;
}

/* Vectors come one by one, in the order of their texts and all as long. The last tells what they took. */
static bool take_vector(struct request *request, const cJSON *frame, bool is_last) {
        const cJSON *vector = cJSON_GetObjectItemCaseSensitive(frame, "vector");
        uint32_t index, dimensions = dimensions_of(vector);
        if (!count_in(frame, "index", &index) || index != request->vectors_taken || dimensions == 0 ||
            (index > 0 && dimensions != request->dimensions) ||
            (request->vectors > 0 && is_last != (index + 1 == request->vectors)))
                return false;
        request->dimensions = dimensions;
        request->vectors_taken++;
        request->spoke = true;
        if (request->events.on_embedding)
                request->events.on_embedding(request->user, vector);
        return true;
}

static bool take_embedding(struct model *m, struct request *request, const cJSON *frame) {
        struct request_usage told = { 0 };
        uint64_t id = request->id;
        bool is_last = cJSON_GetObjectItemCaseSensitive(frame, "prompt_tokens");
        if (!count_in(frame, "prompt_tokens", &told.prompt_tokens) || !take_vector(request, frame, is_last))
                return false;
        if (requests_running(m, id) != request)
                return true; /* the owner has left in the callback */
        if (!is_last)
                return true;
        struct request_events events = request->events;
        void *user = request->user;
        note_service(m, request);
        request_free(request);
        m->engine.answers++;
        requests_note_end(m);
        events.on_end(user, "stop", &told);
        return true;
}

/* Whoever looks after the machine hears of it once a load; each client is told by its own answer. */
static void warn_of_no_numbers(struct model *m, const struct failure *failure) {
        if (failure->reason != REASON_NO_NUMBERS || m->engine.no_numbers)
                return;
        m->engine.no_numbers = true;
        log_warning("no_numbers", LOG_TEXT("model", m->config->id), LOG_TEXT("file", m->config->path),
                    LOG_TEXT("message", failure->message), LOG_MAYBE("advice", failure->advice));
}

static void take_error(struct model *m, struct request *request, const cJSON *frame) {
        struct failure failure;
        failure_from_frame(&failure, frame);
        warn_of_no_numbers(m, &failure);
        log_info("request_refused", LOG_TEXT("model", m->config->id), LOG_NUMBER("status", failure.status),
                 LOG_MAYBE("code", failure.code), LOG_TEXT("message", failure.message), LOG_MAYBE("advice", failure.advice));
        queue_leave(&request->link);
        requests_note_end(m);
        request_fail(request, &failure);
}

bool requests_take_answer(struct model *m, struct request *request, enum answer_kind says, const cJSON *frame) {
        switch (says) {
        case ANSWER_START: return take_start(request, frame);
        case ANSWER_TEXT: return take_text(m, request, frame);
        case ANSWER_END: return take_end(m, request, frame);
        case ANSWER_EMBEDDING: return request_is_for_vectors(request->kind) && take_embedding(m, request, frame);
        case ANSWER_ERROR: take_error(m, request, frame); return true;
        }
        return false;
}
