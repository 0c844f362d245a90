/*
 * responses_body.c - what clients ask for at POST /v1/responses, as the body that engines know.
 *
 * Nothing is kept between two requests, so that all of a conversation stands in `input`: a list of items, where what an assistant has
 * thought, said and called are items of their own, and are one message for a model. So are instructions and the messages of a system or
 * developer that follow them, since many templates know one place for such. What we cannot offer is refused by its name.
 */
#include <string.h>

#include "daemon/translate/responses.h"
#include "daemon/translate/translate.h"

#define WORD_BYTES 64u /* of a client's word in a sentence */

static const char *word_of(struct json_value v, char ret[WORD_BYTES]) {
        (void) json_string_copy(v, ret, WORD_BYTES);
        return ret;
}

/* --- the parts of a message --- */

/* The text of a part, JSON_NONE where it has none. */
static struct json_value text_of(struct json_value part) {
        static const char *const names[] = { "type", "text", "refusal" };
        static const char *const types[] = { "input_text", "output_text", "text", "summary_text", "reasoning_text", "refusal" };
        struct json_value m[3];

        find_members(part, names, 3, m);
        for (size_t i = 0; i < sizeof types / sizeof *types; i++)
                if (json_string_is(m[0], types[i]))
                        return m[i < 5 ? 1 : 2];
        return (struct json_value){ .kind = JSON_NONE };
}

static bool check_parts(const struct translation *t, uint32_t item, const char *name, struct json_value parts) {
        static const char *const names[] = { "type" };
        struct json_value part, type;
        struct json_walk r;
        char word[WORD_BYTES];

        if (parts.kind != JSON_STRING && parts.kind != JSON_ARRAY) {
                *t->reterr = bad_request("input", "input[%u].%s must be a string or a list of parts", item, name);
                return false;
        }
        items_begin(&r, parts);
        for (uint32_t i = 0; items_next(&r, &part); i++) {
                if (text_of(part).kind == JSON_STRING)
                        continue;
                find_members(part, names, 1, &type);
                *t->reterr = bad_request("input",
                                         "input[%u].%s[%u], of type '%s', cannot be read: this server's models read text alone",
                                         item, name, i, word_of(type, word));
                return false;
        }
        return true;
}

static void put_texts(struct text *out, struct json_value parts) {
        struct json_value part;
        struct json_walk r;

        if (parts.kind == JSON_STRING)
                put_text_part(out, parts);
        items_begin(&r, parts);
        while (items_next(&r, &part))
                put_text_part(out, text_of(part));
}

/* --- items --- */

enum { TYPE, ROLE, CONTENT, ID, CALL_ID, NAME, ARGUMENTS, OUTPUT, SUMMARY, ITEM_MEMBERS };

enum item_kind { ITEM_SYSTEM, ITEM_USER, ITEM_SAID, ITEM_THOUGHT, ITEM_CALL, ITEM_RESULT, ITEM_NOTHING, ITEM_WRONG };

struct item {
        enum item_kind kind;
        struct json_value m[ITEM_MEMBERS];
};

/* What is thought need not be known again, so a reference to it is as good as nothing. */
static bool is_thought_reference(struct json_value id) {
        return id.length > 4 && !memcmp(id.at, "\"rs_", 4);
}

static enum item_kind kind_of(const struct json_value m[]) {
        bool is_message = json_string_is(m[TYPE], "message") || m[TYPE].kind == JSON_NONE;

        if (is_message)
                return json_string_is(m[ROLE], "system") || json_string_is(m[ROLE], "developer") ? ITEM_SYSTEM
                       : json_string_is(m[ROLE], "user")                                         ? ITEM_USER
                       : json_string_is(m[ROLE], "assistant")                                    ? ITEM_SAID
                                                                                                 : ITEM_WRONG;
        return json_string_is(m[TYPE], "reasoning")                                       ? ITEM_THOUGHT
               : json_string_is(m[TYPE], "function_call")                                 ? ITEM_CALL
               : json_string_is(m[TYPE], "function_call_output")                          ? ITEM_RESULT
               : json_string_is(m[TYPE], "item_reference") && is_thought_reference(m[ID]) ? ITEM_NOTHING
                                                                                          : ITEM_WRONG;
}

