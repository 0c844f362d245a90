/*
 * chat_route.c - POST /v1/chat/completions and its like in all dialects: what must be right before an engine is bothered.
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
#include "daemon/api/path.h"
#include "daemon/base/bounds.h"
#include "daemon/dialect/infill.h"
#include "daemon/config/config.h"
#include "daemon/requests/failure.h"
#include "engine/base/cleanup.h"

enum kind { KIND_FLAG, KIND_INTEGER, KIND_NUMBER, KIND_STRING, KIND_OBJECT, KIND_ARRAY };

static const struct expected {
        enum member member;
        enum kind kind;
} expectations[] = {
        { MEMBER_MODEL, KIND_STRING },
        { MEMBER_STREAM, KIND_FLAG },
        { MEMBER_STREAM_OPTIONS, KIND_OBJECT },
        { MEMBER_N, KIND_INTEGER },
        { MEMBER_BEST_OF, KIND_INTEGER },
        { MEMBER_ECHO, KIND_FLAG },
        { MEMBER_SUFFIX, KIND_STRING },
        { MEMBER_MAX_TOKENS, KIND_INTEGER },
        { MEMBER_MAX_COMPLETION_TOKENS, KIND_INTEGER },
        { MEMBER_TEMPERATURE, KIND_NUMBER },
        { MEMBER_TOP_P, KIND_NUMBER },
        { MEMBER_TOP_K, KIND_INTEGER },
        { MEMBER_MIN_P, KIND_NUMBER },
        { MEMBER_PRESENCE_PENALTY, KIND_NUMBER },
        { MEMBER_FREQUENCY_PENALTY, KIND_NUMBER },
        { MEMBER_REPEAT_PENALTY, KIND_NUMBER },
        { MEMBER_SEED, KIND_INTEGER },
        { MEMBER_LOGIT_BIAS, KIND_OBJECT },
        { MEMBER_TOP_LOGPROBS, KIND_INTEGER },
        { MEMBER_TOOLS, KIND_ARRAY },
        { MEMBER_RESPONSE_FORMAT, KIND_OBJECT },
        { MEMBER_SERVICE_TIER, KIND_STRING },
};

/* The engine knows the ranges. A number too large for JSON's readers is infinite. */
static bool is_integer(struct json_value v) {
        return json_whole(v, -DBL_MAX, DBL_MAX);
}

static const char *wrong_kind(struct json_value v, enum kind kind) {
        switch (kind) {
        case KIND_FLAG: return v.kind == JSON_TRUE || v.kind == JSON_FALSE ? NULL : "true or false";
        case KIND_INTEGER: return is_integer(v) ? NULL : "a whole number";
        case KIND_NUMBER: return isfinite(json_double(v)) ? NULL : "a number";
        case KIND_STRING: return v.kind == JSON_STRING ? NULL : "a string";
        case KIND_OBJECT: return v.kind == JSON_OBJECT ? NULL : "an object";
        case KIND_ARRAY: return v.kind == JSON_ARRAY ? NULL : "an array";
        }
        return NULL;
}

static bool check_kinds(const struct body_facts *f, struct failure *reterr) {
        for (size_t i = 0; i < sizeof expectations / sizeof *expectations; i++) {
                const char *name = body_member_name(expectations[i].member);
                struct json_value v = f->members[expectations[i].member];
                const char *wanted = v.kind != JSON_NONE ? wrong_kind(v, expectations[i].kind) : NULL;
                if (wanted) {
                        *reterr = bad_request(name, "'%s' must be %s", name, wanted);
                        return false;
                }
        }
        return true;
}

/* M's value; 1 where it is absent. 0 and *reterr: it is more than MOST. */
static uint32_t read_count(const struct body_facts *f, enum member m, uint32_t most, struct failure *reterr) {
        struct json_value count = f->members[m];
        const char *name = body_member_name(m);

        if (count.kind == JSON_NONE || json_whole(count, 1, most))
                return count.kind == JSON_NONE ? 1 : (uint32_t) json_double(count);
        *reterr = bad_request(name, "'%s' must be from 1 to %u", name, most);
        return 0;
}

