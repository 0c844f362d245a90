/*
 * ollama_body.c - what clients ask of Ollama's API, as the body that engines know.
 *
 * Options that say how Ollama would place a model in memory are left out, since that is Headroom's to know, and so is a
 * context size, which is no reason to load anything anew. Results of tools are found by the order of their calls,
 * as Ollama's clients name a call by its tool alone.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/translate/translate.h"

#define DURATION_BYTES 64u /* of a duration in words: longer ones are none */

/* Values that clients leave to Ollama. */
static const struct json_value yes = { JSON_TRUE, "true", 4 }, zero = { JSON_NUMBER, "0", 1 },
                               no_limit = { JSON_NUMBER, "-1", 2 };

static bool is_said(struct json_value v) {
        return v.kind != JSON_NONE && !json_string_is(v, "");
}

static bool has_items(struct json_value v) {
        struct json_value item;
        struct json_walk r;

        items_begin(&r, v);
        return items_next(&r, &item);
}

static bool refuse_images(struct json_value images, struct failure *reterr) {
        if (has_items(images))
                *reterr = bad_request("images", "'images' are not offered: this server's models read text alone");
        return has_items(images);
}

/* --- keep_alive --- */

/* A number without a unit is seconds, which Ollama would not take as a string and some clients send. */
static const struct {
        const char *name;
        double ms;
} units[] = { { "h", 3.6e6 }, { "m", 6e4 },   { "s", 1e3 },   { "ms", 1 }, { "us", 1e-3 },
              { "µs", 1e-3 }, { "μs", 1e-3 }, { "ns", 1e-6 }, { "", 1e3 } };

/* One number and its unit, as in the language Go; what stands behind them. NULL: there are none. */
static const char *read_unit(const char *text, double *ret_ms) {
        size_t digits = strspn(text, "0123456789."), length = strcspn(text + digits, "0123456789.");
        char *end;
        double number = strtod(text, &end);

        for (size_t i = 0; digits && end == text + digits && i < sizeof units / sizeof *units; i++) {
                if (strlen(units[i].name) != length || memcmp(units[i].name, end, length) != 0)
                        continue;
                *ret_ms = number * units[i].ms;
                return end + length;
        }
        return NULL;
}

/* "5m", "1h30m", "-1m", "300" */
static bool read_duration(const char *text, double *ret_ms) {
        bool is_negative = *text == '-';
        double sum = 0, ms;

        text += is_negative || *text == '+';
        if (!*text)
                return false;
        while (*text) {
                text = read_unit(text, &ms);
                if (!text)
                        return false;
                sum += ms;
        }
        *ret_ms = is_negative ? -sum : sum;
        return true;
}

static bool read_keep_alive(struct json_value v, struct asked *asked, struct failure *reterr) {
        char text[DURATION_BYTES];
        double ms = 1000 * json_double(v);

        if (!is_said(v))
                return true;
        if (v.kind == JSON_STRING && (json_string_copy(v, text, sizeof text) >= sizeof text || !read_duration(text, &ms)))
                ms = (double) NAN;
        if (isnan(ms)) {
                *reterr = bad_request("keep_alive",
                                      "'keep_alive' must be a number of seconds or a duration such as \"5m\" or \"1h30m\"; "
                                      "a negative one is for ever");
                return false;
        }
        asked->has_keep_alive = true;
        asked->keep_alive_ms = ms < 0 || ms > 1e15 ? -1 : (int64_t) ms; /* 30,000 years are for ever too */
        return true;
}

/* --- options --- */

/* Numbers all of them, which engines know by the same names. */
static const char *const options[] = { "temperature",
                                       "top_k",
                                       "top_p",
                                       "min_p",
                                       "typical_p",
                                       "repeat_last_n",
                                       "repeat_penalty",
                                       "presence_penalty",
                                       "frequency_penalty",
                                       "mirostat",
                                       "mirostat_tau",
                                       "mirostat_eta",
                                       "seed" };
#define OPTIONS_COUNT (sizeof options / sizeof *options)