static bool is_of_assistant(enum item_kind kind) {
        return kind == ITEM_SAID || kind == ITEM_THOUGHT || kind == ITEM_CALL || kind == ITEM_NOTHING;
}

static bool next_item(struct json_walk *r, struct item *ret) {
        static const char *const names[ITEM_MEMBERS] = { "type", "role",      "content", "id",     "call_id",
                                                         "name", "arguments", "output",  "summary" };
        struct json_value value;

        if (!items_next(r, &value))
                return false;
        find_members(value, names, ITEM_MEMBERS, ret->m);
        ret->kind = kind_of(ret->m);
        return true;
}

static bool refuse_item(const struct translation *t, uint32_t index, const struct json_value m[]) {
        char word[WORD_BYTES];

        if (json_string_is(m[TYPE], "item_reference")) {
                *t->reterr = bad_request("input",
                                         "input[%u] is an item_reference, and this server keeps no items: with store: false the "
                                         "client sends the items themselves",
                                         index);
                t->reterr->advice = "set store to false in the client, in the AI SDK by providerOptions.openai.store";
        } else if (m[TYPE].kind == JSON_NONE || json_string_is(m[TYPE], "message"))
                *t->reterr = bad_request("input", "input[%u].role must be 'user', 'assistant', 'system' or 'developer'", index);
        else
                *t->reterr = bad_request("input", "input[%u]: items of type '%s' are not offered", index, word_of(m[TYPE], word));
        return false;
}

static bool check_strings(const struct translation *t, uint32_t index, struct json_value a, const char *name_a,
                          struct json_value b, const char *name_b) {
        if (a.kind == JSON_STRING && b.kind == JSON_STRING)
                return true;
        *t->reterr = bad_request("input", "input[%u].%s must be a string", index, a.kind == JSON_STRING ? name_b : name_a);
        return false;
}

static bool check_item(const struct translation *t, uint32_t index, const struct item *item) {
        const struct json_value *m = item->m;

        switch (item->kind) {
        case ITEM_SYSTEM:
        case ITEM_USER:
        case ITEM_SAID: return check_parts(t, index, "content", m[CONTENT]);
        case ITEM_THOUGHT:
                return (m[CONTENT].kind == JSON_NONE || check_parts(t, index, "content", m[CONTENT])) &&
                       (m[SUMMARY].kind == JSON_NONE || check_parts(t, index, "summary", m[SUMMARY]));
        case ITEM_CALL: return check_strings(t, index, m[CALL_ID], "call_id", m[NAME], "name");
        case ITEM_RESULT:
                return check_strings(t, index, m[CALL_ID], "call_id", m[CALL_ID], "call_id") &&
                       check_parts(t, index, "output", m[OUTPUT]);
        case ITEM_NOTHING: return true;
        case ITEM_WRONG: break;
        }
        return refuse_item(t, index, m);
}

/* --- messages --- */

static void begin_message(struct text *out, const char *role) {
        put_comma(out);
        text_printf(out, "{\"role\":\"%s\",\"content\":[", role);
}

/* All that was thought in COUNT items, as one string: the words themselves where they are there, else what they come to. */
static void put_thoughts(struct text *out, struct json_walk r, uint32_t count) {
        struct json_value part;
        struct json_walk parts;
        struct item item;
        bool is_open = false;

        for (; count > 0 && next_item(&r, &item); count--) {
                if (item.kind != ITEM_THOUGHT)
                        continue;
                items_begin(&parts, item.m[item.m[CONTENT].kind == JSON_ARRAY ? CONTENT : SUMMARY]);
                for (; items_next(&parts, &part); is_open = true) {
                        struct json_value text = text_of(part);
                        if (!is_open)
                                text_puts(out, ",\"reasoning_content\":\"");
                        text_add(out, text.at + 1, text.length - 2);
                }
        }
        text_puts(out, is_open ? "\"" : "");
}