static bool check_messages(const struct body_facts *f, struct failure *reterr) {
        struct json_value logprobs = f->members[MEMBER_LOGPROBS], suffix = f->members[MEMBER_SUFFIX];
        unsigned index = f->messages.wrong_index;

        if (f->messages.count == 0)
                *reterr = bad_request("messages", "'messages' must be an array of at least one message");
        else if (f->messages.fault == MESSAGE_NO_OBJECT)
                *reterr = bad_request("messages", "messages[%u] must be an object with 'role' and 'content'", index);
        else if (f->messages.fault == MESSAGE_NO_ROLE)
                *reterr = bad_request("messages", "messages[%u].role must be a string", index);
        else if (f->messages.fault == MESSAGE_CONTENT)
                *reterr = bad_request("messages", "messages[%u].content must be a string, an array of parts, or null", index);
        else if (logprobs.kind != JSON_NONE && wrong_kind(logprobs, KIND_FLAG))
                *reterr = bad_request("logprobs", "'logprobs' must be true or false; 'top_logprobs' is their number");
        else if (body_is_true(f, MEMBER_ECHO))
                *reterr = bad_request("echo", "'echo' is of completions: a chat's answer does not repeat it");
        else if (suffix.kind != JSON_NONE && !json_string_is(suffix, ""))
                *reterr = bad_request("suffix", "'suffix' is of completions: a chat has no text behind it");
        else
                return true;
        return false;
}

/* How many prompts there are; 0 and *reterr: none, or something else in their place. */
static uint32_t count_prompts(const struct body_facts *f, struct failure *reterr) {
        const struct list_facts *l = &f->prompt;
        bool is_list = l->first == JSON_STRING || l->first == JSON_ARRAY;

        if (f->members[MEMBER_PROMPT].kind == JSON_STRING || l->are_tokens)
                return 1;
        if (l->count > 0 && l->count <= API_PROMPTS_MAX && l->wrong_index == l->count)
                return l->count;
        if (is_list && l->count > API_PROMPTS_MAX)
                *reterr = bad_request("prompt", "'prompt' holds %u prompts, and %u are the most in a request", l->count,
                                      API_PROMPTS_MAX);
        else if (is_list && l->count > 0)
                *reterr = bad_request("prompt", "prompt[%u] must be a string that is not empty, or an array of token ids",
                                      l->wrong_index);
        else
                *reterr = bad_request("prompt", "'prompt' must be a string, an array of token ids, or an array of such");
        return 0;
}

static bool check_prompt(const struct body_facts *f, struct failure *reterr) {
        struct json_value logprobs = f->members[MEMBER_LOGPROBS];

        if (logprobs.kind != JSON_NONE && !is_integer(logprobs)) {
                *reterr = bad_request("logprobs", "'logprobs' must be a whole number");
                return false;
        }
        return count_prompts(f, reterr) > 0;
}

char *api_default_model(struct api *api, struct failure *reterr) {
        struct model_status m, only = { 0 };
        uint32_t offered = 0;

        if (*api->config->default_model)
                return strdup(api->config->default_model);
        for (uint32_t i = 0; i < fleet_models_count(api->fleet); i++) {
                fleet_model_status(api->fleet, i, &m);
                if (m.offered && offered++ == 0)
                        only = m;
        }
        if (offered == 1)
                return strdup(only.id);
        *reterr = bad_request(
                "model",
                "'model' is missing; GET /v1/models lists the %u there are, and default_model in [models] could name one",
                offered);
        return NULL;
}

char *api_choose_model(struct api *api, const struct http_exchange *x, const struct body *body, struct failure *reterr) {
        struct json_value named = body->facts.members[MEMBER_MODEL];
        char name[API_NAME_MAX + 1];
        size_t length;
        const char *deployment = path_deployment(api->routes, http_path(x), &length);

        if (deployment)
                return strndup(deployment, length);
        if (named.kind != JSON_NONE && !json_string_is(named, "")) {
                (void) json_string_copy(named, name, sizeof name);
                return strdup(name);
        }
        return api_default_model(api, reterr);
}

/* Of what api_keep_as_asked passes on. */
static bool check_protect(const struct http_exchange *x, struct failure *reterr) {
        const char *protect = http_header(x, PROTECT_HEADER);
        uint64_t ms;

        if (!protect || (!value_duration(protect, &ms) && ms <= PROTECT_CLIENT_MAX_MS))
                return true;
        *reterr = bad_request("X-Headroom-Protect",
                              "the header X-Headroom-Protect must be a time, such as 90s or 10m, and an hour at the most");
        return false;
}

/* OpenAI's word for work that can wait is its service tier "flex"; the header is for clients that cannot set that. */
bool api_choose_class(const struct http_exchange *x, const struct body *body, enum request_class *ret, struct failure *reterr) {
        struct json_value tier = body->facts.members[MEMBER_SERVICE_TIER];
        const char *header = http_header(x, "x-headroom-class");

        *ret = json_string_is(tier, "flex") || json_string_is(tier, "batch") ? REQUEST_BATCH
               : json_string_is(tier, "priority")                            ? REQUEST_INTERACTIVE
                                                                             : REQUEST_CLASS_OF_MODEL;
        if (!header)
                return check_protect(x, reterr);
        if (!strcasecmp(header, "batch") || !strcasecmp(header, "interactive")) {
                *ret = strcasecmp(header, "batch") ? REQUEST_INTERACTIVE : REQUEST_BATCH;
                return check_protect(x, reterr);
        }
        *reterr = bad_request("X-Headroom-Class", "the header X-Headroom-Class must be interactive or batch");
        return false;
}