/* Without a limit, or with none (-1), with all that the context holds (-2), or 0, an answer goes on until it ends. */
static bool put_limit(struct text *out, struct json_value limit, struct failure *reterr) {
        if (limit.kind != JSON_NONE && !json_whole(limit, -HUGE_VAL, HUGE_VAL)) {
                *reterr = bad_request("num_predict", "options.num_predict must be a whole number");
                return false;
        }
        put_member(out, "max_tokens", json_double(limit) > 0 ? limit : no_limit);
        return true;
}

static bool put_options(struct text *out, struct json_value all, struct failure *reterr) {
        const char *names[OPTIONS_COUNT + 2] = { [OPTIONS_COUNT] = "stop", "num_predict" };
        struct json_value values[OPTIONS_COUNT + 2];

        if (all.kind != JSON_NONE && all.kind != JSON_OBJECT) {
                *reterr = bad_request("options", "'options' must be an object");
                return false;
        }
        for (size_t i = 0; i < OPTIONS_COUNT; i++)
                names[i] = options[i];
        find_members(all, names, OPTIONS_COUNT + 2, values);
        for (size_t i = 0; i < OPTIONS_COUNT; i++) {
                if (values[i].kind != JSON_NONE && values[i].kind != JSON_NUMBER) {
                        *reterr = bad_request(names[i], "options.%s must be a number", names[i]);
                        return false;
                }
                put_member(out, names[i], values[i]);
        }
        put_member(out, "stop", values[OPTIONS_COUNT]);
        return put_limit(out, values[OPTIONS_COUNT + 1], reterr);
}

/* --- what chats and generations share --- */

static bool put_format(struct text *out, struct json_value format, struct failure *reterr) {
        if (!is_said(format))
                return true;
        if (format.kind != JSON_OBJECT && !json_string_is(format, "json")) {
                *reterr = bad_request("format", "'format' must be \"json\" or a JSON Schema, which is an object");
                return false;
        }
        put_key(out, "response_format");
        if (format.kind == JSON_OBJECT) {
                text_puts(out, "{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"format\"");
                put_member(out, "schema", format);
                text_puts(out, "}}");
        } else {
                text_puts(out, "{\"type\":\"json_object\"}");
        }
        return true;
}

enum { MODEL, STREAM, KEEP_ALIVE, OPTIONS, FORMAT, THINK, LOGPROBS, TOP_LOGPROBS, SHARED_MEMBERS };
#define SHARED_NAMES "model", "stream", "keep_alive", "options", "format", "think", "logprobs", "top_logprobs"

static void begin_body(struct text *out, const struct json_value m[]) {
        text_puts(out, "{");
        put_member(out, "model", m[MODEL]);
        put_member(out, "stream", m[STREAM].kind == JSON_NONE ? yes : m[STREAM]);
}

/* A text that goes on has no form but its own, and its log-probabilities are asked for by their number. */
static bool put_shared(struct text *out, const struct json_value m[], bool is_chat, struct failure *reterr) {
        if (!put_options(out, m[OPTIONS], reterr) || !put_format(out, m[FORMAT], reterr))
                return false;
        if (is_chat) {
                put_member(out, "think", m[THINK]);
                put_member(out, "logprobs", m[LOGPROBS]);
                put_member(out, "top_logprobs", m[TOP_LOGPROBS]);
        } else if (m[LOGPROBS].kind == JSON_TRUE) {
                put_member(out, "logprobs", m[TOP_LOGPROBS].kind == JSON_NONE ? zero : m[TOP_LOGPROBS]);
        }
        return true;
}

/* --- messages --- */

/*
 * Calls without ids are counted, so that a result can be given to its call. Ids are nine letters and digits, which all templates take. A call
 * without a name goes over as it is, as what is no message does: both are refused where all are.
 */
struct calls {
        uint32_t count, answered;
};

static void put_call_id(struct text *out, const char *name, struct json_value given, uint32_t number) {
        put_member(out, name, given);
        if (given.kind != JSON_NONE)
                return;
        put_key(out, name);
        text_printf(out, "\"call%05u\"", number);
}

