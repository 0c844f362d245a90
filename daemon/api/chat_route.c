/*
 * chat_route.c - POST /v1/chat/completions and /v1/completions: what must be right before an engine is bothered.
 *
 * Types are checked for what we read ourselves and for what would be a waste to load a model for; everything else in
 * the body goes to the engine as it came, known or not.
 */
#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "daemon/api/completion.h"
#include "daemon/base/bounds.h"
#include "daemon/requests/failure.h"
#include "engine/base/cleanup.h"
#include "engine/base/json_get.h"

enum kind { KIND_FLAG, KIND_INTEGER, KIND_NUMBER, KIND_STRING, KIND_OBJECT, KIND_ARRAY };

static const struct expected {
        const char *field;
        enum kind kind;
} expectations[] = {
        { "model", KIND_STRING },
        { "stream", KIND_FLAG },
        { "stream_options", KIND_OBJECT },
        { "n", KIND_INTEGER },
        { "best_of", KIND_INTEGER },
        { "echo", KIND_FLAG },
        { "suffix", KIND_STRING },
        { "max_tokens", KIND_INTEGER },
        { "max_completion_tokens", KIND_INTEGER },
        { "temperature", KIND_NUMBER },
        { "top_p", KIND_NUMBER },
        { "top_k", KIND_INTEGER },
        { "min_p", KIND_NUMBER },
        { "presence_penalty", KIND_NUMBER },
        { "frequency_penalty", KIND_NUMBER },
        { "repeat_penalty", KIND_NUMBER },
        { "seed", KIND_INTEGER },
        { "logit_bias", KIND_OBJECT },
        { "top_logprobs", KIND_INTEGER },
        { "tools", KIND_ARRAY },
        { "response_format", KIND_OBJECT },
        { "service_tier", KIND_STRING },
};

/* The engine knows the ranges. A number too large for JSON's readers is infinite. */
static bool is_integer(const cJSON *item) {
        return json_is_whole(item, -DBL_MAX, DBL_MAX);
}

static const char *wrong_kind(const cJSON *item, enum kind kind) {
        switch (kind) {
        case KIND_FLAG: return cJSON_IsBool(item) ? NULL : "true or false";
        case KIND_INTEGER: return is_integer(item) ? NULL : "a whole number";
        case KIND_NUMBER: return cJSON_IsNumber(item) && isfinite(item->valuedouble) ? NULL : "a number";
        case KIND_STRING: return cJSON_IsString(item) ? NULL : "a string";
        case KIND_OBJECT: return cJSON_IsObject(item) ? NULL : "an object";
        case KIND_ARRAY: return cJSON_IsArray(item) ? NULL : "an array";
        }
        return NULL;
}

static bool check_kinds(const cJSON *body, struct failure *reterr) {
        for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
                const cJSON *item = json_get(body, expectations[i].field);
                const char *wanted = item ? wrong_kind(item, expectations[i].kind) : NULL;
                if (wanted) {
                        *reterr = error_bad_request(expectations[i].field, "'%s' must be %s", expectations[i].field, wanted);
                        return false;
                }
        }
        return true;
}

/* Parameters of the API that we do not support are better refused than ignored, since the answer would be another one. */
static bool check_offered(const cJSON *body, struct failure *reterr) {
        static const char *const single[] = { "n", "best_of" };
        const cJSON *echo = json_get(body, "echo"), *suffix = json_get(body, "suffix");

        for (size_t i = 0; i < 2; i++) {
                const cJSON *count = json_get(body, single[i]);
                if (count && count->valuedouble != 1) {
                        *reterr = error_bad_request(single[i], "'%s' must be 1: this server gives one answer to a request",
                                                    single[i]);
                        return false;
                }
        }
        if (cJSON_IsTrue(echo)) {
                *reterr = error_bad_request("echo", "'echo' is not offered: the answer does not repeat the prompt");
                return false;
        }
        if (suffix && *suffix->valuestring) {
                *reterr = error_bad_request("suffix", "'suffix' is not offered: text can only be continued at its end");
                return false;
        }
        return true;
}

static bool check_message(const cJSON *message, unsigned index, struct failure *reterr) {
        const cJSON *content = json_get(message, "content");

        if (!cJSON_IsObject(message)) {
                *reterr = error_bad_request("messages", "messages[%u] must be an object with 'role' and 'content'", index);
                return false;
        }
        if (!cJSON_IsString(json_get(message, "role"))) {
                *reterr = error_bad_request("messages", "messages[%u].role must be a string", index);
                return false;
        }
        if (content && !cJSON_IsString(content) && !cJSON_IsArray(content)) {
                *reterr =
                        error_bad_request("messages", "messages[%u].content must be a string, an array of parts, or null", index);
                return false;
        }
        return true;
}