static bool check_asked(const struct body_facts *f, bool is_chat, struct failure *reterr) {
        return check_kinds(f, reterr) && (is_chat ? check_messages(f, reterr) : check_prompt(f, reterr));
}

/* `best_of`: answers to a prompt, of which CHOICES are sent. 0 and *reterr: that cannot be. */
static uint32_t count_candidates(const struct body_facts *f, const struct dialect *dialect, uint32_t choices,
                                 struct failure *reterr) {
        bool is_stream = body_is_true(f, MEMBER_STREAM), is_said = f->members[MEMBER_BEST_OF].kind != JSON_NONE;
        uint32_t count = is_said ? read_count(f, MEMBER_BEST_OF, API_BEST_OF_MAX, reterr) : choices;

        if (count == 0 || count == choices)
                return count;
        if (dialect->is_chat)
                *reterr = bad_request("best_of", "'best_of' is of completions: 'n' asks a chat for several answers");
        else if (count < choices)
                *reterr = bad_request("best_of", "'best_of' must not be less than 'n'");
        else if (is_stream)
                *reterr = bad_request("best_of",
                                      "'best_of' above 'n' is not for streams: which answers are best is known at their end");
        else
                return count;
        return 0;
}

/* How many answers there will be. Dialects without choices give their own meaning to such names, or none. */
static bool count_answers(const struct body_facts *f, struct completion_options *options, struct failure *reterr) {
        const struct dialect *dialect = options->dialect;

        if (!dialect->has_choices)
                return true;
        options->choices = read_count(f, MEMBER_N, API_CHOICES_MAX, reterr);
        options->candidates = options->choices ? count_candidates(f, dialect, options->choices, reterr) : 0;
        options->prompts = options->candidates == 0 ? 0 : dialect->is_chat ? 1 : count_prompts(f, reterr);
        if (options->prompts * options->candidates <= API_ANSWERS_MAX)
                return options->prompts > 0;
        *reterr = bad_request("prompt", "%u prompts with %u answers each are more than the %u answers that a request may have",
                              options->prompts, options->candidates, API_ANSWERS_MAX);
        return false;
}

void api_start_answer(struct api *api, struct http_exchange *x, const struct body *body, const struct dialect *dialect) {
        const struct body_facts *facts = &body->facts;
        struct completion_options options = { .dialect = dialect,
                                              .is_stream = body_is_true(facts, MEMBER_STREAM) && !dialect->looks,
                                              .includes_usage = facts->includes_usage };
        struct failure f = { 0 };
        bool is_right = (body->asked.is_load || check_asked(facts, dialect->is_chat, &f)) &&
                        api_choose_class(x, body, &options.class, &f) && count_answers(facts, &options, &f);
        auto_free char *model = is_right ? api_choose_model(api, x, body, &f) : NULL;

        if (model) {
                options.model = model;
                completion_start(api, x, &options, body);
        } else {
                error_answer_as(dialect, x, &f);
        }
}

static void start_chat(struct api *api, struct http_exchange *x, const struct body *body) {
        api_start_answer(api, x, body, &dialect_openai_chat);
}

static void start_completion(struct api *api, struct http_exchange *x, const struct body *body) {
        api_start_answer(api, x, body, &dialect_openai_completion);
}

static void start_translated(struct api *api, struct http_exchange *x, const struct body *body) {
        api_start_answer(api, x, body, body->dialect);
}

void handle_chat(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_chat);
}

void handle_completion(struct api *api, struct http_exchange *x, const char *rest) {
        (void) rest;
        api_read_body(api, x, start_completion);
}

void handle_infill(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_infill, translate_infill };

        (void) rest;
        api_read_body_as(api, x, &as, start_translated);
}

void handle_messages(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_anthropic, translate_anthropic };

        (void) rest;
        api_read_body_as(api, x, &as, start_translated);
}

void handle_count_tokens(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_anthropic_count, translate_anthropic };

        (void) rest;
        api_read_body_as(api, x, &as, start_translated);
}

void handle_responses(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_responses, translate_responses };

        (void) rest;
        api_read_body_as(api, x, &as, start_translated);
}

void handle_input_tokens(struct api *api, struct http_exchange *x, const char *rest) {
        static const struct reading_as as = { &dialect_responses_count, translate_responses };

        (void) rest;
        api_read_body_as(api, x, &as, start_translated);
}