static void put_call(struct text *out, struct json_value call, struct calls *calls) {
        static const char *const names[] = { "id", "function" };
        static const char *const of_function[] = { "name", "arguments" };
        struct json_value m[2], function[2];

        find_members(call, names, 2, m);
        find_members(m[1], of_function, 2, function);
        put_comma(out);
        if (function[0].kind == JSON_NONE) {
                text_add(out, call.at, call.length);
                return;
        }
        text_puts(out, "{");
        put_call_id(out, "id", m[0], ++calls->count);
        text_puts(out, ",\"type\":\"function\",\"function\":{");
        put_member(out, "name", function[0]);
        put_member(out, "arguments", function[1]);
        text_puts(out, "}}");
}

static void put_calls(struct text *out, struct json_value list, struct calls *calls) {
        struct json_value call;
        struct json_walk r;

        if (!has_items(list))
                return;
        put_key(out, "tool_calls");
        text_puts(out, "[");
        calls->answered = calls->count;
        items_begin(&r, list);
        while (items_next(&r, &call))
                put_call(out, call, calls);
        text_puts(out, "]");
}

static bool put_message(struct text *out, struct json_value message, struct calls *calls, struct failure *reterr) {
        enum { ROLE, CONTENT, THINKING, IMAGES, TOOL_CALLS, TOOL_NAME, TOOL_CALL_ID, MEMBERS };
        static const char *const names[MEMBERS] = { "role",       "content",   "thinking",    "images",
                                                    "tool_calls", "tool_name", "tool_call_id" };
        struct json_value m[MEMBERS];

        put_comma(out);
        if (message.kind != JSON_OBJECT) {
                text_add(out, message.at, message.length);
                return true;
        }
        find_members(message, names, MEMBERS, m);
        if (refuse_images(m[IMAGES], reterr))
                return false;
        text_puts(out, "{");
        put_member(out, "role", m[ROLE]);
        put_member(out, "content", m[CONTENT]);
        put_member(out, "reasoning_content", m[THINKING]);
        put_calls(out, m[TOOL_CALLS], calls);
        put_member(out, "name", m[TOOL_NAME]);
        if (json_string_is(m[ROLE], "tool"))
                put_call_id(out, "tool_call_id", m[TOOL_CALL_ID], ++calls->answered);
        text_puts(out, "}");
        return true;
}

static bool put_messages(struct text *out, struct json_value list, struct failure *reterr) {
        struct json_value message;
        struct json_walk r;
        struct calls calls = { 0 };

        put_key(out, "messages");
        text_puts(out, "[");
        items_begin(&r, list);
        while (items_next(&r, &message))
                if (!put_message(out, message, &calls, reterr))
                        return false;
        text_puts(out, "]");
        return true;
}

/* Closes the body of who asks for nothing but the model. */
static bool ask_for_model(struct text *out, struct asked *asked) {
        asked->is_load = true;
        text_puts(out, "}");
        return true;
}

bool translate_ollama_chat(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        enum { MESSAGES = SHARED_MEMBERS, TOOLS, MEMBERS };
        static const char *const names[MEMBERS] = { SHARED_NAMES, "messages", "tools" };
        struct json_value m[MEMBERS];

        find_members((struct json_value){ JSON_OBJECT, source, size }, names, MEMBERS, m);
        if (!read_keep_alive(m[KEEP_ALIVE], asked, reterr))
                return false;
        begin_body(out, m);
        if (m[MESSAGES].kind == JSON_NONE || (m[MESSAGES].kind == JSON_ARRAY && !has_items(m[MESSAGES])))
                return ask_for_model(out, asked);
        if (!put_messages(out, m[MESSAGES], reterr) || !put_shared(out, m, true, reterr))
                return false;
        if (has_items(m[TOOLS]))
                put_member(out, "tools", m[TOOLS]);
        text_puts(out, "}");
        return true;
}

/* --- generations --- */

enum { PROMPT = SHARED_MEMBERS, SYSTEM, RAW, SUFFIX, TEMPLATE, PICTURES, GENERATE_MEMBERS };