static void put_calls(struct text *out, struct json_walk r, uint32_t count) {
        struct item item;
        bool is_open = false;

        for (; count > 0 && next_item(&r, &item); count--) {
                if (item.kind != ITEM_CALL)
                        continue;
                text_puts(out, is_open ? "," : ",\"tool_calls\":[");
                text_puts(out, "{\"type\":\"function\"");
                put_member(out, "id", item.m[CALL_ID]);
                text_puts(out, ",\"function\":{");
                put_member(out, "name", item.m[NAME]);
                put_member(out, "arguments", item.m[ARGUMENTS]);
                text_puts(out, "}}");
                is_open = true;
        }
        text_puts(out, is_open ? "]" : "");
}

/* Whether there is more in COUNT items than what was thought. */
static bool says(struct json_walk r, uint32_t count) {
        struct item item;

        for (; count > 0 && next_item(&r, &item); count--)
                if (item.kind == ITEM_SAID || item.kind == ITEM_CALL)
                        return true;
        return false;
}

/* COUNT items, the first of which R comes to next. */
static void write_assistant(struct text *out, struct json_walk r, uint32_t count) {
        struct json_walk said = r;
        struct item item;

        if (!says(r, count))
                return;
        begin_message(out, "assistant");
        for (uint32_t i = 0; i < count && next_item(&said, &item); i++)
                if (item.kind == ITEM_SAID)
                        put_texts(out, item.m[CONTENT]);
        text_puts(out, "]");
        put_thoughts(out, r, count);
        put_calls(out, r, count);
        text_puts(out, "}");
}

/* How many items of the assistant come next. They are checked, and R is behind them afterwards. */
static bool count_assistant(const struct translation *t, struct json_walk *r, uint32_t index, uint32_t *ret) {
        struct json_walk ahead = *r;
        struct item item;

        for (*ret = 0; next_item(&ahead, &item) && is_of_assistant(item.kind); ++*ret) {
                if (!check_item(t, index + *ret, &item))
                        return false;
                *r = ahead;
        }
        return true;
}

/* Items of the assistant, the first of which BEGIN comes to next: *R is behind them, *RET_COUNT how many they are. */
static bool write_run(const struct translation *t, struct json_walk begin, uint32_t index, struct json_walk *r,
                      uint32_t *ret_count) {
        *r = begin;
        if (!count_assistant(t, r, index, ret_count))
                return false;
        write_assistant(t->out, begin, *ret_count);
        return true;
}

static void write_one(struct text *out, const struct item *item) {
        begin_message(out, item->kind == ITEM_RESULT ? "tool" : "user");
        put_texts(out, item->m[item->kind == ITEM_RESULT ? OUTPUT : CONTENT]);
        text_puts(out, "]");
        if (item->kind == ITEM_RESULT)
                put_member(out, "tool_call_id", item->m[CALL_ID]);
        text_puts(out, "}");
}

/* IS_OPEN: a message of the system, which takes those that follow. */
static bool write_items(const struct translation *t, struct json_value input, bool is_open) {
        struct json_walk r, before;
        struct item item;
        uint32_t i = 0;

        items_begin(&r, input);
        for (uint32_t count = 1; before = r, next_item(&r, &item); i += count, count = 1) {
                if (!check_item(t, i, &item))
                        return false;
                if (item.kind == ITEM_SYSTEM && !is_open)
                        begin_message(t->out, "system");
                if (item.kind != ITEM_SYSTEM && is_open)
                        text_puts(t->out, "]}");
                is_open = item.kind == ITEM_SYSTEM;
                if (is_open)
                        put_texts(t->out, item.m[CONTENT]);
                else if (!is_of_assistant(item.kind))
                        write_one(t->out, &item);
                else if (!write_run(t, before, i, &r, &count))
                        return false;
        }
        text_puts(t->out, is_open ? "]}" : "");
        if (i > 0)
                return true;
        *t->reterr = bad_request("input", "'input' must hold at least one item");
        return false;
}