static bool check_messages(const cJSON *body, struct failure *reterr) {
        const cJSON *messages = json_get(body, "messages"), *message, *logprobs = json_get(body, "logprobs");
        unsigned index = 0;

        if (!cJSON_IsArray(messages) || !messages->child) {
                *reterr = error_bad_request("messages", "'messages' must be an array of at least one message");
                return false;
        }
        cJSON_ArrayForEach(message, messages)
                if (!check_message(message, index++, reterr))
                        return false;
        if (logprobs && !cJSON_IsBool(logprobs)) {
                *reterr = error_bad_request("logprobs", "'logprobs' must be true or false; 'top_logprobs' is their number");
                return false;
        }
        return true;
}

static bool are_tokens(const cJSON *array) {
        const cJSON *item;

        cJSON_ArrayForEach(item, array)
                if (!json_is_whole(item, 0, INT32_MAX))
                        return false;
        return cJSON_IsArray(array) && array->child;
}

/* A list with one prompt in it is that prompt. */
static bool check_prompt(cJSON *body, struct failure *reterr) {
        const cJSON *prompt = json_get(body, "prompt"), *logprobs = json_get(body, "logprobs");
        const cJSON *only = cJSON_IsArray(prompt) && prompt->child && !prompt->child->next ? prompt->child : NULL;

        if (logprobs && !is_integer(logprobs)) {
                *reterr = error_bad_request("logprobs", "'logprobs' must be a whole number");
                return false;
        }
        if (cJSON_IsString(prompt) || are_tokens(prompt))
                return true;
        if (only && (cJSON_IsString(only) || are_tokens(only))) {
                cJSON *inner = cJSON_DetachItemViaPointer((cJSON *) (uintptr_t) prompt, (cJSON *) (uintptr_t) only);
                (void) cJSON_ReplaceItemInObjectCaseSensitive(body, "prompt", inner);
                return true;
        }
        if (cJSON_IsArray(prompt) && prompt->child && prompt->child->next &&
            (cJSON_IsString(prompt->child) || cJSON_IsArray(prompt->child)))
                *reterr = error_bad_request("prompt", "'prompt' holds several prompts; send one request for each");
        else
                *reterr = error_bad_request("prompt", "'prompt' must be a string or an array of token ids");
        return false;
}

char *api_choose_model(struct api *api, const cJSON *body, struct failure *reterr) {
        const cJSON *named = json_get(body, "model");

        if (named && *named->valuestring)
                return strdup(named->valuestring);
        struct model_status m, only = { 0 };
        uint32_t offered = 0;
        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                fleet_model_status(api->fleet, i, &m);
                if (m.offered && offered++ == 0)
                        only = m;
        }
        if (offered == 1)
                return strdup(only.id);
        *reterr = error_bad_request("model", "'model' is missing; GET /v1/models lists the %u there are", offered);
        return NULL;
}

static bool wants_usage(const cJSON *body) {
        return cJSON_IsTrue(json_get(json_get(body, "stream_options"), "include_usage"));
}

/* OpenAI's word for work that can wait is its service tier "flex"; the header is for clients that cannot set that. */
bool api_choose_class(const struct http_exchange *x, const cJSON *body, enum request_class *ret, struct failure *reterr) {
        const cJSON *tier = json_get(body, "service_tier");
        const char *header = http_header(x, "x-headroom-class");

        *ret = tier && !strcmp(tier->valuestring, "flex")       ? REQUEST_BATCH
               : tier && !strcmp(tier->valuestring, "priority") ? REQUEST_INTERACTIVE
                                                                : REQUEST_CLASS_OF_MODEL;
        if (!header)
                return true;
        if (!strcasecmp(header, "batch") || !strcasecmp(header, "interactive")) {
                *ret = strcasecmp(header, "batch") ? REQUEST_INTERACTIVE : REQUEST_BATCH;
                return true;
        }
        *reterr = error_bad_request("X-Headroom-Class", "the header X-Headroom-Class must be interactive or batch");
        return false;
}

static void start(struct api *api, struct http_exchange *x, bool is_chat) {
        struct failure f = { 0 };
        cJSON *body = api->is_stopping ? NULL : api_read_json(x, &f);

        if (api->is_stopping)
                failure_set(&f, REASON_SHUTTING_DOWN, NULL);
        bool is_right = body && check_kinds(body, &f) && check_offered(body, &f) &&
                        (is_chat ? check_messages(body, &f) : check_prompt(body, &f));
        enum request_class class = REQUEST_CLASS_OF_MODEL;
        is_right = is_right && api_choose_class(x, body, &class, &f);
        auto_free char *model = is_right ? api_choose_model(api, body, &f) : NULL;
        if (!model) {
                size_t size;
                (void) http_body(x, &size);
                if (size > API_LARGE_BODY)
                        api_trim_soon(api);
                cJSON_Delete(body);
                error_answer(x, &f);
                return;
        }
        const struct completion_options options = { is_chat, cJSON_IsTrue(json_get(body, "stream")), wants_usage(body), model,
                                                    class };
        completion_start(api, x, &options, body);
}

void handle_chat(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        start(api, x, true);
}

void handle_completion(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        start(api, x, false);
}