static bool check_prompt(const struct json_value m[], struct failure *reterr) {
        if (refuse_images(m[PICTURES], reterr))
                return false;
        if (m[PROMPT].kind != JSON_NONE && m[PROMPT].kind != JSON_STRING)
                *reterr = bad_request("prompt", "'prompt' must be a string");
        else if (is_said(m[TEMPLATE]) && m[RAW].kind != JSON_TRUE)
                *reterr =
                        bad_request("template", "'template' is not offered: the model's own writes its prompts; send one that is "
                                                "written already with 'raw'");
        else
                return true;
        return false;
}

static void put_turn(struct text *out, const char *role, struct json_value content) {
        put_comma(out);
        text_printf(out, "{\"role\":\"%s\"", role);
        put_member(out, "content", content);
        text_puts(out, "}");
}

static void put_turns(struct text *out, const struct json_value m[]) {
        put_key(out, "messages");
        text_puts(out, "[");
        if (is_said(m[SYSTEM]))
                put_turn(out, "system", m[SYSTEM]);
        put_turn(out, "user", m[PROMPT]);
        text_puts(out, "]");
}

bool translate_ollama_generate(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        static const char *const names[GENERATE_MEMBERS] = { SHARED_NAMES, "prompt",   "system", "raw",
                                                             "suffix",     "template", "images" };
        struct json_value m[GENERATE_MEMBERS];

        find_members((struct json_value){ JSON_OBJECT, source, size }, names, GENERATE_MEMBERS, m);
        if (!read_keep_alive(m[KEEP_ALIVE], asked, reterr) || !check_prompt(m, reterr))
                return false;
        begin_body(out, m);
        if (!is_said(m[PROMPT]))
                return ask_for_model(out, asked);
        bool is_chat = m[RAW].kind != JSON_TRUE && !is_said(m[SUFFIX]);
        if (is_chat) {
                put_turns(out, m);
        } else {
                put_member(out, "prompt", m[PROMPT]);
                put_member(out, "suffix", m[SUFFIX]);
        }
        bool is_well = put_shared(out, m, is_chat, reterr);
        text_puts(out, "}");
        return is_well;
}

/* --- vectors, and models by their names --- */

static bool translate_inputs(const char *source, size_t size, const char *name, struct text *out, struct asked *asked,
                             struct failure *reterr) {
        enum { OF_MODEL, INPUT, TRUNCATE, DIMENSIONS, KEPT, MEMBERS };
        const char *const names[MEMBERS] = { "model", name, "truncate", "dimensions", "keep_alive" };
        struct json_value m[MEMBERS];

        find_members((struct json_value){ JSON_OBJECT, source, size }, names, MEMBERS, m);
        if (!read_keep_alive(m[KEPT], asked, reterr))
                return false;
        text_puts(out, "{");
        put_member(out, "model", m[OF_MODEL]);
        if (!is_said(m[INPUT]) || (m[INPUT].kind == JSON_ARRAY && !has_items(m[INPUT])))
                return ask_for_model(out, asked);
        put_member(out, "input", m[INPUT]);
        put_member(out, "dimensions", m[DIMENSIONS]);
        put_member(out, "truncate", m[TRUNCATE].kind == JSON_NONE ? yes : m[TRUNCATE]);
        text_puts(out, "}");
        return true;
}

bool translate_ollama_embed(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        return translate_inputs(source, size, "input", out, asked, reterr);
}

bool translate_ollama_embeddings(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        return translate_inputs(source, size, "prompt", out, asked, reterr);
}

bool translate_ollama_name(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        static const char *const names[] = { "model", "stream", "name" };
        struct json_value m[3];

        (void) asked;
        find_members((struct json_value){ JSON_OBJECT, source, size }, names, 3, m);
        struct json_value model = is_said(m[MODEL]) ? m[MODEL] : m[2];
        if (model.kind != JSON_STRING || !is_said(model)) {
                *reterr = bad_request("model", "'model' must be the name of a model");
                return false;
        }
        m[MODEL] = model;
        begin_body(out, m);
        text_puts(out, "}");
        return true;
}