static bool write_messages(const struct translation *t, struct json_value instructions, struct json_value input) {
        bool is_open = instructions.kind != JSON_NONE;

        if (is_open && instructions.kind != JSON_STRING) {
                *t->reterr = bad_request("instructions", "'instructions' must be a string");
                return false;
        }
        if (input.kind != JSON_STRING && input.kind != JSON_ARRAY) {
                *t->reterr = bad_request("input", "'input' must be a string or a list of items");
                return false;
        }
        put_key(t->out, "messages");
        text_puts(t->out, "[");
        if (is_open) {
                begin_message(t->out, "system");
                put_text_part(t->out, instructions);
        }
        if (input.kind == JSON_ARRAY) {
                if (!write_items(t, input, is_open))
                        return false;
        } else {
                text_puts(t->out, is_open ? "]}" : "");
                begin_message(t->out, "user");
                put_text_part(t->out, input);
                text_puts(t->out, "]}");
        }
        text_puts(t->out, "]");
        return true;
}

/* --- tools --- */

static bool write_tool(const struct translation *t, uint32_t index, struct json_value tool) {
        enum { TOOL_TYPE, TOOL_NAME, DESCRIPTION, PARAMETERS, STRICT, TOOL_MEMBERS };
        static const char *const names[TOOL_MEMBERS] = { "type", "name", "description", "parameters", "strict" };
        struct json_value m[TOOL_MEMBERS];
        char word[WORD_BYTES];

        find_members(tool, names, TOOL_MEMBERS, m);
        if (!json_string_is(m[TOOL_TYPE], "function") || m[TOOL_NAME].kind != JSON_STRING) {
                *t->reterr =
                        json_string_is(m[TOOL_TYPE], "function")
                                ? bad_request("tools", "tools[%u].name must be a string", index)
                                : bad_request("tools", "tools[%u]: tools of type '%s' are not offered; give it as a function",
                                              index, word_of(m[TOOL_TYPE], word));
                return false;
        }
        put_comma(t->out);
        text_puts(t->out, "{\"type\":\"function\",\"function\":{");
        for (unsigned i = TOOL_NAME; i < TOOL_MEMBERS; i++)
                put_member(t->out, names[i], m[i]);
        text_puts(t->out, "}}");
        return true;
}

static bool write_tools(const struct translation *t, struct json_value tools) {
        if (tools.kind == JSON_NONE)
                return true;
        if (tools.kind != JSON_ARRAY) {
                *t->reterr = bad_request("tools", "'tools' must be a list");
                return false;
        }
        return put_list(t, "tools", tools, write_tool);
}

/* --- the form of the answer, and reasoning --- */

static bool write_text(const struct translation *t, struct json_value text) {
        static const char *const names[] = { "format", "verbosity" };
        static const char *const format_names[] = { "type", "name", "schema", "strict" };
        struct json_value m[2], f[4];

        find_members(text, names, 2, m);
        put_member(t->out, "verbosity", m[1]);
        if (m[0].kind == JSON_NONE)
                return true;
        find_members(m[0], format_names, 4, f);
        put_key(t->out, "response_format");
        text_puts(t->out, "{");
        put_member(t->out, "type", f[0]);
        if (json_string_is(f[0], "json_schema")) {
                put_key(t->out, "json_schema");
                text_puts(t->out, "{");
                for (unsigned i = 1; i < 4; i++)
                        put_member(t->out, format_names[i], f[i]);
                text_puts(t->out, "}");
        }
        text_puts(t->out, "}");
        if (f[0].kind == JSON_STRING && (!json_string_is(f[0], "json_schema") || f[2].kind != JSON_NONE))
                return true;
        *t->reterr = bad_request("text", "text.format must have a type, and a schema where that is 'json_schema'");
        return false;
}

static void write_reasoning(struct text *out, struct json_value reasoning) {
        static const char *const names[] = { "effort" };
        struct json_value effort;

        find_members(reasoning, names, 1, &effort);
        put_member(out, "reasoning_effort", effort);
}

/* --- the whole --- */

/* Those in `responses.h` come first, in its order. */
enum { INPUT = REPEATED_COUNT, PREVIOUS, CONVERSATION, PROMPT, BACKGROUND, INCLUDE, AS_THEY_ARE };
#define MEMBERS (AS_THEY_ARE + 13)
static const char *const members[MEMBERS] = {
        "instructions",
        "max_output_tokens",
        "metadata",
        "parallel_tool_calls",
        "reasoning",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_logprobs",
        "top_p",
        "user",
        "input",
        "previous_response_id",
        "conversation",
        "prompt",
        "background",
        "include",
        "model",
        "stream",
        "service_tier",
        "stop",
        "seed",
        "top_k",
        "min_p",
        "presence_penalty",
        "frequency_penalty",
        "repeat_penalty",
        "logit_bias",
        "chat_template_kwargs",
        "prompt_cache_key",
};

static bool wants_logprobs(const struct json_value m[]) {
        struct json_value item;
        struct json_walk r;

        items_begin(&r, m[INCLUDE]);
        while (items_next(&r, &item))
                if (json_string_is(item, "message.output_text.logprobs"))
                        return true;
        return m[REPEATED_TOP_LOGPROBS].kind != JSON_NONE && !json_whole(m[REPEATED_TOP_LOGPROBS], 0, 0);
}

/* Engines know the range of their number. */
static void write_logprobs(struct text *out, const struct json_value m[]) {
        if (!wants_logprobs(m))
                return;
        put_key(out, "logprobs");
        text_puts(out, "true");
        put_member(out, "top_logprobs", m[REPEATED_TOP_LOGPROBS]);
}

static bool check_offered(const struct translation *t, const struct json_value m[]) {
        for (unsigned i = PREVIOUS; i <= PROMPT; i++)
                if (m[i].kind != JSON_NONE) {
                        *t->reterr = bad_request(members[i],
                                                 "'%s' is not offered: this server keeps nothing of earlier requests; "
                                                 "send all of the conversation in 'input'",
                                                 members[i]);
                        return false;
                }
        if (m[BACKGROUND].kind == JSON_TRUE)
                *t->reterr = bad_request("background", "'background' is not offered: an answer is there for who waits for it");
        else
                return true;
        return false;
}

bool translate_responses(const char *source, size_t size, struct text *out, struct asked *asked, struct failure *reterr) {
        struct translation t = { out, reterr };
        struct json_value m[MEMBERS];

        find_members((struct json_value){ JSON_OBJECT, source, size }, members, MEMBERS, m);
        memcpy(asked->repeated, m, sizeof(*m) * REPEATED_COUNT);
        text_puts(out, "{");
        for (unsigned i = AS_THEY_ARE; i < MEMBERS; i++)
                put_member(out, members[i], m[i]);
        put_member(out, "max_tokens", m[REPEATED_MAX_OUTPUT_TOKENS]);
        put_member(out, "parallel_tool_calls", m[REPEATED_PARALLEL_TOOL_CALLS]);
        put_member(out, "temperature", m[REPEATED_TEMPERATURE]);
        put_member(out, "top_p", m[REPEATED_TOP_P]);
        put_member(out, "tool_choice", m[REPEATED_TOOL_CHOICE]); /* engines know its forms */
        write_reasoning(out, m[REPEATED_REASONING]);
        write_logprobs(out, m);
        if (!check_offered(&t, m) || !write_messages(&t, m[REPEATED_INSTRUCTIONS], m[INPUT]) ||
            !write_tools(&t, m[REPEATED_TOOLS]) || !write_text(&t, m[REPEATED_TEXT]))
                return false;
        text_puts(out, "}");
        return true;
}
